/**
 * Requests with `atomic=false` to a whole master behind its HTTP edge: each line must end as the
 * same append alone would. The broker is one that confirms everything; the test plays the secondary.
 */
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pino from 'pino';
import type { MasterBrokerEvents } from '#master/broker/master-broker';
import { createMaster, type MasterNode } from '#master/compose';
import { readMasterSettings } from '#master/config';
import type { MasterPort } from '#master/http/ports';
import { entryOf } from '#protocol/record';
import type { EntriesMessage } from '#protocol/wire/messages';
import { StorageError } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';
import { eventually } from '#tests/support/eventually';
import type { Answer, HttpService } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

/** The events of the last broker that a node made, and what was published to it. */
let events: MasterBrokerEvents | null = null;
let published: EntriesMessage[] = [];
/** Bytes of the largest message that the broker is known to take, and that it turns out to take. */
let sizes = { known: Number.MAX_SAFE_INTEGER, taken: Number.MAX_SAFE_INTEGER };

jest.mock('#master/broker/master-broker', () => ({
  MasterBroker: class {
    constructor(_: unknown, given: MasterBrokerEvents) {
      events = given;
    }
    start(): void {
      events?.up({ freshBroker: true });
    }
    readonly sizes = {
      limit: { knownBytes: sizes.known, isKnown: (bytes: number) => bytes <= sizes.known },
      learn: async () => events?.messageLimitChanged(sizes.taken),
    };
    readonly warnings = [];
    close = async (): Promise<void> => undefined;
    publishEntries = async (message: EntriesMessage): Promise<void> => {
      published.push(message);
    };
    declareLog = async (): Promise<boolean> => true;
    ensureMember = async (): Promise<void> => undefined;
    sendControl = (): void => undefined;
    sendTo = (): void => undefined;
    yieldLock = (): void => undefined;
  },
}));

class CountingStore extends MemoryLogStore {
  groups: number[] = [];
  unreadable: StorageError | null = null;
  failNext = false;
  override append(...given: Parameters<MemoryLogStore['append']>): Promise<void> {
    const [records] = given;
    const entries = records.filter(({ control }) => control === null);
    if (entries.length > 0) this.groups.push(entries.length);
    if (this.failNext && entries.length > 0) {
      this.failNext = false;
      return Promise.reject(new StorageError('the disk is full', { code: 'full', fatal: false }));
    }
    return super.append(...given);
  }
  override seqOfId(id: string): number | null {
    if (this.unreadable !== null) throw this.unreadable;
    return super.seqOfId(id);
  }
}

const MESSAGE_BYTES_MAX = 100_000;
const NDJSON = { 'Content-Type': 'application/x-ndjson' };

/** The entries of every section that the master was given. */
const asked: WeakRef<object>[] = [];
let node: MasterNode;
let store: CountingStore;
let service: HttpService;

/** A master of a log of three nodes, which takes appends without a quorum. */
async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  published = [];
  store = new CountingStore();
  const settings = readMasterSettings({ SECONDARIES: 's1,s2', QUORUM_APPEND: 'false', ...env });
  const fail = (error: unknown): never => {
    throw error;
  };
  node = createMaster({ settings, store, logger: pino({ level: 'silent' }), fail, restart: fail });
  node.start('http://localhost:8000');
  await eventually('it takes appends', () => expect(node.readiness()).toEqual({ ready: true }), { withinMs: 4_000 });
  const limits = { defaultWriteConcern: 1, messageBytesMax: MESSAGE_BYTES_MAX, bodyBytesMax: 2 ** 24 } as const;
  const port: MasterPort = {
    ...node,
    appendEach: (sections, client, lines) => {
      for (const { entries } of sections) asked.push(new WeakRef(entries));
      node.appendEach(sections, client, lines);
    },
  };
  service = await serveMaster(port, limits);
}

afterEach(async () => {
  node.release();
  await service.stop();
  await node.stop();
  sizes = { known: Number.MAX_SAFE_INTEGER, taken: Number.MAX_SAFE_INTEGER };
});

const post = (lines: readonly unknown[] | string, query = ''): Promise<Answer> => {
  const body = typeof lines === 'string' ? lines : lines.map((line) => JSON.stringify(line)).join('\n');
  return service.ask({ method: 'POST', path: `/messages?atomic=false${query}`, headers: NDJSON, body });
};

