import { once } from 'node:events';
import type { Socket } from 'node:net';
import Router from '@koa/router';
import type { EntryTailsOptions } from '../../../../shared/runtime/entry-tail';
import { createHttpApp } from '../../../../shared/runtime/http-app';
import { addReadingRoutes } from '../../../../shared/runtime/reading-routes';
import { FakeLogReader } from '../../../support/fake-log-reader';
import { HttpService, LogLines } from '../../../support/http-service';

const reader = () => new FakeLogReader();

/** What a client has got so far, and the next of it. */
class Events {
  text = '';
  constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.text += data.toString('latin1');
    });
  }

  get ids(): number[] {
    return [...this.text.matchAll(/^id: ([0-9]+)\r?$/gm)].map(([, id]) => Number(id));
  }

  async until(fits: (text: string) => boolean): Promise<void> {
    while (!fits(this.text)) await once(this.socket, 'data');
  }

  untilId(id: number): Promise<void> {
    return this.until(() => this.ids.at(-1) === id);
  }
}

describe('following the log as events', () => {
  let log: FakeLogReader;
  let service: HttpService;
  const options: { -readonly [Name in keyof EntryTailsOptions]?: EntryTailsOptions[Name] } = {};

  beforeEach(async () => {
    log = reader();
    for (const name of ['keepAliveMs', 'stalledMs', 'readersMax'] as const) delete options[name];
  });
  afterEach(() => service.stop());

  const start = async () => {
    service = await HttpService.start(({ stopping }) => {
      const router = new Router();
      addReadingRoutes(router, { reader: log, stopping, ...options });
      return createHttpApp({ logger: new LogLines().logger, router, stopping });
    });
  };

  const follow = async (query = '', headers = ''): Promise<Events> => {
    const socket = await service.connect();
    socket.write(`GET /messages${query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n${headers}\r\n`);
    const events = new Events(socket);
    await events.until((text) => text.includes('\r\n\r\n'));
    return events;
  };

  it('sends what is there, then what comes', async () => {
    await start();
    log.moveHead(2);
    const events = await follow();
    await events.untilId(2);
    log.moveHead(3);
    await events.untilId(3);
    expect(events.text).toMatch(/^HTTP\/1.1 200 /);
    expect(events.text).toContain('Content-Type: text/event-stream');
    expect(events.text).toContain('Rlog-Head: 2');
    expect(events.text).toContain(`id: 3\ndata: ${JSON.stringify(log.entry(3))}\n\n`);
    expect(events.ids).toEqual([1, 2, 3]);
    events.socket.destroy();
  });

  it.each([
    ['?from=3', '', [3, 4, 5]],
    ['', 'Last-Event-ID: 4\r\n', [5]],
    ['?from=2', 'Last-Event-ID: 3\r\n', [4, 5]],
    ['?from=2&limit=2', '', [2, 3]],
  ])('%s %s gives %j', async (query, headers, expected) => {
    await start();
    log.moveHead(5);
    const events = await follow(query, headers);
    await events.untilId(expected.at(-1) ?? 0);
    expect(events.ids).toEqual(expected);
    events.socket.destroy();
  });

  it('ends after its limit', async () => {
    await start();
    log.moveHead(1);
    const answer = service.ask({ path: '/messages?limit=2', headers: { Accept: 'text/event-stream' } });
    while (log.readsBegun === 0) await new Promise(setImmediate);
    log.moveHead(3);
    expect((await answer).text).toMatch(/id: 2\n.*\n\n$/);
  });

  it('with committed=true holds back what is not committed', async () => {
    await start();
    log.moveHead(5, 2);
    const events = await follow('?committed=true');
    await events.untilId(2);
    log.moveHead(5, 4);
    await events.untilId(4);
    expect(events.ids).toEqual([1, 2, 3, 4]);
    events.socket.destroy();
  });

  it('is read once for all who are at the same place', async () => {
    await start();
    const all = await Promise.all(Array.from({ length: 50 }, () => follow()));
    log.moveHead(10);
    await Promise.all(all.map((events) => events.untilId(10)));
    expect(log.readsBegun).toBe(1);
    for (const { socket } of all) socket.destroy();
  });

  it('is kept alive by comments', async () => {
    options.keepAliveMs = 1;
    await start();
    const events = await follow();
    await events.until((text) => text.includes('\n:\n\n'));
    events.socket.destroy();
  });

  it('a reader that takes nothing is bounded, and cut off with a reason', async () => {
    options.stalledMs = 50;
    await start();
    log.messageOf = () => 'x'.repeat(100_000);
    log.moveHead(100_000);
    const events = await follow();
    events.socket.pause();
    const { socket } = events;
    let readsBefore = -1;
    while (readsBefore !== log.readsBegun) {
      readsBefore = log.readsBegun;
      for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
    }
    expect(log.readsBegun).toBeLessThan(100);
    socket.resume();
    await events.until((text) => text.includes('event: error\ndata: {"type":"/problems/slow-reader"'));
    await events.until((text) => text.endsWith('0\r\n\r\n'));
    socket.destroy();
  });

  it('a reader who has entries that are gone is cut off', async () => {
    await start();
    log.moveHead(5, 3);
    const [behind, ahead] = [await follow('?committed=true'), await follow()];
    await Promise.all([behind.untilId(3), ahead.untilId(5)]);
    log.moveHead(3, 3);
    await ahead.until((text) => text.includes('"type":"/problems/entries-cut"'));
    ahead.socket.destroy();
    log.moveHead(4, 4);
    await behind.untilId(4);
    behind.socket.destroy();
  });

  it('one reader too many is refused', async () => {
    options.readersMax = 1;
    await start();
    const events = await follow();
    const answer = await service.ask({ path: '/messages', headers: { Accept: 'text/event-stream' } });
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ type: '/problems/overloaded' });
    events.socket.destroy();
  });

  it('ends with a reason when the node stops', async () => {
    await start();
    const events = await follow();
    await service.server.close();
    await events.until((text) => text.includes('"type":"/problems/shutting-down"'));
    expect(events.text).toContain('event: error');
  });

  it.each([
    ['/messages?id=a', {}, ['id']],
    ['/messages', { 'Last-Event-ID': 'x' }, ['Last-Event-ID']],
    ['/messages?from=0', {}, ['from']],
  ])('%s %j is refused', async (path, headers, paths) => {
    await start();
    const answer = await service.ask({ path, headers: { Accept: 'text/event-stream', ...headers } });
    expect(answer.status).toBe(400);
    expect((answer.json().errors as { path: string }[]).map((each) => each.path)).toEqual(paths);
  });

  it('HEAD has the headers and no events', async () => {
    await start();
    log.moveHead(2);
    const answer = await service.ask({ method: 'HEAD', path: '/messages', headers: { Accept: 'text/event-stream' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/event-stream');
  });
});
