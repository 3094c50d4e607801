import pino from 'pino';
import type { MasterBrokerEvents } from '#master/broker/master-broker';
import { createMaster, type MasterNode } from '#master/compose';
import { readMasterSettings } from '#master/config';
import type { AppendOutcome, AppendRequest } from '#master/core/append';
import { entryOf } from '#protocol/record';
import { StorageError } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';

/** The events of the last broker that a node made. */
let events: MasterBrokerEvents | null = null;

jest.mock('#master/broker/master-broker', () => ({
  /** A broker that confirms everything and brings nothing. */
  MasterBroker: class {
    constructor(_: unknown, given: MasterBrokerEvents) {
      events = given;
    }
    start(): void {
      events?.up({ freshBroker: true });
    }
    readonly sizes = { limit: { knownBytes: Number.MAX_SAFE_INTEGER, isKnown: () => true } };
    readonly warnings = [];
    close = async (): Promise<void> => undefined;
    publishEntries = async (): Promise<void> => undefined;
    declareLog = (): void => undefined;
    ensureMember = async (): Promise<void> => undefined;
    sendControl = (): void => undefined;
    sendTo = (): void => undefined;
  },
}));

const APPEND: AppendRequest = { message: 'text', id: 'order-1', writeConcern: 1, timeoutMs: null };
const NEVER = { hasLeft: false, onLeave: () => undefined };

let node: MasterNode;

/** A master alone, which reigns. */
beforeEach(async () => {
  const settings = readMasterSettings({});
  const store = new MemoryLogStore();
  const fail = (error: unknown): never => {
    throw error;
  };
  node = createMaster({ settings, store, logger: pino({ level: 'silent' }), fail, restart: fail });
  node.start('http://localhost:8000');
  while (!node.readiness().ready) await new Promise(setImmediate);
});
afterEach(() => node.stop());

const seqOf = (outcome: AppendOutcome): number => ('seq' in outcome ? outcome.seq : 0);

test('an append is answered with its entry', async () => {
  const outcome = await node.append(APPEND, NEVER);
  expect(outcome).toMatchObject({ outcome: 'acknowledged', repeated: false, seq: 1, w: 1, acks: ['master'] });
  if (outcome.outcome === 'acknowledged')
    expect(entryOf(outcome.entry)).toMatchObject({ seq: 1, id: 'order-1', message: 'text' });
});

test('the same id and message again is the same append', async () => {
  await node.append(APPEND, NEVER);
  expect(await node.append(APPEND, NEVER)).toMatchObject({ outcome: 'acknowledged', repeated: true, seq: 1 });
  expect(node.reader.position().head).toBe(1);
});

test('the same id twice in one turn of the event loop takes one seq', async () => {
  const outcomes = await Promise.all([node.append(APPEND, NEVER), node.append(APPEND, NEVER)]);
  expect(outcomes.map(seqOf)).toEqual([1, 1]);
  expect(node.reader.position().head).toBe(1);
});

test('an id that is taken by another message is a conflict, in the same turn and later', async () => {
  const both = await Promise.all([node.append(APPEND, NEVER), node.append({ ...APPEND, message: 'other' }, NEVER)]);
  expect(both.map(({ outcome }) => outcome)).toEqual(['acknowledged', 'id-conflict']);
  expect(await node.append({ ...APPEND, message: 'other' }, NEVER)).toEqual({ outcome: 'id-conflict', seq: 1 });
  expect(node.reader.position().head).toBe(1);
});

test('a client that names no id gets one, and it means the same append when it comes back', async () => {
  const first = await node.append({ ...APPEND, id: null }, NEVER);
  const id = first.outcome === 'acknowledged' ? entryOf(first.entry).id : '';
  expect(await node.append({ ...APPEND, id }, NEVER)).toMatchObject({ repeated: true, seq: 1 });
  const next = id.replace(/-1$/, '-2');
  expect(await node.append({ ...APPEND, id: next }, NEVER)).toMatchObject({ outcome: 'id-reserved' });
});

test('a known append whose time is up at once is answered all the same', async () => {
  await node.append(APPEND, NEVER);
  const again = await node.append({ ...APPEND, timeoutMs: 0 }, NEVER);
  expect(again).toMatchObject({ outcome: 'acknowledged', repeated: true, seq: 1 });
});

