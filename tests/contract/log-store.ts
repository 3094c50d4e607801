/** What every log store must do. Run on each implementation by log-store.test.ts. */
import { crc32 } from 'node:zlib';
import { NO_PROMISE } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import { type LogStore, StorageError } from '#storage/log-store';
import { NO_LIMITS, RecordSource } from './log-records';

interface LogStoreFactory {
  /** An empty store. */
  create(): Promise<LogStore>;
  /** Closes the store and opens it again; null: it does not outlive its process. */
  readonly reopen: ((store: LogStore) => Promise<LogStore>) | null;
}

const ODD_MESSAGES = [
  '',
  '\u0000',
  '\n\r\u2028',
  '😀👩‍👩‍👧',
  '\ud800 alone',
  '__proto__',
  '"]}\\',
  'x'.repeat(256 * 1024),
];

export function checksumOf(records: readonly LogRecord[]): number {
  return records.reduce((running, { bytes }) => crc32(bytes, running), 0);
}

/** Everything from `from` on, in as many reads as it takes. */
export async function readAll(store: LogStore, from = 1): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (;;) {
    const some = await store.read(from + records.length, NO_LIMITS);
    if (some.length === 0) return records;
    records.push(...some);
  }
}

export function plain(records: readonly LogRecord[]): unknown[] {
  return records.map((record) => ({ ...record, bytes: Buffer.from(record.bytes).toString() }));
}

