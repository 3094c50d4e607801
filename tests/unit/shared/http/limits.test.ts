/** Clients that hold on to a node: readers that do not read, waits without end, bodies that stop. */
import type { Socket } from 'node:net';
import { createMasterApp } from '#master/http/app';
import { CLIENT_LIMITS, type ClientLimits } from '#process/node-settings';
import { eventually } from '#tests/support/eventually';
import { FakeMaster } from '#tests/support/fakes/master';
import { HttpService, LogLines, readToEnd } from '#tests/support/http/http-service';

/** More than the kernel buffers of one connection take. */
const LONG_LOG = 2_000;
const BODY_BYTES_MAX = 2 ** 20;

let master: FakeMaster;
let service: HttpService;

beforeEach(() => {
  master = new FakeMaster();
});
afterEach(() => service.stop());

async function serve(limits: Partial<ClientLimits>): Promise<void> {
  const http = { bodyBytesMax: BODY_BYTES_MAX, apiToken: null, limits: { ...CLIENT_LIMITS, ...limits } };
  const settings = {
    defaultWriteConcern: 'all',
    messageBytesMax: 64,
    inFlightBytesMax: 1,
    logName: 'rlog',
    http,
  } as const;
  const { logger } = new LogLines();
  service = await HttpService.start(({ stopping }) => createMasterApp({ master, logger, stopping, settings }));
}

function fillLog(): void {
  const text = 'x'.repeat(32 * 1024);
  master.reader.messageOf = () => text;
  master.reader.moveHead(LONG_LOG);
}

