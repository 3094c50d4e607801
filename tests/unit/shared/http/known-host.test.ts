import { createMasterApp } from '#master/http/app';
import { createSecondaryApp } from '#secondary/http/app';
import { FakeMaster } from '#tests/support/fakes/master';
import { FakeSecondary } from '#tests/support/fakes/secondary';
import { HttpService, LogLines, readToEnd } from '#tests/support/http/http-service';

let service: HttpService;

interface Edge {
  readonly host?: string;
  readonly publicUrl?: string | null;
  readonly apiToken?: string | null;
  readonly role?: 'master' | 'secondary';
}

async function serve({ host = '127.0.0.1', publicUrl = null, apiToken = null, role = 'master' }: Edge = {}) {
  const http = { host, publicUrl, apiToken, bodyBytesMax: 1024 };
  const { logger } = new LogLines();
  const master = new FakeMaster();
  service = await HttpService.start(({ stopping }) =>
    role === 'master'
      ? createMasterApp({
          master,
          logger,
          stopping,
          settings: { defaultWriteConcern: 'all', messageBytesMax: 64, logName: 'rlog', http },
        })
      : createSecondaryApp({
          secondary: new FakeSecondary(),
          logger,
          stopping,
          settings: { faultInjection: true, http },
        }),
  );
  return master;
}
afterEach(() => service.stop());

const statusFor = async (host: string, path = '/health') =>
  (await service.ask({ path, headers: { Host: host } })).status;

describe('a node on loopback without a token', () => {
  it.each(['master', 'secondary'] as const)('as a %s does not serve the name of a page', async (role) => {
    await serve({ role });
    for (const path of ['/health', '/messages', '/livez', '/nothing'])
      expect(await statusFor('evil.example:8000', path)).toBe(421);
    const answer = await service.ask({ path: '/health', headers: { Host: 'evil.example' } });
    expect(answer.json()).toMatchObject({ type: '/problems/misdirected-request', status: 421 });
  });

  it('takes no append for it', async () => {
    const master = await serve();
    const answer = await service.send('POST', '/messages', { message: 'm' }, { Host: 'evil.example' });
    expect(answer.json()).toMatchObject({ status: 421, stored: false });
    expect(master.requests).toEqual([]);
  });

  it.each(['localhost', 'LOCALHOST:9', 'localhost.', 'a.localhost:80', '127.0.0.1:8000', '127.9.9.9', '[::1]:8000'])(
    'serves %s',
    async (host) => {
      await serve();
      expect(await statusFor(host)).toBe(200);
    },
  );

  it.each(['localhost.evil.example', '127.0.0.1.evil.example', '0.0.0.0', '10.0.0.1', '127.evil', 'evillocalhost'])(
    'does not serve "%s"',
    async (host) => {
      await serve();
      expect(await statusFor(host)).toBe(421);
    },
  );

  it('serves the host of its public URL', async () => {
    await serve({ publicUrl: 'https://Log.Example:8443/rlog' });
    expect(await statusFor('log.example')).toBe(200);
    expect(await statusFor('other.example')).toBe(421);
  });

  it('serves a request of HTTP/1.0, which has no Host', async () => {
    await serve();
    const socket = await service.connect();
    socket.write('GET /livez HTTP/1.0\r\n\r\n');
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1.1 200 /);
  });
});

test.each<[string, Edge, number]>([
  ['on all addresses', { host: '0.0.0.0' }, 200],
  ['on ::1', { host: '::1' }, 421],
  ['on localhost', { host: 'localhost' }, 421],
  ['with a token', { apiToken: 'secret' }, 401],
])('a node %s: any host', async (_, edge, status) => {
  await serve(edge);
  expect(await statusFor('evil.example')).toBe(status);
  const append = await service.send('POST', '/messages', { message: 'm' }, { Host: 'evil.example' });
  if (status !== 200) expect(append.json()).toMatchObject({ status, stored: false });
});