describe('a bulk append', () => {
  const BULK = { writeConcern: 1, timeoutMs: null } as const;
  const lines = (...ids: string[]) => ids.map((id) => ({ id, message: `text ${id}` }));

  test('again is the same append', async () => {
    const told = { outcome: 'acknowledged', first: 1, last: 3, count: 3, w: 1, acks: ['master'] };
    const entries = lines('a', 'b', 'c');
    expect(await node.appendAll({ ...BULK, entries }, NEVER)).toEqual({ ...told, repeated: false });
    expect(await node.appendAll({ ...BULK, entries }, NEVER)).toEqual({ ...told, repeated: true });
    expect(node.reader.position().head).toBe(3);
  });

  test('of which a part is known, or is in conflict, appends nothing', async () => {
    await node.appendAll({ ...BULK, entries: lines('a', 'b') }, NEVER);
    const part = await node.appendAll({ ...BULK, entries: lines('x', 'b') }, NEVER);
    expect(part).toEqual({ outcome: 'ids-known', lines: [2] });
    const entries = [...lines('x', 'b'), { id: 'a', message: 'other' }];
    expect(await node.appendAll({ ...BULK, entries }, NEVER)).toEqual({ outcome: 'ids-conflict', lines: [3] });
    expect(node.reader.position().head).toBe(2);
  });

  test('with an id that the master will give is in conflict', async () => {
    const first = await node.append({ ...APPEND, id: null }, NEVER);
    const id = first.outcome === 'acknowledged' ? entryOf(first.entry).id.replace(/-1$/, '-2') : '';
    const told = await node.appendAll({ ...BULK, entries: lines('x', id) }, NEVER);
    expect(told).toEqual({ outcome: 'ids-conflict', lines: [2] });
  });
});

describe('an entry that is there', () => {
  const HOLD = { seq: 1, writeConcern: 1, timeoutMs: null } as const;

  test('is waited for', async () => {
    await node.append(APPEND, NEVER);
    expect(await node.awaitConcern(HOLD, NEVER)).toEqual({ outcome: 'acknowledged', seq: 1, w: 1, acks: ['master'] });
  });

  test('is not waited for when it is not there, nor for more nodes than there are', async () => {
    expect(await node.awaitConcern(HOLD, NEVER)).toBeNull();
    const told = await node.awaitConcern({ ...HOLD, writeConcern: 2 }, NEVER);
    expect(told).toEqual({ outcome: 'unsatisfiable', w: 2, nodes: 1 });
  });
});

test.each(['look-up', 'record'] as const)('a damaged %s costs the request, not the process', async (what) => {
  const damaged = new StorageError('a checksum does not match', { code: 'damaged', fatal: false });
  class DamagedStore extends MemoryLogStore {
    isDamaged = false;
    override seqOfId(id: string): number | null {
      if (this.isDamaged && what === 'look-up') throw damaged;
      return super.seqOfId(id);
    }
    override async read(...given: Parameters<MemoryLogStore['read']>): ReturnType<MemoryLogStore['read']> {
      if (this.isDamaged && what === 'record') throw damaged;
      return super.read(...given);
    }
  }
  const store = new DamagedStore();
  const failures: unknown[] = [];
  const restarts: unknown[] = [];
  const other = createMaster({
    settings: readMasterSettings({}),
    store,
    logger: pino({ level: 'silent' }),
    fail: (error) => failures.push(error),
    restart: (error) => restarts.push(error),
  });
  other.start('http://localhost:8000');
  while (!other.readiness().ready) await new Promise(setImmediate);
  await other.append(APPEND, NEVER);
  store.isDamaged = true;
  await expect(other.append(APPEND, NEVER)).rejects.toBe(damaged);
  expect([failures, restarts]).toEqual([[], what === 'record' ? [damaged] : []]);
  store.isDamaged = false;
  expect(await other.append(APPEND, NEVER)).toMatchObject({ outcome: 'acknowledged', repeated: true });
  await other.stop();
});

test('more nodes than there are cannot be waited for', async () => {
  const outcome = await node.append({ ...APPEND, writeConcern: 2 }, NEVER);
  expect(outcome).toEqual({ outcome: 'unsatisfiable', w: 2, nodes: 1 });
  expect(node.reader.position().head).toBe(0);
});

test('a group that finds the store closed when the node stops is no failure', async () => {
  const held: (() => void)[] = [];
  class HeldStore extends MemoryLogStore {
    isHeld = false;
    override async append(...given: Parameters<MemoryLogStore['append']>): Promise<void> {
      await super.append(...given);
      if (this.isHeld) await new Promise<void>((resolve) => held.push(resolve));
    }
  }
  const store = new HeldStore();
  const failures: unknown[] = [];
  const fail = (error: unknown) => failures.push(error);
  const stopped = createMaster({
    settings: readMasterSettings({}),
    store,
    logger: pino({ level: 'silent' }),
    fail,
    restart: fail,
  });
  stopped.start('http://localhost:8000');
  while (!stopped.readiness().ready) await new Promise(setImmediate);
  store.isHeld = true;
  const answers = [];
  for (const id of ['first', 'second']) {
    answers.push(stopped.append({ ...APPEND, id }, NEVER));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
  stopped.release();
  await stopped.stop();
  expect(await Promise.all(answers)).toMatchObject([{ problem: 'shutting-down' }, { problem: 'shutting-down' }]);
  for (const resolve of held) resolve();
  await new Promise(setImmediate);
  expect(failures).toEqual([]);
});

test('a node of an older release is shown until it was upgraded', () => {
  const what = { type: 'join', bytes: 1, queue: 'rlog.replies', what: 'says no log', outdatedNode: 's1' };
  events?.malformed(what);
  expect(node.health().outdated).toEqual(['s1']);
  events?.message({ type: 'leave', epoch: 0, reign: '', log: null, node: 's1' }, null);
  expect(node.health().outdated).toBeUndefined();
});
