import { EventEmitter, once } from 'node:events';
import Router from '@koa/router';
import { createHttpApp } from '#http/app';
import { connectionsMaxOf, HttpServer, ListenError } from '#http/server';
import { eventually } from '#tests/support/eventually';
import { HttpService, LogLines, readToEnd } from '#tests/support/http/http-service';

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('a server', () => {
  const log = new LogLines();
  let held: EventEmitter;
  let order: string[];
  let service: HttpService;

  beforeEach(async () => {
    held = new EventEmitter();
    order = [];
    service = await HttpService.start(({ stopping }) => {
      const router = new Router();
      router.get('/quick', (ctx) => {
        ctx.body = 'quick';
      });
      router.get('/held', async (ctx) => {
        const released = once(held, 'release');
        held.emit('held');
        await released;
        ctx.body = 'held';
        order.push('answered');
      });
      return createHttpApp({ logger: log.logger, router, stopping });
    }, log.logger);
  });
  afterEach(() => service.stop());

  it('on a port in use says which, and what to do', async () => {
    const second = new HttpServer(log.logger);
    const app = createHttpApp({ logger: log.logger, router: new Router(), stopping: second.stopping });
    const failure = second.listen(app, { host: '127.0.0.1', port: service.port });
    await expect(failure).rejects.toThrow(ListenError);
    await expect(failure).rejects.toThrow(new RegExp(`port ${service.port} .*in use.*HTTP_PORT`));
  });

  it('on a host that is not this machine says so', async () => {
    const server = new HttpServer(log.logger);
    const app = createHttpApp({ logger: log.logger, router: new Router(), stopping: server.stopping });
    await expect(server.listen(app, { host: '192.0.2.1', port: 0 })).rejects.toThrow(/HTTP_HOST/);
  });

  it('on port 0 says which port it took', () => {
    expect(service.port).toBeGreaterThan(0);
    expect(service.url).toBe(`http://127.0.0.1:${service.port}`);
  });

  it('that never listened closes all the same', async () => {
    await expect(new HttpServer(log.logger).close()).resolves.toBeUndefined();
  });

  it('answers what is no HTTP with a problem', async () => {
    const socket = await service.connect();
    const text = readToEnd(socket);
    socket.write('garbage\r\n\r\n');
    expect(await text).toMatch(/^HTTP\/1\.1 400 .*X-Request-Id: .*"type":"\/problems\/invalid-request"/s);
  });

  it('answers headers that are too large with a problem', async () => {
    const socket = await service.connect();
    const text = readToEnd(socket);
    socket.write(`GET /quick HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
    expect(await text).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('stops in order: no new client, then the blocked are answered, then the connections end', async () => {
    const socket = await service.connect();
    const text = readToEnd(socket);
    socket.write(GET('/held'));
    await once(held, 'held');
    await service.server.close({
      answerBlocked: async () => {
        order.push('blocked');
        await expect(service.connect()).rejects.toThrow(/ECONNREFUSED/);
        order.push('refused');
        held.emit('release');
      },
    });
    order.push('closed');
    expect(await text).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*held$/s);
    expect(order).toEqual(['blocked', 'refused', 'answered', 'closed']);
  });

  it('closes at once the connections that wait for nothing', async () => {
    const silent = await service.connect();
    const idle = await service.connect();
    const ends = [once(silent, 'close'), once(idle, 'close')];
    idle.write(GET('/quick'));
    await once(idle, 'data');
    silent.resume();
    await service.server.close();
    await Promise.all(ends);
    expect([silent.destroyed, idle.destroyed]).toEqual([true, true]);
  });

  it('cuts who has no answer by the bound', async () => {
    const socket = await service.connect();
    socket.write(GET('/held'));
    await once(held, 'held');
    const cut = once(socket.resume(), 'close');
    await service.server.close({ withinMs: 1 });
    await cut;
    expect(log.lines.some(({ msg, level }) => level === 40 && String(msg).startsWith('connections cut'))).toBe(true);
  });
});

describe('the bound of connections', () => {
  it.each([
    [20_000, 9_936],
    [1_024, 448],
    [256, 64],
    [64, 8],
    ['unlimited', Number.POSITIVE_INFINITY],
    [undefined, Number.POSITIVE_INFINITY],
  ] as const)('leaves the store its descriptors: of %p files, %p', (files, connections) => {
    expect(connectionsMaxOf(files)).toBe(connections);
  });

  it('closes a connection above it, says so once, and takes the next when one has ended', async () => {
    const log = new LogLines();
    const app = ({ stopping }: HttpServer) => createHttpApp({ logger: log.logger, router: new Router(), stopping });
    const service = await HttpService.start(app, log.logger, 2);
    const [first] = [await service.connect(), await service.connect()];
    for (let each = 1; each <= 2; each += 1) await once((await service.connect()).resume(), 'close');
    const refused = log.lines.filter(({ msg }) => String(msg).startsWith('connections are refused'));
    expect(refused).toMatchObject([{ level: 40, connections: 2, connectionsMax: 2 }]);
    first.destroy();
    await eventually('a connection is taken again', async () => {
      const socket = await service.connect();
      const text = readToEnd(socket);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      expect(await text).toMatch(/^HTTP\/1\.1 404 /);
    });
    await service.stop();
  });
});