export function logStoreContract(name: string, factory: LogStoreFactory): void {
  describe(`${name} log store`, () => {
    let store: LogStore;
    let source: RecordSource;

    beforeEach(async () => {
      store = await factory.create();
      source = new RecordSource();
    });

    afterEach(() => store.close());

    test('an empty store holds nothing and has promised nothing', async () => {
      expect(store.opened.last).toEqual({ index: 0, epoch: 0, reign: '', log: null });
      expect(store.promised).toEqual({ epoch: 0, reign: '', votedFor: null, log: null, identity: null, commit: 0 });
      expect([store.durableIndex, store.checksum]).toEqual([0, 0]);
      expect(await store.read(1, NO_LIMITS)).toEqual([]);
      expect(store.storeId).toMatch(/^[0-9a-f]{16}$/);
    });

    test('what was appended is read back equal, controls and odd messages too', async () => {
      const records = [
        source.epochRecord(),
        source.membersRecord(['a', 'b']),
        ...ODD_MESSAGES.map((message) => source.entry({ message })),
      ];
      await store.append(records);
      expect(plain(await readAll(store))).toEqual(plain(records));
      expect(store.durableIndex).toBe(records.length);
      expect(store.checksum).toBe(checksumOf(records));
    });

    test('appends resolve in order, and each only when it is durable', async () => {
      const done: number[] = [];
      const appends = Array.from({ length: 50 }, (_, at) => {
        const records = source.entries(1 + (at % 3));
        const end = source.index;
        return store.append(records).then(() => {
          expect(store.durableIndex).toBeGreaterThanOrEqual(end);
          done.push(end);
        });
      });
      await Promise.all(appends);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(done).toHaveLength(50);
    });

    test('an append is read before it is durable', async () => {
      const records = source.entries(3);
      const appended = store.append(records);
      expect(plain(await store.read(2, NO_LIMITS))).toEqual(plain(records.slice(1)));
      await appended;
    });

    test('an empty append resolves behind the ones before it', async () => {
      const order: string[] = [];
      await Promise.all([
        store.append(source.entries(1)).then(() => order.push('entry')),
        store.append([]).then(() => order.push('empty')),
      ]);
      expect(order).toEqual(['entry', 'empty']);
    });

    test('a record that does not follow is refused, and nothing of its append is taken', async () => {
      await store.append(source.entries(2));
      const next = source.entry();
      await expect(store.append([next, next])).rejects.toThrow('does not follow');
      await store.append([next]);
      expect(await readAll(store)).toHaveLength(3);
    });

    test('a read keeps to its limits but gives at least one record', async () => {
      await store.append(source.entries(10, () => ({ message: 'x'.repeat(100) })));
      const indexes = async (from: number, limits: Partial<typeof NO_LIMITS>) =>
        (await store.read(from, { ...NO_LIMITS, ...limits })).map(({ index }) => index);
      expect(await indexes(3, { to: 5 })).toEqual([3, 4, 5]);
      expect(await indexes(3, { maxRecords: 2 })).toEqual([3, 4]);
      expect(await indexes(3, { maxBytes: 1 })).toEqual([3]);
      expect(await indexes(3, { maxBytes: 300 })).toEqual([3, 4]);
      expect(await indexes(3, { to: 2 })).toEqual([]);
      expect(await indexes(11, {})).toEqual([]);
    });

    test('entries come in one piece as they come one by one, without the control records between them', async () => {
      const records: LogRecord[] = [];
      for (let group = 0; group < 12; group += 1) {
        const added = [source.epochRecord(), ...source.entries(group, (at) => ({ message: `${at} \u2028 "é"` }))];
        records.push(...added);
        await store.append(added);
      }
      for (let from = 1; from <= records.length; from += 1) {
        for (const limits of [
          NO_LIMITS,
          { ...NO_LIMITS, maxBytes: 400 },
          { ...NO_LIMITS, to: from + 5, maxRecords: 3 },
        ]) {
          const entries = (await store.read(from, limits)).filter(({ control }) => control === null);
          const { bytes, count } = await store.readEntries(from, limits, 0x0a);
          const lines = Buffer.from(bytes).toString();
          expect(lines).toBe(entries.map((entry) => `${Buffer.from(entry.bytes)}\n`).join(''));
          expect(count).toBe(entries.length);
        }
      }
      expect(await store.readEntries(records.length + 1, NO_LIMITS, 0x0a)).toMatchObject({ count: 0 });
      await store.close();
      await expect(store.readEntries(1, NO_LIMITS, 0x0a)).rejects.toMatchObject({ code: 'closed' });
    });

    test('a truncation takes the records and their ids, and the log goes on from there', async () => {
      const first = source.entries(4, (at) => ({ id: `id-${at}` }));
      await store.append(first);
      await store.truncateAfter(2);
      expect(store.durableIndex).toBe(2);
      expect(store.checksum).toBe(checksumOf(first.slice(0, 2)));
      expect(['id-0', 'id-1', 'id-2', 'id-3'].map((id) => store.seqOfId(id))).toEqual([1, 2, null, null]);
      source.backTo(first[1] ?? null);
      const second = [source.epochRecord(), source.entry({ id: 'id-3' })];
      await store.append(second);
      expect(plain(await readAll(store))).toEqual(plain([...first.slice(0, 2), ...second]));
      expect(store.seqOfId('id-3')).toBe(3);
    });

    test('a truncation and the appends around it need not be waited for', async () => {
      const first = source.entries(5, (at) => ({ id: `id-${at}` }));
      const waits = [store.append(first), store.truncateAfter(3)];
      source.backTo(first[2] ?? null);
      const second = source.entries(2, (at) => ({ id: `new-${at}` }));
      waits.push(store.append(second), store.truncateAfter(4));
      expect(store.seqOfId('id-4')).toBeNull();
      expect([store.seqOfId('new-0'), store.seqOfId('new-1')]).toEqual([4, null]);
      const kept = [...first.slice(0, 3), ...second.slice(0, 1)];
      expect(plain(await readAll(store))).toEqual(plain(kept));
      await Promise.all(waits);
      expect(plain(await readAll(store))).toEqual(plain(kept));
      expect([store.durableIndex, store.checksum]).toEqual([4, checksumOf(kept)]);
    });

    test('a truncation to the end or beyond changes nothing; one to 0 empties the log', async () => {
      const records = source.entries(3);
      await store.append(records);
      await store.truncateAfter(3);
      await store.truncateAfter(9);
      expect(await readAll(store)).toHaveLength(3);
      await store.truncateAfter(0);
      expect(await readAll(store)).toEqual([]);
      expect([store.durableIndex, store.checksum]).toEqual([0, 0]);
      await store.append(records);
      expect(await readAll(store)).toHaveLength(3);
    });

    test('an id is known at once; a generated one is computed, another reign has none', async () => {
      const records = [
        source.epochRecord(),
        source.entry(),
        source.entry({ id: 'mine' }),
        source.entry({ id: '__proto__' }),
      ];
      const appended = store.append(records);
      expect([store.seqOfId('mine'), store.seqOfId('__proto__'), store.seqOfId('constructor')]).toEqual([2, 3, null]);
      expect(store.seqOfId(`${source.reign}-1`)).toBe(1);
      expect(store.seqOfId(`${source.reign}-4`)).toBeNull();
      expect(store.seqOfId(`${'f'.repeat(16)}-1`)).toBeNull();
      await appended;
      expect(store.seqOfId('mine')).toBe(2);
    });

    test("a client's id of the generated form is found where it was used", async () => {
      const id = `${'f'.repeat(16)}-1`;
      await store.append([source.epochRecord(), source.entry(), source.entry({ id })]);
      expect(store.seqOfId(id)).toBe(2);
    });

    test('a promise is there when it resolves; the last one stays', async () => {
      const saves = [1, 2, 3].map((epoch) => store.savePromise({ ...NO_PROMISE, epoch, reign: `r${epoch}` }));
      await Promise.all(saves);
      expect(store.promised).toEqual({ ...NO_PROMISE, epoch: 3, reign: 'r3' });
    });

    test('a promise keeps the log of its epoch, the identity and the commit index', async () => {
      await store.append(source.entries(4));
      const promised = { ...NO_PROMISE, epoch: 2, reign: 'r', log: 'aa/bb', identity: 'aa', commit: 3 };
      await store.savePromise(promised);
      expect(store.promised).toEqual(promised);
      await store.savePromise({ ...promised, identity: 'aa/bb', commit: 4 });
      expect(store.promised).toEqual({ ...promised, identity: 'aa/bb', commit: 4 });
    });

    test('an identity is extended, and never shortened or exchanged', async () => {
      await store.savePromise({ ...NO_PROMISE, identity: 'aa/bb' });
      for (const identity of [null, 'aa', 'aa/cc', 'aa/bbb', 'cc']) {
        const refused = store.savePromise({ ...NO_PROMISE, epoch: 1, identity });
        await expect(refused).rejects.toThrow('an identity is only ever extended');
        await expect(refused).rejects.not.toBeInstanceOf(StorageError);
      }
      const extended = { ...NO_PROMISE, identity: 'aa/bb/cc' };
      const overtaken = [store.savePromise(extended), store.savePromise({ ...NO_PROMISE, identity: 'aa/bb' })];
      expect(await Promise.allSettled(overtaken)).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected' }]);
      expect(store.promised).toEqual({ ...NO_PROMISE, identity: 'aa/bb/cc' });
      await store.savePromise({ ...NO_PROMISE, epoch: 1, identity: 'aa/bb/cc/dd' });
      expect(store.promised.identity).toBe('aa/bb/cc/dd');
    });

    test('without a permission to begin a log there is none to consume', async () => {
      expect(store.mayBegin).toBe(false);
      await store.consumePermission();
      await store.consumePermission();
      expect(store.mayBegin).toBe(false);
    });

    test('a closed store refuses everything', async () => {
      const last = store.append(source.entries(1));
      const closed = store.close();
      await last;
      await closed;
      const refused = { code: 'closed', fatal: true };
      await expect(store.append([])).rejects.toMatchObject(refused);
      await expect(store.truncateAfter(0)).rejects.toMatchObject(refused);
      await expect(store.savePromise(store.promised)).rejects.toMatchObject(refused);
      await expect(store.renew()).rejects.toMatchObject(refused);
      await expect(store.consumePermission()).rejects.toMatchObject(refused);
      await expect(store.read(1, NO_LIMITS)).rejects.toMatchObject(refused);
      expect(() => store.seqOfId('id')).toThrow(expect.objectContaining(refused));
      await store.close();
    });

    const { reopen } = factory;
    if (reopen === null) return;

    test('a store that is opened again is the same one with the same log, ids and promise', async () => {
      const records = [source.epochRecord(), ...source.entries(5, (at) => (at % 2 === 0 ? {} : { id: `id-${at}` }))];
      await store.append(records);
      const log = source.reign;
      const promised = { epoch: 7, reign: 'r', votedFor: 'b/s2', log: `${log}/bb`, identity: log, commit: 5 };
      await store.savePromise(promised);
      const { storeId, checksum } = store;
      store = await reopen(store);
      expect(store).toMatchObject({ storeId, checksum, durableIndex: 6, promised });
      expect(store.opened).toMatchObject({ lastIndex: 6, lastEpoch: 1, lastSeq: 5 });
      expect(plain(await readAll(store))).toEqual(plain(records));
      expect([store.seqOfId('id-1'), store.seqOfId('id-3'), store.seqOfId('id-5')]).toEqual([2, 4, null]);
      expect(store.seqOfId(`${source.reign}-3`)).toBe(3);
      await store.append(source.entries(1));
      expect(await readAll(store)).toHaveLength(7);
    });

    test('records that say more of the identity than was saved are believed at the next open', async () => {
      await store.append([source.epochRecord()]);
      const log = source.reign;
      store = await reopen(store);
      expect(store.promised).toEqual({ ...NO_PROMISE, identity: log });
      await store.savePromise({ ...NO_PROMISE, identity: `${log}/bb` });
      await store.truncateAfter(0);
      store = await reopen(store);
      expect(store.promised.identity).toBe(`${log}/bb`);
    });

    test('a store that is renewed has the same log and promise under another id', async () => {
      const records = [source.epochRecord(), ...source.entries(3, (at) => ({ id: `id-${at}` }))];
      await store.append(records);
      const promised = { ...NO_PROMISE, epoch: 7, reign: 'r', votedFor: 'b/s2', identity: source.reign, commit: 4 };
      await store.savePromise(promised);
      await store.renew();
      const { storeId } = store;
      store = await reopen(store);
      expect(store.storeId).not.toBe(storeId);
      expect(store.promised).toEqual(promised);
      expect(plain(await readAll(store))).toEqual(plain(records));
      expect(store.seqOfId('id-2')).toBe(3);
      const renewedId = store.storeId;
      store = await reopen(store);
      expect(store.storeId).toBe(renewedId);
    });

    test('the outline that was handed out is not changed by the store', async () => {
      store = await reopen(store);
      await store.append(source.entries(2));
      expect(store.opened.lastIndex).toBe(0);
    });
  });
}