/** Asks, and takes nothing of the answer. */
async function askAndStall(path = '/messages'): Promise<Socket> {
  const socket = await service.connect();
  socket.pause();
  socket.on('error', () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return socket;
}

const untilRead = (begun: number) =>
  eventually(`${begun} reads have begun`, () => expect(master.reader.readsBegun).toBeGreaterThanOrEqual(begun));

describe('a reader that takes nothing', () => {
  it('is cut off, and its place is free again', async () => {
    await serve({ stalledMs: 200, readersMax: 1 });
    fillLog();
    await askAndStall();
    await untilRead(2);
    const refused = await service.ask({ path: '/messages?limit=1' });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/overloaded' });
    expect(refused.headers['retry-after']).toBe('1');
    await eventually('there is room again', async () =>
      expect((await service.ask({ path: '/messages?limit=1' })).status).toBe(200),
    );
  });

  it('keeps its place when it only pauses', async () => {
    await serve({ stalledMs: 400 });
    fillLog();
    const socket = await askAndStall();
    await untilRead(2);
    let bytes = 0;
    socket.on('data', ({ length }: Buffer) => {
      bytes += length;
    });
    socket.resume();
    await eventually('all was read', () => expect(bytes).toBeGreaterThan(LONG_LOG * 32 * 1024));
    socket.destroy();
  });

  it('is not taken for one that waits behind an answer on the same connection', async () => {
    await serve({ stalledMs: 100 });
    const socket = await service.connect();
    const wait = 'GET /messages?minSeq=9&timeoutMs=400 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    socket.write(`GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n${wait}`);
    expect(await readToEnd(socket)).toMatch(/ 200 .* 504 /s);
  });

  it('counts by the bytes that wait for it, and the next reads get smaller chunks, then none', async () => {
    await serve({ readBytesMax: 2 ** 20 });
    fillLog();
    const stalled: Socket[] = [];
    const statuses: number[] = [];
    for (let readers = 0; readers < 100 && statuses.at(-1) !== 503; readers += 1) {
      const { readsBegun } = master.reader;
      stalled.push(await askAndStall());
      await untilRead(readsBegun + 1);
      statuses.push((await service.ask({ path: '/messages?limit=1' })).status);
    }
    expect(statuses.at(-1)).toBe(503);
    expect(stalled.length).toBeGreaterThan(3);
    for (const socket of stalled) socket.destroy();
    await eventually('there is room again', async () =>
      expect((await service.ask({ path: '/messages?limit=1' })).status).toBe(200),
    );
  });
});

describe('those who wait', () => {
  it('for a seq are bounded in time, whatever they ask for', async () => {
    await serve({ waitMsMax: 50 });
    for (const query of ['minSeq=9', 'minSeq=9&timeoutMs=3600000']) {
      const answer = await service.ask({ path: `/messages?${query}` });
      expect(answer.json()).toMatchObject({ type: '/problems/not-yet-visible' });
    }
  });

  it('for replication are bounded in time', async () => {
    await serve({ waitMsMax: 50 });
    master.reader.moveHead(1);
    const asked: (number | null)[] = [];
    master.onAwaitHeld = ({ seq, timeoutMs }) => {
      asked.push(timeoutMs);
      return { outcome: 'acknowledged', seq, w: 3, acks: [] };
    };
    await service.ask({ path: '/messages/1/replication?w=3' });
    await service.ask({ path: '/messages/1/replication?timeoutMs=3600000' });
    await service.ask({ path: '/messages/1/replication?timeoutMs=7' });
    expect(asked).toEqual([50, 50, 7]);
  });

  it('share a number of places, which are free again when they leave', async () => {
    await serve({ readersMax: 1 });
    master.reader.moveHead(1);
    const waiting = await askAndStall('/messages?minSeq=9');
    await eventually('it waits', () => expect(master.reader.waiting).toBe(1));
    for (const [method, path] of [
      ['GET', '/messages?minSeq=9'],
      ['GET', '/messages/1/replication?w=2'],
      ['DELETE', '/members/secondary-1'],
    ] as const) {
      const answer = await service.ask({ method, path });
      expect(answer.json()).toMatchObject({ type: '/problems/overloaded', status: 503 });
    }
    expect((await service.ask({ path: '/messages' })).status).toBe(200);
    waiting.destroy();
    await eventually('there is a place', async () =>
      expect((await service.ask({ path: '/messages/1/replication?w=2' })).status).toBe(200),
    );
  });
});

describe('a body', () => {
  const begin = async (bytes: number, path = '/messages', length = 1_000_000) => {
    const socket = await service.connect();
    const head = [
      `POST ${path} HTTP/1.1`,
      'Host: localhost',
      'Content-Type: application/json',
      `Content-Length: ${length}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${' '.repeat(bytes)}`);
    return socket;
  };

  it('that stops is given up, so that the next ones have room', async () => {
    await serve({ stalledMs: 300 });
    const stalled = await begin(900_000);
    const full = Buffer.alloc(900_000, ' ');
    const post = () =>
      service.ask({ method: 'POST', path: '/messages', headers: { 'Content-Type': 'application/json' }, body: full });
    await eventually('the budget is used up', async () => expect((await post()).status).toBe(503));
    const text = await readToEnd(stalled);
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(text).toContain('"stored":false');
    expect(text.toLowerCase()).toContain('connection: close');
    expect((await post()).status).toBe(400);
  });

  it('that stops is given up at the small routes, too', async () => {
    await serve({ stalledMs: 100 });
    expect(await readToEnd(await begin(1_000, '/members/force', 2_000))).toMatch(/^HTTP\/1.1 408 /);
  });

  it('that comes by a byte now and then is given up once it holds much', async () => {
    await serve({ stalledMs: 200 });
    const socket = await begin(100_000);
    const trickle = setInterval(() => socket.write(' '), 20);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(trickle);
  });

  it('that is slow and small is waited for', async () => {
    await serve({ stalledMs: 200 });
    const socket = await service.connect();
    const body = '{"message": "slow"}';
    const head = ['POST /messages HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', 'Connection: close'];
    socket.write(`${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n`);
    let sent = 0;
    const drip = setInterval(() => {
      if (sent < body.length) socket.write(body.charAt(sent));
      sent += 1;
    }, 30);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1.1 201 /);
    clearInterval(drip);
  });

  it('of a route that takes a few names is small', async () => {
    await serve({});
    const body = JSON.stringify({ id: 'x'.repeat(70_000) });
    const headers = { 'Content-Type': 'application/json' };
    for (const path of ['/members', '/members/force'])
      expect((await service.ask({ method: 'POST', path, headers, body })).status).toBe(413);
  });
});
