import pino from 'pino';
import { createSecondaryApp } from '#secondary/http/app';
import { FakeSecondary } from '#tests/support/fakes/secondary';
import { HttpService } from '#tests/support/http/http-service';

const NO_FAULTS = { delayMs: 0, failRate: 0, dropRate: 0, duplicateRate: 0, reorderRate: 0, paused: false };

function serve(secondary: FakeSecondary, faultInjection: boolean): Promise<HttpService> {
  return HttpService.start(({ stopping }) =>
    createSecondaryApp({
      secondary,
      logger: pino({ level: 'silent' }),
      stopping,
      settings: { faultInjection, http: { bodyBytesMax: 1024, apiToken: null } },
    }),
  );
}

describe('a secondary over HTTP', () => {
  let secondary: FakeSecondary;
  let service: HttpService;

  beforeEach(async () => {
    secondary = new FakeSecondary();
    service = await serve(secondary, false);
  });
  afterEach(() => service.stop());

  it('is read like the master', async () => {
    secondary.reader.moveHead(2, 1);
    expect((await service.ask({ path: '/messages' })).json()).toEqual(secondary.reader.entries(1, 2));
    expect((await service.ask({ path: '/messages/2' })).json()).toEqual(secondary.reader.entry(2));
    expect((await service.ask({ path: '/messages/2/replication' })).status).toBe(404);
  });

  it('says how it is', async () => {
    secondary.reader.moveHead(2);
    expect((await service.ask({ path: '/health' })).json()).toEqual(secondary.health());
  });

  it('is ready when it has caught up, alive before that', async () => {
    secondary.ready = false;
    expect((await service.ask({ path: '/livez' })).status).toBe(200);
    const answer = await service.ask({ path: '/readyz' });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ type: '/problems/not-ready', detail: '3 entries are missing' });
    secondary.ready = true;
    expect((await service.ask({ path: '/readyz' })).status).toBe(200);
  });

  it('takes no append, and says where the master is once it knows', async () => {
    const before = await service.send('POST', '/messages', { message: 'm' });
    expect(before.status).toBe(405);
    expect(before.headers.allow).toBe('GET, HEAD, OPTIONS');
    expect(before.json()).toMatchObject({ type: '/problems/method-not-allowed', stored: false });
    secondary.master = 'http://127.0.0.1:8000';
    const after = await service.send('POST', '/messages', { message: 'm' });
    expect(after.json().detail).toContain('http://127.0.0.1:8000');
  });

  it('has no faults to set unless it is told to', async () => {
    expect((await service.ask({ path: '/faults' })).status).toBe(404);
    expect((await service.send('PUT', '/faults', { delayMs: 1 })).status).toBe(404);
  });
});

describe('the faults of a secondary', () => {
  let secondary: FakeSecondary;
  let service: HttpService;

  beforeEach(async () => {
    secondary = new FakeSecondary();
    service = await serve(secondary, true);
  });
  afterEach(() => service.stop());

  it('are shown', async () => {
    expect((await service.ask({ path: '/faults' })).json()).toEqual(NO_FAULTS);
  });

  it('change where a PUT names them, and stay where it does not', async () => {
    const first = await service.send('PUT', '/faults', { delayMs: 500, dropRate: 0.5 });
    expect(first.status).toBe(200);
    expect(first.json()).toEqual({ ...NO_FAULTS, delayMs: 500, dropRate: 0.5 });
    const second = await service.send('PUT', '/faults', { paused: true, dropRate: 0 });
    expect(second.json()).toEqual({ ...NO_FAULTS, delayMs: 500, paused: true });
    expect((await service.send('PUT', '/faults', {})).json()).toEqual(second.json());
  });

  it.each([
    [{ delayMs: -1 }, ['delayMs']],
    [{ delayMs: 1.5 }, ['delayMs']],
    [{ delayMs: '5' }, ['delayMs']],
    [{ delayMs: 86_400_001 }, ['delayMs']],
    [{ failRate: 1.1 }, ['failRate']],
    [{ dropRate: -0.1 }, ['dropRate']],
    [{ duplicateRate: null }, ['duplicateRate']],
    [{ reorderRate: true }, ['reorderRate']],
    [{ paused: 'true' }, ['paused']],
    [{ delay: 5 }, ['delay']],
    [{ delay: 5, rate: 1, failRate: 7, paused: 0 }, ['delay', 'failRate', 'paused', 'rate']],
    [[], ['']],
    [null, ['']],
    [5, ['']],
  ])('refuse %j whole, naming %j', async (change, paths) => {
    const answer = await service.send('PUT', '/faults', change);
    expect(answer.status).toBe(400);
    const { type, errors } = answer.json() as { type: string; errors: { path: string }[] };
    expect(type).toBe('/problems/invalid-request');
    expect(errors.map(({ path }) => path).sort()).toEqual(paths);
    expect(secondary.settings).toEqual(NO_FAULTS);
  });

  it('refuse what is no JSON', async () => {
    expect((await service.ask({ method: 'PUT', path: '/faults', body: 'delayMs=5' })).status).toBe(415);
  });
});
