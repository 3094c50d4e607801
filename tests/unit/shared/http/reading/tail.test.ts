import { once } from 'node:events';
import type { Socket } from 'node:net';
import Router from '@koa/router';
import { createHttpApp } from '#http/app';
import { addReadingRoutes } from '#http/reading/routes';
import type { EntryTailsOptions } from '#http/reading/tail';
import { FakeLogReader } from '#tests/support/fakes/log-reader';
import { HttpService, LogLines } from '#tests/support/http/http-service';

const reader = () => new FakeLogReader();

/** What a client has got so far, and the next of it. */
class Events {
  text = '';
  constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.text += data.toString('latin1');
    });
  }

  /** Seqs of the entries, and what the resets say, in order. */
  get seen(): unknown[] {
    const events = this.text.matchAll(/^(event: reset\n)?id: ([0-9]+)\S*\ndata: (.*)$/gm);
    return [...events].map(([, reset, seq, data]) => (reset === undefined ? Number(seq) : JSON.parse(data ?? '')));
  }

  /** Seqs of the entries. */
  get ids(): number[] {
    return this.seen.filter((each) => typeof each === 'number');
  }

  /** The whole id of the last event. */
  get lastId(): string {
    return [...this.text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? '';
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
    for (const name of ['keepAliveMs', 'stalledMs', 'seqGraceMs', 'readersMax'] as const) delete options[name];
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
    expect(events.text).toContain(`id: 3-1.3.1a.1a\ndata: ${JSON.stringify(log.entry(3))}\n\n`);
    expect(events.text).toContain('Rlog-Log: 1a\r\n');
    expect(events.ids).toEqual([1, 2, 3]);
    events.socket.destroy();
  });

  it('sends the bytes of a message as they are, whatever the alphabet', async () => {
    await start();
    const messages = ['', 'é ü', '日本語', '😀'];
    log.messageOf = (seq) => messages[seq - 1] ?? '';
    log.moveHead(messages.length);
    const answer = service.ask({ path: '/messages?limit=4', headers: { Accept: 'text/event-stream' } });
    const data = [...(await answer).text.matchAll(/^data: (.*)$/gm)].map(([, line]) => JSON.parse(line ?? ''));
    expect(data).toEqual(log.entries(1, messages.length));
  });

  it.each([
    ['?from=3', '', [3, 4, 5]],
    ['', 'Last-Event-ID: 4\r\n', [5]],
    ['', 'Last-Event-ID: 4-1.2.1a.1a\r\n', [5]],
    ['?from=5', 'Last-Event-ID: 2-1.2.1a.1a\r\n', [3, 4, 5]],
    ['?from=5', 'Last-Event-ID: 0-0.2..1a\r\n', [1, 2, 3, 4, 5]],
    ['?committed=true', 'Last-Event-ID: 4-1.2.1a.1a\r\n', [5]],
    ['?limit=1', 'Last-Event-ID: 3-1.2.1a.1a\r\n', [4]],
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
    expect((await answer).text).toMatch(/id: 2-\S+\n.*\n\n$/);
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

  it('ids name the reign of each entry, whatever lies between two', async () => {
    await start();
    log.moveHead(2);
    log.beginReign('2b');
    log.beginReign('3c');
    log.moveHead(4, 1);
    const events = await follow();
    await events.untilId(4);
    expect([...events.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id)).toEqual([
      '1-1.1.1a.1a',
      '2-1.1.1a.1a',
      '3-3.1.3c.1a',
      '4-3.1.3c.1a',
    ]);
    events.socket.destroy();
  });

  describe('with a token', () => {
    const resume = (id: string, query = '') => follow(query, `Last-Event-ID: ${id}\r\n`);

    /** Comments come, and nothing else. */
    const expectWaiting = async (events: Events) => {
      const comments = () => events.text.split('\n:\n\n').length;
      const before = comments();
      await events.until(() => comments() > before + 2);
      expect(events.seen).toEqual([]);
    };

    beforeEach(() => {
      options.keepAliveMs = 1;
      options.seqGraceMs = 60_000;
    });

    it('a node that lags sends nothing until it has the seq', async () => {
      await start();
      log.moveHead(2);
      const events = await resume('4-1.0.1a.1a');
      await expectWaiting(events);
      log.moveHead(3);
      await expectWaiting(events);
      log.moveHead(6);
      await events.untilId(6);
      expect(events.seen).toEqual([5, 6]);
      events.socket.destroy();
    });

    it('a blank node waits like one that lags', async () => {
      await start();
      const events = await resume('1-1.0.1a.1a');
      expect(events.text).not.toContain('Rlog-Log');
      await expectWaiting(events);
      log.moveHead(2);
      await events.untilId(2);
      expect(events.seen).toEqual([2]);
      events.socket.destroy();
    });

    it('an entry that was cut is told, and where the logs part', async () => {
      await start();
      log.moveHead(3);
      log.beginReign('2b');
      log.moveHead(6, 6);
      const events = await resume('5-1.2.1a.1a');
      await events.untilId(6);
      expect(events.seen).toEqual([{ reason: 'cut', from: 4, head: 6 }, 4, 5, 6]);
      expect(events.text).toContain('event: reset\nid: 3-1.6.1a.1a\ndata: {"reason":"cut","from":4,"head":6}\n\n');
      events.socket.destroy();
    });

    it('a wait ends with a reset when the log takes another course', async () => {
      await start();
      log.moveHead(3, 2);
      const events = await resume('5-1.2.1a.1a');
      await expectWaiting(events);
      log.beginReign('2b');
      log.moved();
      await events.until((text) => text.includes('event: reset'));
      log.moveHead(4, 2);
      await events.untilId(4);
      expect(events.seen).toEqual([{ reason: 'cut', from: 4, head: 3 }, 4]);
      events.socket.destroy();
    });

    it('a node that knows less to be committed is waited for', async () => {
      await start();
      log.moveHead(7, 2);
      const events = await resume('5-2.5.2b.1a');
      await expectWaiting(events);
      log.moveHead(3, 3);
      log.beginReign('2b');
      log.moveHead(6, 6);
      await events.untilId(6);
      expect(events.seen).toEqual([6]);
      events.socket.destroy();
    });

    it('another log is told, and begun', async () => {
      await start();
      log.moveHead(2);
      const events = await resume('5-1.2.77.77');
      await events.untilId(2);
      expect(events.seen).toEqual([{ reason: 'other-log', from: 1, head: 2 }, 1, 2]);
      events.socket.destroy();
    });

    it.each(['5-1.2.1a.1a', '5-1.2.77.77'])(
      'who was reset and saw no more than that goes on from there: %s',
      async (id) => {
        await start();
        log.moveHead(3);
        log.beginReign('2b');
        log.moved();
        const events = await resume(id, '?from=9');
        await events.until((text) => text.includes('event: reset'));
        const [reset] = events.seen as { from: number }[];
        const resetId = /event: reset\nid: (\S+)/.exec(events.text)?.[1] ?? '';
        events.socket.destroy();
        log.moveHead(6);
        const again = await resume(resetId, '?from=9');
        await again.untilId(6);
        expect(again.seen).toEqual([1, 2, 3, 4, 5, 6].filter((seq) => seq >= (reset?.from ?? 0)));
        again.socket.destroy();
      },
    );

    it('one who waits and leaves makes room', async () => {
      options.readersMax = 1;
      await start();
      log.moveHead(2);
      const events = await resume('4-1.0.1a.1a');
      await expectWaiting(events);
      events.socket.destroy();
      const ask = () => service.ask({ path: '/messages?limit=1', headers: { Accept: 'text/event-stream' } });
      while ((await ask()).status !== 200) await new Promise(setImmediate);
      log.moveHead(9);
    });

    it('a wait ends when the node stops', async () => {
      await start();
      log.moveHead(2);
      const events = await resume('4-1.0.1a.1a');
      await service.server.close();
      await events.until((text) => text.includes('"type":"/problems/shutting-down"'));
      expect(events.seen).toEqual([]);
    });
  });

  describe('with a bare seq above what is visible', () => {
    const resume = (seq: number) => follow('', `Last-Event-ID: ${seq}\r\n`);

    it('a node that lags goes on when it is there', async () => {
      options.seqGraceMs = 0;
      await start();
      log.logHead = 9;
      log.moveHead(3);
      const events = await resume(5);
      log.moveHead(7);
      await events.untilId(7);
      expect(events.seen).toEqual([6, 7]);
      events.socket.destroy();
    });

    it('a node that does not know where the log ends waits until it does', async () => {
      [options.seqGraceMs, options.keepAliveMs] = [0, 1];
      await start();
      log.logHead = null;
      log.moveHead(3);
      const events = await resume(5);
      await events.until((text) => text.includes('\n:\n\n'));
      expect(events.seen).toEqual([]);
      log.logHead = 4;
      log.moved();
      await events.until((text) => text.includes('event: reset'));
      log.moveHead(5);
      await events.untilId(5);
      expect(events.seen).toEqual([{ reason: 'cut', from: 5, head: 4 }, 5]);
      expect(events.text).toContain('event: reset\nid: 4\n');
      events.socket.destroy();
    });

    it('what is above the head of the log is reset to behind it', async () => {
      options.seqGraceMs = 0;
      await start();
      log.moveHead(3);
      const events = await resume(9);
      await events.until((text) => text.includes('event: reset'));
      log.moveHead(4);
      await events.untilId(4);
      expect(events.seen).toEqual([{ reason: 'cut', from: 4, head: 3 }, 4]);
      expect(events.text).toContain('event: reset\nid: 3-1.3.1a.1a\n');
      events.socket.destroy();
    });

    it('what the node hears of in time is no cut', async () => {
      options.seqGraceMs = 60_000;
      await start();
      log.moveHead(3);
      const events = await resume(4);
      log.moveHead(5);
      await events.untilId(5);
      expect(events.seen).toEqual([5]);
      events.socket.destroy();
    });
  });

  describe('when what was sent is cut', () => {
    const begin = (reign: string, text: string) => {
      log.beginReign(reign);
      log.messageOf = () => text;
    };

    it('its readers are told, and go on; others are not', async () => {
      await start();
      log.moveHead(5, 3);
      const [behind, ahead] = [await follow('?committed=true'), await follow()];
      await Promise.all([behind.untilId(3), ahead.untilId(5)]);
      log.moveHead(3, 3);
      begin('2b', 'new');
      log.moveHead(4, 4);
      await Promise.all([behind.untilId(4), ahead.untilId(4)]);
      expect(ahead.seen).toEqual([1, 2, 3, 4, 5, { reason: 'cut', from: 4, head: 3 }, 4]);
      expect(behind.seen).toEqual([1, 2, 3, 4]);
      expect(ahead.lastId).toBe('4-2.4.2b.1a');
      for (const { socket } of [behind, ahead]) socket.destroy();
    });

    it.each([
      [4, [1, 2, 3, 4, 5, 6]],
      [3, [1, 2, 3, 4, 5, 6]],
      [2, [1, 2, 3, { reason: 'cut', from: 3, head: 6 }, 3, 4, 5, 6]],
      [0, [1, 2, 3, { reason: 'cut', from: 1, head: 6 }, 1, 2, 3, 4, 5, 6]],
    ])('to %i while a chunk is read, nothing of that is sent to any who share it', async (head, expected) => {
      await start();
      log.messageOf = () => 'old';
      log.moveHead(3);
      const all = [await follow(), await follow()];
      await Promise.all(all.map((events) => events.untilId(3)));
      const read = log.read.bind(log);
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      log.read = async (range) => {
        const entries = await read(range);
        await held;
        return entries;
      };
      log.moveHead(5);
      log.moveHead(head);
      log.read = read;
      begin('2b', 'new');
      log.moveHead(6);
      await new Promise(setImmediate);
      release();
      await Promise.all(all.map((events) => events.untilId(6)));
      for (const events of all) {
        expect(events.seen).toEqual(expected);
        expect(events.text.match(/"message":"old"/g)).toHaveLength(3);
        expect(events.lastId).toBe('6-2.6.2b.1a');
        events.socket.destroy();
      }
    });

    it('a reader that takes nothing is told once, and gets nothing of the old history after that', async () => {
      options.stalledMs = 60_000;
      await start();
      const [old, fresh] = ['o', 'n'].map((letter) => letter.repeat(100_000));
      log.messageOf = () => old ?? '';
      log.moveHead(1_000);
      const events = await follow();
      events.socket.pause();
      let readsBefore = -1;
      while (readsBefore !== log.readsBegun) {
        readsBefore = log.readsBegun;
        for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
      }
      log.moveHead(8);
      log.moveHead(6);
      log.beginReign('2b');
      log.messageOf = () => fresh ?? '';
      log.moveHead(9);
      events.socket.resume();
      await events.until(() => events.lastId.startsWith('9-2.'));
      const { seen } = events;
      const at = seen.findIndex((each) => typeof each !== 'number');
      expect(seen.slice(at)).toEqual([{ reason: 'cut', from: 7, head: 9 }, 7, 8, 9]);
      expect(seen.slice(0, at)).toEqual(Array.from({ length: at }, (_, before) => before + 1));
      expect(events.text.slice(events.text.indexOf('event: reset'))).not.toContain('oooo');
      events.socket.destroy();
    });

    it('what takes the place of what was cut is read anew', async () => {
      await start();
      log.messageOf = () => 'old';
      const events = await follow();
      log.moveHead(3);
      await events.untilId(3);
      log.moveHead(0);
      log.messageOf = () => 'new';
      log.moveHead(3);
      await events.until(() => events.ids.length === 6);
      expect(events.seen).toEqual([1, 2, 3, { reason: 'cut', from: 1, head: 0 }, 1, 2, 3]);
      expect(events.text.match(/"message":"old"/g)).toHaveLength(3);
      events.socket.destroy();
    });

    it.each([
      [6, [{ reason: 'cut', from: 4, head: 3 }, 4, 5, 6, 7]],
      [7, [7]],
    ])('one who waits for %i and has got nothing yet sees %j', async (from, expected) => {
      await start();
      log.moveHead(5);
      const events = await follow(`?from=${from}`);
      log.moveHead(3);
      log.moveHead(7);
      await events.untilId(7);
      expect(events.seen).toEqual(expected);
      events.socket.destroy();
    });

    it('a limit counts what is sent again', async () => {
      await start();
      log.moveHead(3);
      const events = await follow('?limit=5');
      await events.untilId(3);
      log.moveHead(2);
      log.moveHead(9);
      await events.until((text) => text.endsWith('0\r\n\r\n'));
      expect(events.seen).toEqual([1, 2, 3, { reason: 'cut', from: 3, head: 2 }, 3, 4]);
      events.socket.destroy();
    });
  });

  it('ends with a problem when the node becomes foreign, unless its log was asked for', async () => {
    await start();
    log.moveHead(2);
    const [plain, asked] = [await follow(), await follow('?log=1a')];
    await Promise.all([plain.untilId(2), asked.untilId(2)]);
    log.foreignLog = { log: '1a', lastSeq: 2 };
    log.moved();
    await plain.until((text) => text.includes('event: error\ndata: {"type":"/problems/foreign-log"'));
    expect(plain.text).toContain('"log":"1a","lastSeq":2}');
    log.moveHead(3);
    await asked.untilId(3);
    for (const { socket } of [plain, asked]) socket.destroy();
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
    ['/messages', { 'Last-Event-ID': '7-' }, ['Last-Event-ID']],
    ['/messages', { 'Last-Event-ID': '7-1.2.1a' }, ['Last-Event-ID']],
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
