import { once } from 'node:events';
import Router from '@koa/router';
import { createHttpApp } from '#http/app';
import { addReadingRoutes } from '#http/reading/routes';
import { FakeLogReader } from '#tests/support/fakes/log-reader';
import { type Answer, HttpService, LogLines } from '#tests/support/http/http-service';

describe('reading the log', () => {
  let reader: FakeLogReader;
  let service: HttpService;
  let log: LogLines;

  beforeEach(async () => {
    reader = new FakeLogReader();
    log = new LogLines();
    service = await HttpService.start(({ stopping }) => {
      const router = new Router();
      addReadingRoutes(router, { reader, stopping });
      return createHttpApp({ logger: log.logger, router, stopping });
    });
  });
  afterEach(() => service.stop());

  const get = (path: string, headers = {}) => service.ask({ path, headers });
  const seqs = (answer: Answer) => (JSON.parse(answer.text) as { seq: number }[]).map(({ seq }) => seq);

  it('an empty log is an empty array', async () => {
    const answer = await get('/messages');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.text).toBe('[]');
  });

  it('gives every entry in order, and says where the log stands', async () => {
    reader.moveHead(5, 3);
    const answer = await get('/messages');
    expect(answer.json()).toEqual(reader.entries(1, 5));
    expect(answer.headers).toMatchObject({ 'rlog-head': '5', 'rlog-commit': '3', 'rlog-epoch': '1', 'rlog-log': '1a' });
    expect(answer.headers.link).toBeUndefined();
  });

  it.each([
    ['from=3', [3, 4, 5]],
    ['from=6', []],
    ['from=9007199254740991', []],
    ['limit=2', [1, 2]],
    ['limit=5', [1, 2, 3, 4, 5]],
    ['from=2&limit=2', [2, 3]],
    ['from=5&limit=9007199254740991', [5]],
    ['committed=true', [1, 2, 3]],
    ['committed=false', [1, 2, 3, 4, 5]],
    ['committed=true&from=4', []],
    ['id=id-4', [4]],
    ['id=id-4&committed=true', []],
    ['id=id-4&from=5', []],
    ['id=nobody', []],
    ['id=id-4&limit=1', [4]],
  ])('?%s gives %j', async (query, expected) => {
    reader.moveHead(5, 3);
    const answer = await get(`/messages?${query}`);
    expect(answer.status).toBe(200);
    expect(seqs(answer)).toEqual(expected);
  });

  it('links to the next part when the limit cut it, with the same query otherwise', async () => {
    reader.moveHead(5, 4);
    const first = await get('/messages?limit=2&committed=true&timeoutMs=%37');
    expect(first.headers.link).toBe('</messages?limit=2&committed=true&timeoutMs=7&from=3>; rel="next"');
    const last = await get('/messages?limit=2&committed=true&from=3');
    expect(seqs(last)).toEqual([3, 4]);
    expect(last.headers.link).toBeUndefined();
  });

  it.each([
    ['from=0', ['from']],
    ['from=-1', ['from']],
    ['from=1.5', ['from']],
    ['from=', ['from']],
    ['from=abc', ['from']],
    ['from=1e3', ['from']],
    ['from=99999999999999999999', ['from']],
    ['from=1&from=2', ['from']],
    ['limit=0', ['limit']],
    ['limit=ten', ['limit']],
    ['committed=yes', ['committed']],
    ['id=', ['id']],
    [`id=${'x'.repeat(129)}`, ['id']],
    ['minSeq=-1', ['minSeq']],
    ['timeoutMs=soon', ['timeoutMs']],
    ['log=', ['log']],
    ['log=a&log=b', ['log']],
    ['from=0&limit=x&committed=1&minSeq=y&timeoutMs=-5', ['committed', 'from', 'limit', 'minSeq', 'timeoutMs']],
  ])('?%s is refused, naming %j', async (query, paths) => {
    const answer = await get(`/messages?${query}`);
    expect(answer.status).toBe(400);
    const { type, errors } = answer.json() as { type: string; errors: { path: string }[] };
    expect(type).toBe('/problems/invalid-request');
    expect(errors.map(({ path }) => path).sort()).toEqual(paths);
  });

  it.each([
    ['application/x-ndjson', 'application/x-ndjson'],
    ['application/x-ndjson, application/json;q=0.5', 'application/x-ndjson'],
    ['*/*', 'application/json'],
    ['text/html, */*;q=0.1', 'application/json'],
  ])('with Accept: %s comes as %s', async (accept, type) => {
    reader.moveHead(3);
    const answer = await get('/messages', { Accept: accept });
    expect(answer.headers['content-type']).toBe(type);
    const lines = type === 'application/json' ? answer.json() : answer.text.trimEnd().split('\n').map(parsed);
    expect(lines).toEqual(reader.entries(1, 3));
  });

  it('a format that there is not is 406', async () => {
    const answer = await get('/messages', { Accept: 'application/xml' });
    expect(answer.status).toBe(406);
    expect(answer.json().type).toBe('/problems/not-acceptable');
  });

  it('a log larger than a chunk comes whole, in either format', async () => {
    reader.messageOf = (seq) => `${seq}`.padStart(10_000, 'x');
    reader.moveHead(300);
    expect((await get('/messages')).json()).toEqual(reader.entries(1, 300));
    const lines = await get('/messages?from=2', { Accept: 'application/x-ndjson' });
    expect(lines.text.endsWith('\n')).toBe(true);
    expect(lines.text.trimEnd().split('\n').map(parsed)).toEqual(reader.entries(2, 300));
  });

  it('ends at the head of the moment when the request was taken', async () => {
    reader.messageOf = () => 'x'.repeat(10_000);
    reader.moveHead(300);
    const read = reader.read.bind(reader);
    reader.read = (range) => {
      reader.moveHead(reader.head + 100);
      return read(range);
    };
    const answer = await get('/messages');
    expect(seqs(answer)).toHaveLength(300);
    expect(answer.headers['rlog-head']).toBe('300');
  });

  it('a reader that does not read costs a few chunks, and leaving ends the reading', async () => {
    reader.messageOf = () => 'x'.repeat(100_000);
    reader.moveHead(100_000);
    const socket = await service.connect();
    socket.pause();
    socket.write('GET /messages HTTP/1.1\r\nHost: x\r\n\r\n');
    let readsBefore = -1;
    while (readsBefore !== reader.readsBegun || reader.readsBegun === 0) {
      readsBefore = reader.readsBegun;
      for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
    }
    expect(reader.readsBegun).toBeLessThan(100);
    const left = once(socket, 'close');
    socket.destroy();
    await left;
    await service.stop();
    expect(reader.readsBegun).toBeLessThanOrEqual(readsBefore + 1);
    expect(log.lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('an answer whose entries are lost under way is cut short, not ended', async () => {
    reader.messageOf = () => 'x'.repeat(100_000);
    reader.moveHead(100);
    reader.lostFrom = 50;
    await expect(get('/messages')).rejects.toThrow(/aborted/);
    expect(log.lines.some(({ msg, level }) => msg === 'answer cut short' && level === 50)).toBe(true);
  });

  describe('with minSeq', () => {
    it('answers at once when it is visible', async () => {
      reader.moveHead(3);
      expect(seqs(await get('/messages?minSeq=3'))).toEqual([1, 2, 3]);
    });

    it('waits until it is', async () => {
      const answer = get('/messages?minSeq=2&timeoutMs=60000');
      while (reader.waiting === 0) await new Promise(setImmediate);
      reader.moveHead(1);
      reader.moveHead(2);
      expect(seqs(await answer)).toEqual([1, 2]);
    });

    it('is 504 when the time passes first', async () => {
      const answer = await get('/messages?minSeq=2&timeoutMs=1');
      expect(answer.status).toBe(504);
      expect(answer.json()).toMatchObject({ type: '/problems/not-yet-visible', status: 504, minSeq: 2, head: 0 });
    });

    it('waits for the commit when only what is committed is asked for', async () => {
      reader.moveHead(2, 1);
      const answer = get('/messages?minSeq=2&committed=true&timeoutMs=60000');
      while (reader.waiting === 0) await new Promise(setImmediate);
      reader.moveHead(3, 2);
      expect(seqs(await answer)).toEqual([1, 2]);
      const late = await get('/messages?minSeq=3&committed=true&timeoutMs=1');
      expect(late.json()).toMatchObject({ status: 504, detail: expect.stringContaining('the commit index is 2') });
    });

    it('is 503 when the node stops first', async () => {
      const answer = get('/messages?minSeq=2');
      while (reader.waiting === 0) await new Promise(setImmediate);
      await service.stop();
      expect((await answer).json()).toMatchObject({ type: '/problems/shutting-down', status: 503 });
    });

    it('stops waiting when the client leaves', async () => {
      const socket = await service.connect();
      socket.write('GET /messages?minSeq=2 HTTP/1.1\r\nHost: x\r\n\r\n');
      while (reader.waiting === 0) await new Promise(setImmediate);
      socket.destroy();
      while (reader.waiting > 0) await new Promise(setImmediate);
      expect(reader.waiting).toBe(0);
    });
  });

  describe('one entry', () => {
    it('is that entry', async () => {
      reader.moveHead(3, 2);
      const answer = await get('/messages/3');
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'rlog-head': '3' });
      expect(answer.json()).toEqual(reader.entry(3));
    });

    it.each(['0', '4', '99999999999999999999'])('%s, which is not there, is 404', async (seq) => {
      reader.moveHead(3);
      const answer = await get(`/messages/${seq}`);
      expect(answer.status).toBe(404);
      expect(answer.json()).toMatchObject({ type: '/problems/not-found', status: 404 });
    });

    it.each(['abc', '-1', '1.5', '%00', '%', '1e3'])('%s, which is no number, is 400', async (seq) => {
      const answer = await get(`/messages/${seq}`);
      expect(answer.status).toBe(400);
      expect(answer.json()).toMatchObject({ type: '/problems/invalid-request', errors: [{ path: 'seq' }] });
    });
  });

  describe('which log', () => {
    const NDJSON = { Accept: 'application/x-ndjson' };
    const EVENTS = { Accept: 'text/event-stream' };
    const ALL: [string, Record<string, string>][] = [
      ['/messages', {}],
      ['/messages', NDJSON],
      ['/messages?limit=2', EVENTS],
      ['/messages/2', {}],
    ];
    const asked = (path: string, log: string) => `${path}${path.includes('?') ? '&' : '?'}log=${log}`;

    beforeEach(() => {
      reader.log = '1a/2b';
      reader.moveHead(2);
    });

    it.each(ALL)('%s %j names it', async (path, headers) => {
      expect((await get(path, headers)).headers['rlog-log']).toBe('1a/2b');
    });

    it('a blank node names none', async () => {
      reader.log = null;
      expect((await get('/messages')).headers).not.toHaveProperty('rlog-log');
    });

    it.each(ALL)('%s %j of a foreign node is 503, unless that log is asked for', async (path, headers) => {
      reader.foreignLog = { log: '1a', lastSeq: 2 };
      const answer = await get(path, headers);
      expect(answer.status).toBe(503);
      expect(answer.json()).toMatchObject({ type: '/problems/foreign-log', log: '1a', lastSeq: 2 });
      for (const log of ['1a', '1a/2b']) {
        const served = await get(asked(path, log), headers);
        expect(served.status).toBe(200);
        expect(served.text).toContain('Msg2');
      }
    });

    it.each(ALL)('%s %j: a log that is not here is 404, foreign or not', async (path, headers) => {
      for (const foreign of [null, { log: '1a', lastSeq: 2 }]) {
        reader.foreignLog = foreign;
        for (const log of ['2b', '1', '1a/', '1a/2b/3c']) {
          const answer = await get(asked(path, log), headers);
          expect(answer.status).toBe(404);
          expect(answer.json()).toMatchObject({ detail: expect.stringContaining(log), log: '1a/2b' });
        }
      }
    });

    it('no log is at a blank node', async () => {
      reader.log = null;
      expect((await get('/messages?log=1a')).json()).toMatchObject({ status: 404, log: null });
    });

    it('the empty text is no log, of one entry neither', async () => {
      expect((await get('/messages/2?log=')).status).toBe(400);
    });

    it('a node that becomes foreign while a client waits for a seq says so', async () => {
      const answer = get('/messages?minSeq=3');
      while (reader.waiting === 0) await new Promise(setImmediate);
      reader.foreignLog = { log: '1a', lastSeq: 3 };
      reader.moveHead(3);
      expect((await answer).json()).toMatchObject({ type: '/problems/foreign-log' });
    });
  });

  it('HEAD has the headers of GET and no body', async () => {
    reader.messageOf = () => 'x'.repeat(10_000);
    reader.moveHead(300);
    const answer = await service.ask({ method: 'HEAD', path: '/messages' });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'rlog-head': '300', 'content-type': 'application/json' });
    expect(answer.text).toBe('');
    expect(reader.readsBegun).toBeLessThanOrEqual(1);
  });
});

function parsed(line: string): unknown {
  return JSON.parse(line);
}
