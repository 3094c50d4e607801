/**
 * The append passes no router, and its answer is not written by Koa. Everything that holds for any
 * request holds for it all the same.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { AppendOutcome } from '#master/core/append';
import { createMasterApp } from '#master/http/app';
import { CLIENT_LIMITS } from '#process/node-settings';
import { eventually } from '#tests/support/eventually';
import { FakeMaster } from '#tests/support/fakes/master';
import { HttpService, LogLines, readToEnd } from '#tests/support/http/http-service';

const BODY_BYTES_MAX = 4 * 2 ** 20;
const TOKEN = 's3cret';

let log: LogLines;
let master: FakeMaster;
let service: HttpService;

async function serve({ apiToken = null as string | null, stalledMs = CLIENT_LIMITS.stalledMs } = {}): Promise<void> {
  const limits = { ...CLIENT_LIMITS, stalledMs };
  const http = { host: '127.0.0.1', publicUrl: null, apiToken, bodyBytesMax: BODY_BYTES_MAX, limits };
  const settings = { defaultWriteConcern: 1, messageBytesMax: 2 ** 20, logName: 'rlog', http } as const;
  const { logger } = log;
  service = await HttpService.start(({ stopping }) => createMasterApp({ master, logger, stopping, settings }), logger);
}

beforeEach(() => {
  log = new LogLines();
  master = new FakeMaster();
});
afterEach(() => service.stop());

interface Sent {
  readonly body?: string;
  readonly target?: string;
  readonly headers?: readonly string[];
  readonly length?: number;
}

/** The bytes of an append. */
function append({ body = '{"message":"m"}', target = '/messages', headers = [], length = body.length }: Sent = {}) {
  const head = [`POST ${target} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...headers];
  return `${head.join('\r\n')}\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

const LAST = ['Connection: close'];

/** What comes on one connection for all of these requests, which are written at once. */
async function converse(...requests: readonly string[]): Promise<readonly Reply[]> {
  const socket = await service.connect();
  const text = readToEnd(socket);
  socket.write(requests.join(''));
  return repliesIn(await text);
}

interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Splits answers by their length, so a wrong length fails the test. */
function repliesIn(text: string): readonly Reply[] {
  if (text === '') return [];
  const [head = ''] = text.split('\r\n\r\n', 1);
  const status = Number(/^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(head)?.[1]);
  const length = /^Content-Length: (\d+)$/m.exec(head.replaceAll('\r', ''))?.[1];
  expect([head, status, length]).toEqual([expect.stringMatching(/^X-Request-Id: /m), status, expect.any(String)]);
  const end = head.length + 4 + Number(length);
  return [{ status, head, body: text.slice(head.length + 4, end) }, ...repliesIn(text.slice(end))];
}

const statuses = (replies: readonly Reply[]) => replies.map(({ status }) => status);

describe('an append', () => {
  it('needs the token', async () => {
    await serve({ apiToken: TOKEN });
    const wrong = await service.send('POST', '/messages', { message: 'm' }, { Authorization: 'Bearer s3cre' });
    expect(wrong.status).toBe(401);
    expect(wrong.headers['www-authenticate']).toBe('Bearer');
    expect(wrong.json()).toMatchObject({ type: '/problems/unauthorized', stored: false });
    expect(master.requests).toEqual([]);
    const right = await service.send('POST', '/messages', { message: 'm' }, { Authorization: `Bearer ${TOKEN}` });
    expect(right.status).toBe(201);
  });

  it('is refused for another host, also behind one that was served on the same connection', async () => {
    await serve();
    const foreign = append({ headers: LAST }).replace('localhost', 'evil.example');
    const replies = await converse(append(), append(), foreign);
    expect(statuses(replies)).toEqual([201, 201, 421]);
    expect(replies[2]?.body).toContain('"stored":false');
    expect(master.requests).toHaveLength(2);
  });

  it('has the request id that its client gave', async () => {
    await serve();
    const answer = await service.send('POST', '/messages', { message: 'm' }, { 'X-Request-Id': 'trace-1' });
    expect(answer.headers['x-request-id']).toBe('trace-1');
  });

  it('that is wrong leaves the connection to the next one', async () => {
    await serve();
    const broken = append({ body: '{"message":' });
    const form = append().replace('application/json', 'application/x-www-form-urlencoded');
    const unknown = append({ target: '/messages?timeoutMS=1' });
    expect(statuses(await converse(broken, form, unknown, append({ headers: LAST })))).toEqual([400, 415, 400, 201]);
    expect(master.requests).toHaveLength(1);
  });

  it('that is too large is answered, and so is the next one on the connection', async () => {
    await serve();
    const large = append({ body: `{"message":"${'x'.repeat(BODY_BYTES_MAX)}"}` });
    expect(statuses(await converse(large, append({ headers: LAST })))).toEqual([413, 201]);
  });

  it.each(['/messages/', '/MESSAGES', '/messages?', '/messages?w=1', 'http://localhost/messages'])(
    'is taken at %s, too',
    async (target) => {
      await serve();
      expect(statuses(await converse(append({ target, headers: LAST })))).toEqual([201]);
      expect(master.requests).toHaveLength(1);
    },
  );

  it.each(['/messages//', '//messages', '/messages/x', '/message'])('is not taken at %s', async (target) => {
    await serve();
    const [reply] = await converse(append({ target, headers: LAST }));
    expect([404, 405]).toContain(reply?.status);
    expect(master.requests).toEqual([]);
  });

  it('beside others on one connection is answered in their order', async () => {
    await serve();
    const release: (() => void)[] = [];
    master.onAppend = (request) =>
      new Promise((resolve) => {
        const seq = release.push(() => resolve(master.acknowledge(request)));
        if (seq === 3) for (const each of release.reverse()) each();
      });
    const requests = ['a', 'b', 'c'].map((message) => append({ body: JSON.stringify({ message }) }));
    const head = 'HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const socket = await service.connect();
    const text = readToEnd(socket);
    socket.write(requests.join('') + head);
    const answers = await text;
    expect(answers.match(/"message":"."/g)).toEqual(['"message":"a"', '"message":"b"', '"message":"c"']);
    expect(answers).toMatch(/HTTP\/1\.1 200 OK\r\n[^{]*$/);
  });

  it('is no HEAD, and its path says what it takes', async () => {
    await serve();
    const answer = await service.send('PATCH', '/messages', { message: 'm' });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD, POST, OPTIONS');
    const head = await service.ask({ method: 'HEAD', path: '/messages' });
    expect(head).toMatchObject({ status: 200, text: '' });
  });
});

describe('an append that waits', () => {
  const LOST: AppendOutcome = {
    outcome: 'unresolved',
    problem: 'shutting-down',
    seq: 1,
    id: 'a',
    w: 2,
    acks: [],
    stored: 'unknown',
  };

  /** Releases the append that waits as an outcome. */
  async function waiting(bytes = append()): Promise<{ socket: Socket; release: (outcome: AppendOutcome) => void }> {
    let release: (outcome: AppendOutcome) => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      master.onAppend = () => {
        resolve();
        return new Promise((answer) => {
          release = answer;
        });
      };
    });
    const socket = await service.connect();
    socket.write(bytes);
    await arrived;
    return { socket, release };
  }

  it('and whose client leaves harms nobody when its outcome comes', async () => {
    await serve();
    const { socket, release } = await waiting();
    socket.destroy();
    const isDone = () => expect(log.lines.some(({ msg }) => msg === 'request done')).toBe(true);
    await eventually('the client is seen to leave', isDone);
    release(LOST);
    await new Promise(setImmediate);
    master.onAppend = async (request) => master.acknowledge(request);
    expect((await service.send('POST', '/messages', { message: 'm' })).status).toBe(201);
    expect(log.lines.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });

  it('while the server stops ends its connection, and says so once', async () => {
    await serve();
    const { socket, release } = await waiting();
    const text = readToEnd(socket);
    await service.server.close({ answerBlocked: () => release(LOST) });
    const [reply, ...more] = repliesIn(await text);
    expect(more).toEqual([]);
    expect(reply).toMatchObject({ status: 503, body: expect.stringContaining('"stored":"unknown"') });
    expect(reply?.head.match(/^Connection: close\r$/gm)).toHaveLength(1);
  });

  it('longer than a stalled client may is answered', async () => {
    await serve({ stalledMs: 50 });
    const { socket, release } = await waiting(append({ headers: LAST }));
    const text = readToEnd(socket);
    const stalled = await service.connect();
    stalled.write(append({ length: 100 }));
    expect(await readToEnd(stalled)).toMatch(/^HTTP\/1\.1 408 /);
    release(LOST);
    expect(statuses(repliesIn(await text))).toEqual([503]);
  });
});

it('a client that takes nothing of its answers is cut off', async () => {
  await serve({ stalledMs: 100 });
  const message = 'x'.repeat(1_000_000);
  const socket = await service.connect();
  socket.pause();
  socket.on('error', () => undefined);
  socket.write(
    Array(12)
      .fill(append({ body: JSON.stringify({ message }) }))
      .join(''),
  );
  await eventually('it is cut off', () => {
    const done = log.lines.filter(({ msg }) => msg === 'request done');
    expect(done.some(({ complete }) => complete === false)).toBe(true);
  });
  socket.destroy();
});

it('a tail has a request id', async () => {
  await serve();
  const socket = await service.connect();
  socket.write(
    'GET /messages HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nX-Request-Id: tail-1\r\n\r\n',
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1\.1 200 .*\r\nX-Request-Id: tail-1\r\n/s);
  socket.destroy();
});