const linesOf = ({ text }: Answer) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const messages = async () => {
  const read = await node.reader.read({ from: 1, to: node.reader.position().head, maxBytes: 2 ** 24 });
  return read.map((bytes) => entryOf(bytes).message);
};

/** The lines that a promise of an answer brings, and what the same lines as single appends bring. */
async function both(lines: readonly Record<string, unknown>[]) {
  const together = linesOf(await post(lines));
  const alone = [];
  for (const line of lines) alone.push((await service.send('POST', '/messages', line)).json());
  return { together, alone };
}

describe('a line of a request with atomic=false', () => {
  beforeEach(() => start());

  it('is answered as a single append, with its status', async () => {
    const answer = await post([{ message: 'a', id: 'x' }, 'ü', { message: '}\n{' }]);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const lines = linesOf(answer);
    expect(lines.map(({ seq, message, status, w, acks }) => [seq, message, status, w, acks])).toEqual([
      [1, 'a', 201, 1, ['master']],
      [2, 'ü', 201, 1, ['master']],
      [3, '}\n{', 201, 1, ['master']],
    ]);
    expect(lines[0]).toMatchObject({ id: 'x', epoch: 1, ts: expect.any(String) });
    const alone = (await service.ask({ path: '/messages' })).json() as unknown as Record<string, unknown>[];
    expect(lines).toEqual(alone.map((entry) => ({ ...entry, w: 1, acks: ['master'], status: 201 })));
  });

  it('shares one group of the log with the others, in their order', async () => {
    const lines = Array.from({ length: 3_000 }, (_, at) => ({ message: `m${at}`, ...(at % 7 === 0 ? { w: 1 } : {}) }));
    const answers = linesOf(await post(lines));
    expect(answers.map(({ message }) => message)).toEqual(lines.map(({ message }) => message));
    expect(await messages()).toEqual(lines.map(({ message }) => message));
    expect(store.groups).toEqual([3_000]);
  });

  it('costs only itself when it is bad', async () => {
    const large = 'x'.repeat(MESSAGE_BYTES_MAX + 1);
    const bad = [
      'not json',
      '{"message": 1}',
      '{"mesage": "x"}',
      '{"message":"m","w":0}',
      '[1]',
      JSON.stringify(large),
    ];
    const answers = linesOf(await post(bad.flatMap((line, at) => [line, `"good ${at}"`]).join('\n')));
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 413].flatMap((bad) => [bad, 201]));
    expect(answers.filter(({ stored }) => stored === false)).toHaveLength(6);
    expect(answers[4]).toMatchObject({
      type: '/problems/invalid-request',
      detail: 'message: must be given; mesage: did you mean message?',
    });
    expect(await messages()).toEqual(bad.map((_, at) => `good ${at}`));
  });

  it('with an id that an earlier line has is the same entry, or a conflict', async () => {
    const answers = linesOf(
      await post([
        { message: 'a', id: 'x' },
        { message: 'b', id: 'y' },
        { message: 'a', id: 'x' },
        { message: 'c', id: 'x' },
        'd',
      ]),
    );
    expect(answers.map(({ status, seq }) => [status, seq])).toEqual([
      [201, 1],
      [201, 2],
      [200, 1],
      [409, 1],
      [201, 3],
    ]);
    expect(await messages()).toEqual(['a', 'b', 'd']);
  });

  it('that was appended before is 200, and its neighbours are appended in order', async () => {
    await post([{ message: 'b', id: 'b' }]);
    const lines = ['a', 'b', 'c', 'd'].map((id) => ({ message: id, id }));
    expect(linesOf(await post(lines)).map(({ status, seq }) => [status, seq])).toEqual([
      [201, 2],
      [200, 1],
      [201, 3],
      [201, 4],
    ]);
    const again = linesOf(await post(lines));
    expect(again.map(({ status, seq }) => [status, seq])).toEqual([
      [200, 2],
      [200, 1],
      [200, 3],
      [200, 4],
    ]);
    expect(await messages()).toEqual(['b', 'a', 'c', 'd']);
  });

  it('with an id that a master will give is refused alone', async () => {
    const [first] = linesOf(await post(['a']));
    const reserved = String(first?.id).replace(/-1$/, '-9');
    const { together, alone } = await both([
      { message: 'b', id: reserved, w: 1 },
      { message: 'c', id: 'c', w: 1 },
    ]);
    expect(together[0]).toEqual(alone[0]);
    expect([together[1]?.status, together[1]?.seq]).toEqual([201, 2]);
  });

  it('asks for more nodes than there are: that line alone', async () => {
    const { together, alone } = await both([{ message: 'a', w: 4 }]);
    expect(together).toEqual(alone);
    expect(linesOf(await post([{ message: 'a', w: 4 }, { message: 'b' }])).map(({ status }) => status)).toEqual([
      400, 201,
    ]);
  });

  it('waits for its own w and its own timeout, and holds back those after it meanwhile', async () => {
    const lines = [
      'a',
      { message: 'b', w: 2, timeoutMs: 50, id: 'b' },
      { message: 'c', w: 2, timeoutMs: 60 },
      { message: 'd', w: 2, timeoutMs: 60 },
      'e',
    ];
    const answers = linesOf(await post(lines));
    expect(answers.map(({ status, seq }) => [status, seq])).toEqual([
      [201, 1],
      [504, 2],
      [504, 3],
      [504, 4],
      [201, 5],
    ]);
    expect(answers[1]).toMatchObject({
      type: '/problems/write-concern-timeout',
      stored: true,
      committed: true,
      w: 2,
      acks: ['master'],
      id: 'b',
    });
    const entries = (await service.ask({ path: '/messages?from=3&limit=2' })).json() as unknown as { id: string }[];
    expect(answers.slice(2, 4).map(({ id }) => id)).toEqual(entries.map(({ id }) => id));
    expect(answers[2]?.detail).toContain(`to retry with the id ${entries[0]?.id} is safe`);
  });

  it('takes w and timeoutMs from the query, with which its own must agree', async () => {
    const lines = ['a', { message: 'b', w: 2 }, { message: 'c', w: 1 }, { message: 'd', timeoutMs: 7 }];
    const answers = linesOf(await post(lines, '&w=2&timeoutMs=20'));
    expect(answers.map(({ status, w }) => [status, w])).toEqual([
      [504, 2],
      [504, 2],
      [400, undefined],
      [400, undefined],
    ]);
    expect(answers[2]?.detail).toBe('w: must be the same wherever it is given: body and query');
  });

  it('is sent while later lines wait, and the rest when the master stops', async () => {
    const { texts, ended } = await stream([{ message: 'a' }, { message: 'b', w: 2, id: 'b' }, { message: 'c' }]);
    await eventually('the first is there', () => expect(texts.join('')).toMatch(/^\{"seq":1,.*\}\n$/));
    node.release();
    await ended;
    const [, b, c] = linesOf({ text: texts.join('') } as Answer);
    expect(b).toMatchObject({ status: 503, type: '/problems/shutting-down', stored: 'unknown', seq: 2, id: 'b' });
    expect(c).toMatchObject({ status: 201, seq: 3 });
  });

  it('that comes while the master stops is refused', async () => {
    node.release();
    const answers = linesOf(await post(['a', { message: 'b', id: 'b' }]));
    expect(answers).toMatchObject(Array(2).fill({ status: 503, type: '/problems/shutting-down', stored: false }));
  });

  it('does not keep its message in memory while it waits', async () => {
    asked.splice(0);
    const { socket, texts } = await stream(['a', { message: 'b', w: 2 }, { message: 'c', w: 2, id: 'c' }]);
    await eventually('the first is there', () => expect(texts).not.toEqual([]));
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await eventually('the entries are collected', () => {
      collect();
      expect(asked.map((entries) => entries.deref())).toEqual([undefined, undefined, undefined]);
    });
    socket.destroy();
  });

  it('that waits when the reign ends is told so', async () => {
    const { texts, ended } = await stream(['a', { message: 'b', w: 2 }, { message: 'c', w: 2 }]);
    await eventually('the first is there', () => expect(texts).not.toEqual([]));
    depose();
    await ended;
    const [, b, c] = linesOf({ text: texts.join('') } as Answer);
    expect(b).toMatchObject({ status: 503, type: '/problems/deposed', stored: 'unknown', seq: 2 });
    expect(c).toMatchObject({ status: 503, type: '/problems/deposed', stored: 'unknown', seq: 3 });
  });

  it('could not be stored, and is in no log', async () => {
    store.failNext = true;
    const answers = linesOf(await post(['a', { message: 'b', id: 'b' }]));
    expect(answers.map(({ status, type, stored }) => [status, type, stored])).toEqual([
      [503, '/problems/storage', false],
      [503, '/problems/storage', false],
    ]);
    expect(linesOf(await post([{ message: 'b', id: 'b' }]))).toMatchObject([{ status: 201, seq: 1 }]);
  });

  it('has no outcome when its id cannot be looked up: the request fails as a single append does', async () => {
    store.unreadable = new StorageError('damaged', { code: 'damaged', fatal: false });
    const answer = await post([
      { message: 'a', id: 'a' },
      { message: 'b', id: 'b' },
    ]);
    expect(answer.json()).toMatchObject({ status: 500, stored: 'unknown' });
  });

  it('stays when its client leaves, and nobody waits for it any more', async () => {
    const told: unknown[] = [];
    let leave: (() => void) | null = null;
    const client = {
      hasLeft: false,
      onLeave: (listener: (() => void) | null) => {
        leave = listener;
      },
    };
    const section = (at: number, writeConcern: number) => {
      const entries = [0, 1].map((line) => ({ message: `m${at + line}`, id: null }));
      return { at, entries, writeConcern, timeoutMs: 60_000 };
    };
    const lines = { told: (...what: unknown[]) => told.push(what), failed: (error: unknown) => told.push(error) };
    node.appendEach([section(0, 1), section(2, 2), section(4, 3)], client, lines);
    await eventually('the first two are acknowledged', () => expect(told).toHaveLength(1));
    (leave as unknown as () => void)();
    expect((told as unknown[][]).map(([at, count]) => [at, count])).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
    ]);
    node.release();
    expect(told).toHaveLength(3);
    expect(await messages()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5']);
  });
});

