import Router from '@koa/router';
import { createHttpApp } from '#http/app';
import { createJsonBodyReader } from '#http/body/json';
import { addProbeRoutes } from '#http/probe-routes';
import { sendProblem } from '#http/problem';
import { HttpService, LogLines } from '#tests/support/http/http-service';

async function serve(log: LogLines, apiToken: string | null = null): Promise<HttpService> {
  return HttpService.start(({ stopping }) => {
    const router = new Router();
    addProbeRoutes(router, () => ({ ready: false, reason: 'the broker is away' }));
    router.get('/thing', (ctx) => {
      ctx.body = { thing: 1 };
    });
    router.get('/broken', () => {
      throw new Error('secret of the house');
    });
    const readBody = createJsonBodyReader({ bytesMax: 1000 });
    router.post('/thing', async (ctx) => {
      const body = await readBody(ctx);
      if ('problem' in body) sendProblem(ctx, body.problem);
      else ctx.body = JSON.stringify(body.value);
    });
    return createHttpApp({ logger: log.logger, router, stopping, http: { apiToken, bodyBytesMax: 1000 } });
  });
}

describe('every service', () => {
  let log: LogLines;
  let service: HttpService;

  beforeEach(async () => {
    log = new LogLines();
    service = await serve(log);
  });
  afterEach(() => service.stop());

  it.each(['/', '/nothing', '/thing/else', '//', '/%E0%A4%A', '/thing%00'])('answers 404 at %s', async (path) => {
    const answer = await service.ask({ path });
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json()).toMatchObject({ type: '/problems/not-found', title: 'Not found', status: 404 });
  });

  it.each(['DELETE', 'PUT', 'PATCH', 'PROPFIND', 'TRACE'])(
    'answers %s where it is not known with 405',
    async (method) => {
      const answer = await service.ask({ method, path: '/thing' });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe('GET, HEAD, POST, OPTIONS');
      expect(answer.json()).toMatchObject({ type: '/problems/method-not-allowed', status: 405 });
    },
  );

  it('answers OPTIONS with what is allowed', async () => {
    const answer = await service.ask({ method: 'OPTIONS', path: '/thing' });
    expect(answer.status).toBe(204);
    expect(answer.headers.allow).toBe('GET, HEAD, POST, OPTIONS');
    expect((await service.ask({ method: 'OPTIONS', path: '/nothing' })).status).toBe(404);
  });

  it('answers HEAD as GET without the body', async () => {
    const answer = await service.ask({ method: 'HEAD', path: '/thing' });
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers['content-length']).toBe('11');
  });

  it('answers a failure with 500, its reason in the log only', async () => {
    const answer = await service.ask({ path: '/broken' });
    expect(answer.status).toBe(500);
    expect(answer.json()).toMatchObject({ type: '/problems/internal', status: 500 });
    expect(answer.text).not.toMatch(/secret|at /);
    const line = log.lines.find(({ level }) => level === 50);
    expect(line).toMatchObject({ requestId: answer.headers['x-request-id'], path: '/broken' });
    expect(JSON.stringify(line)).toContain('secret of the house');
  });

  it('gives each request an id of its own', async () => {
    const [one, two] = [await service.ask({ path: '/thing' }), await service.ask({ path: '/nothing' })];
    expect(one.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(two.headers['x-request-id']).not.toBe(one.headers['x-request-id']);
  });

  it.each([
    ['trace-1:a/b', true],
    ['x'.repeat(129), false],
    ['a b', false],
    ['"quoted"', false],
    ['', false],
  ])('takes over the request id %j: %s', async (id, isTaken) => {
    const answer = await service.ask({ path: '/thing', headers: { 'X-Request-Id': id } });
    expect(answer.headers['x-request-id'] === id).toBe(isTaken);
    expect(answer.headers['x-request-id']).toBeTruthy();
  });

  it('logs a request at debug, without its body', async () => {
    await service.send('POST', '/thing', { message: 'private' }, { 'X-Request-Id': 'r-1' });
    await service.stop();
    const line = log.lines.find(({ msg }) => msg === 'request done');
    expect(line).toMatchObject({ level: 20, method: 'POST', path: '/thing', status: 200, requestId: 'r-1' });
    expect(typeof line?.elapsedMs).toBe('number');
    expect(JSON.stringify(log.lines)).not.toContain('private');
  });

  it('is alive before it is ready, and says what it waits for', async () => {
    expect((await service.ask({ path: '/livez' })).status).toBe(200);
    const answer = await service.ask({ path: '/readyz' });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ type: '/problems/not-ready', detail: 'the broker is away' });
  });

  it('takes a compressed body, and bounds what comes out of it', async () => {
    const { gzipSync } = await import('node:zlib');
    const send = (value: unknown) =>
      service.ask({
        method: 'POST',
        path: '/thing',
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
        body: gzipSync(JSON.stringify(value)),
      });
    expect((await send({ a: 1 })).json()).toEqual({ a: 1 });
    expect((await send('x'.repeat(100_000))).status).toBe(413);
  });
});

describe('a service with a token', () => {
  const log = new LogLines();
  let service: HttpService;

  beforeAll(async () => {
    service = await serve(log, 's3cret');
  });
  afterAll(() => service.stop());

  it.each([
    ['Bearer s3cret', 200],
    ['bearer s3cret', 200],
    ['Bearer s3cre', 401],
    ['Bearer s3crets', 401],
    ['Bearer ', 401],
    ['Basic s3cret', 401],
    ['', 401],
  ])('answers %j with %d', async (authorization, status) => {
    const answer = await service.ask({ path: '/thing', headers: { Authorization: authorization } });
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  });

  it('asks nobody who probes for it, and everybody else also where nothing is', async () => {
    expect((await service.ask({ path: '/livez' })).status).toBe(200);
    expect((await service.ask({ path: '/readyz' })).status).toBe(503);
    expect((await service.ask({ path: '/nothing' })).status).toBe(401);
  });
});
