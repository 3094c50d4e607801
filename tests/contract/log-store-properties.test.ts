/** Random histories on both stores against the plainest thing that can be right: an array. */
import fc from 'fast-check';
import { generatedId, parseGeneratedId } from '#protocol/entry';
import type { LogRecord } from '#protocol/record';
import type { LogStore } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';
import { CrashingFileSystem } from '../unit/shared/storage/disk/crashing-file-system';
import { storeOn } from '../unit/shared/storage/disk/disk-harness';
import { RecordSource } from './log-records';
import { checksumOf, plain, readAll } from './log-store';

type Step =
  | { readonly do: 'append'; readonly sizes: readonly number[]; readonly named: boolean; readonly wait: boolean }
  | { readonly do: 'epoch' | 'reopen' }
  | { readonly do: 'truncate'; readonly share: number; readonly wait: boolean }
  | { readonly do: 'read'; readonly share: number; readonly count: number; readonly maxBytes: number };

const size = fc.oneof(fc.nat(40), fc.nat(2_000));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      sizes: fc.array(size, { maxLength: 6 }),
      named: fc.boolean(),
      wait: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('epoch' as const, 'reopen' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('truncate' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      count: fc.integer({ min: 1, max: 9 }),
      maxBytes: fc.nat(3_000),
    }),
  },
);

class Oracle {
  records: LogRecord[] = [];
  readonly idsEver = new Set<string>();
  readonly source = new RecordSource();

  append(records: LogRecord[]): LogRecord[] {
    this.records.push(...records);
    for (const { id } of records) if (id !== null) this.idsEver.add(id);
    return records;
  }

  truncateAfter(index: number): void {
    this.records = this.records.slice(0, index);
    this.source.backTo(this.records.at(-1) ?? null);
    // A store never becomes one of another log: record 1 is written again with the same reign.
    if (index === 0) this.source.epoch = 0;
  }

  /** What a read may at most give, and at least one of it. */
  range(from: number, count: number, maxBytes: number): LogRecord[] {
    const chosen: LogRecord[] = [];
    let bytes = 0;
    for (const record of this.records.slice(from - 1)) {
      if (chosen.length === count || bytes > maxBytes) break;
      chosen.push(record);
      bytes += record.bytes.length;
    }
    return chosen;
  }

  /**
   * An id of the generated form is at its seq while its reign holds that seq, whatever the id of
   * that entry; any other id where it was used.
   */
  seqOfId(id: string): number | null {
    const parsed = parseGeneratedId(id);
    const holder = this.records.find(({ control, seq }) => control === null && seq === parsed?.seq);
    const opened = this.records.find(({ epoch }) => epoch === holder?.epoch)?.control;
    if (parsed !== null && opened?.control === 'epoch' && opened.reign === parsed.reign) return parsed.seq;
    return this.records.find((record) => record.id === id)?.seq ?? null;
  }
}

async function follow(steps: readonly Step[], open: () => Promise<LogStore>, canReopen: boolean): Promise<void> {
  let store = await open();
  const oracle = new Oracle();
  let waits: Promise<void>[] = [];
  const settle = async () => {
    await Promise.all(waits);
    waits = [];
  };
  for (const each of steps) {
    if (each.do === 'append') {
      const next = (at: number) => ({
        message: 'm'.repeat(each.sizes[at] ?? 0),
        ...(each.named ? { id: `id-${oracle.idsEver.size + at}-${oracle.records.length}` } : {}),
      });
      waits.push(store.append(oracle.append(oracle.source.entries(each.sizes.length, next))));
      if (each.wait) await settle();
    } else if (each.do === 'epoch') {
      waits.push(store.append(oracle.append([oracle.source.epochRecord()])));
    } else if (each.do === 'truncate') {
      const index = Math.floor(each.share * oracle.records.length);
      oracle.truncateAfter(index);
      waits.push(store.truncateAfter(index));
      if (each.wait) await settle();
    } else if (each.do === 'read') {
      const from = 1 + Math.floor(each.share * (oracle.records.length + 1));
      const expected = oracle.range(from, each.count, each.maxBytes);
      const found = await store.read(from, {
        to: from + each.count - 1,
        maxBytes: each.maxBytes,
        maxRecords: each.count,
      });
      expect(plain(found)).toEqual(plain(expected.slice(0, found.length)));
      expect(found.length > 0).toBe(expected.length > 0);
    } else if (canReopen) {
      await settle();
      await store.close();
      store = await open();
      expect(store.opened.lastIndex).toBe(oracle.records.length);
    }
    const { id = null } = oracle.records.at(-1) ?? {};
    if (id !== null) expect(store.seqOfId(id)).toBe(oracle.seqOfId(id));
  }
  await settle();
  await expectSame(store, oracle);
  await store.close();
}

async function expectSame(store: LogStore, oracle: Oracle): Promise<void> {
  expect(plain(await readAll(store))).toEqual(plain(oracle.records));
  expect([store.durableIndex, store.checksum]).toEqual([oracle.records.length, checksumOf(oracle.records)]);
  for (const id of oracle.idsEver) expect([id, store.seqOfId(id)]).toEqual([id, oracle.seqOfId(id)]);
  expect(store.seqOfId(generatedId('f'.repeat(16), 1))).toBeNull();
}

/** The seq of a generated id is held by an entry of the same reign with another id. */
const REPLACED_BY_NAMED: Step[] = [
  { do: 'epoch' },
  { do: 'append', sizes: [0], named: false, wait: false },
  { do: 'truncate', share: 0.5, wait: false },
  { do: 'append', sizes: [0], named: true, wait: false },
];

test('the memory store does what an array does', async () => {
  const open = async () => new MemoryLogStore();
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => follow(steps, open, false)));
});

test('the disk store does what an array does, through any reopen', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => {
      const fileSystem = CrashingFileSystem.empty();
      return follow(steps, () => storeOn(fileSystem), true);
    }),
    { numRuns: 300, examples: [[REPLACED_BY_NAMED]] },
  );
}, 60_000);