it('lines beyond what may be in flight are refused with 503, those before them are taken', async () => {
  await start({ MAX_IN_FLIGHT_BYTES: '1000000' });
  const message = 'x'.repeat(90_000);
  const answers = linesOf(await post(Array.from({ length: 30 }, () => message)));
  const statuses = answers.map(({ status }) => status);
  const taken = statuses.filter((status) => status === 201).length;
  expect(taken).toBeGreaterThan(9);
  expect(taken).toBeLessThan(20);
  expect(statuses).toEqual([...Array(taken).fill(201), ...Array(30 - taken).fill(503)]);
  expect(answers.at(-1)).toMatchObject({ type: '/problems/overloaded', stored: false });
  expect(node.reader.position().head).toBe(taken);
});

it('of lines that the broker may not take, those are refused that it does not', async () => {
  sizes = { known: 10_000, taken: 50_000 };
  await start();
  const answers = linesOf(await post(['a', 'x'.repeat(60_000), 'b']));
  expect(answers.map(({ status, seq }) => [status, seq])).toEqual([
    [201, 1],
    [413, undefined],
    [201, 2],
  ]);
  expect(answers[1]).toMatchObject({ brokerBytesMax: 50_000, stored: false });
});

/** Posts the lines on a connection of its own; what comes of the body is in `texts`. */
async function stream(lines: readonly unknown[]) {
  const socket = await service.connect();
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  const head = `POST /messages?atomic=false HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson`;
  const texts: string[] = [];
  socket.on('data', (data: Buffer) => texts.push(...chunksOf(data.toString())));
  socket.write(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return { socket, texts, ended: once(socket, 'end') };
}

/** The lines of JSON among the framing of a chunked answer. */
function chunksOf(text: string): readonly string[] {
  return text.split('\r\n').filter((line) => line.startsWith('{'));
}

function depose(): void {
  const { epoch, log } = node.reader.position();
  if (log === null) throw new Error('there is no log');
  const sender = { epoch: epoch + 1, reign: 'f'.repeat(16), log };
  const heartbeat = {
    type: 'heartbeat',
    ...sender,
    node: 's1',
    store: 's',
    index: 0,
    applied: 0,
    httpUrl: 'http://s1',
  };
  events?.message(heartbeat as Parameters<MasterBrokerEvents['message']>[0], null);
}
