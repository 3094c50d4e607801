import fc from 'fast-check';
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from '#protocol/limits';
import { type Group, GroupCommit } from '#protocol/log/group-commit';
import type { LogRecord } from '#protocol/record';

const sharedBytes = new Uint8Array(2 * BATCH_BYTES_MAX);

function record(index: number, size = 10): LogRecord {
  return { index, epoch: 1, seq: index, id: null, control: null, bytes: sharedBytes.subarray(0, size) };
}

function addTo(groups: GroupCommit, ...sizes: number[]): void {
  const first = groups.durableIndex + 1;
  for (const [at, size] of sizes.entries()) groups.add(record(first + at, size));
}

const indexesOf = (records: readonly LogRecord[] | undefined): number[] => (records ?? []).map(({ index }) => index);

test('while one group is being made durable the next one collects, and shares one write', () => {
  const groups = new GroupCommit(0);
  groups.add(record(1));
  const first = groups.take();
  groups.add(record(2));
  groups.add(record(3));
  expect(groups.take()).toBeNull();
  expect(indexesOf(groups.stored(first?.generation ?? -1))).toEqual([1]);
  expect(indexesOf(groups.take()?.records)).toEqual([2, 3]);
});

test('nothing is durable before the store says so', () => {
  const groups = new GroupCommit(4);
  groups.add(record(5));
  const group = groups.take();
  expect(groups.durableIndex).toBe(4);
  expect(groups.isIdle).toBe(false);
  expect(groups.pendingBytes).toBe(10);
  groups.stored(group?.generation ?? -1);
  expect(groups.durableIndex).toBe(5);
  expect(groups.isIdle).toBe(true);
  expect(groups.pendingBytes).toBe(0);
});

test('a completion that comes twice teaches nothing', () => {
  const groups = new GroupCommit(0);
  addTo(groups, 10);
  const group = groups.take();
  groups.stored(group?.generation ?? -1);
  expect(groups.stored(group?.generation ?? -1)).toEqual([]);
  expect(groups.durableIndex).toBe(1);
});

test('a group closes at its bound of bytes, with the record that reaches it', () => {
  const groups = new GroupCommit(0);
  addTo(groups, BATCH_BYTES_MAX - 1, 1, 1, BATCH_BYTES_MAX + 5, 1);
  const closed: number[][] = [];
  for (let group = groups.take(); group !== null; group = groups.take()) {
    closed.push(indexesOf(group.records));
    groups.stored(group.generation);
  }
  expect(closed).toEqual([[1, 2], [3, 4], [5]]);
});

test('a group closes at its bound of records', () => {
  const groups = new GroupCommit(0);
  for (let index = 1; index <= BATCH_RECORDS_MAX + 1; index += 1) groups.add(record(index, 1));
  const group = groups.take();
  expect(group?.records).toHaveLength(BATCH_RECORDS_MAX);
  groups.stored(group?.generation ?? -1);
  expect(groups.take()?.records).toHaveLength(1);
});

test('a late completion says nothing about the records that have taken the indexes since', () => {
  const groups = new GroupCommit(2);
  addTo(groups, 10, 10);
  const old = groups.take();
  groups.dropAfter(2);
  expect(groups.isIdle).toBe(true);
  expect(groups.pendingBytes).toBe(0);
  groups.add(record(3, 7));
  const next = groups.take();
  expect(groups.isCurrent(old?.generation ?? -1)).toBe(false);
  expect(groups.stored(old?.generation ?? -1)).toEqual([]);
  expect(groups.durableIndex).toBe(2);
  expect(groups.isCurrent(next?.generation ?? -1)).toBe(true);
  expect(indexesOf(groups.stored(next?.generation ?? -1))).toEqual([3]);
});

test('what is cut is durable no more', () => {
  const groups = new GroupCommit(9);
  groups.dropAfter(5);
  expect(groups.durableIndex).toBe(5);
  groups.dropAfter(7);
  expect(groups.durableIndex).toBe(5);
});

type Step =
  | { readonly do: 'add'; readonly size: number }
  | { readonly do: 'take' }
  | { readonly do: 'stored'; readonly late: boolean }
  | { readonly do: 'drop'; readonly back: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('add' as const), size: fc.oneof(fc.nat(40), fc.nat(BATCH_BYTES_MAX)) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('stored' as const), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), back: fc.nat(4) }) },
);

test('records become durable in order, each once, none that was dropped, and the pending bytes are exact', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const groups = new GroupCommit(0);
      let log: LogRecord[] = [];
      let durable = 0;
      let storing: Group | null = null;
      let old: Group | null = null;
      for (const each of steps) {
        if (each.do === 'add') {
          const added = record(log.length + 1, each.size);
          log.push(added);
          groups.add(added);
        } else if (each.do === 'take') {
          const group = groups.take();
          expect(group === null).toBe(storing !== null || log.length === durable);
          if (group !== null) {
            expect(group.records).toEqual(log.slice(durable, durable + group.records.length));
            storing = group;
          }
        } else if (each.do === 'stored') {
          const reported = each.late ? old : storing;
          if (reported === null) continue;
          const expected = each.late ? [] : reported.records;
          expect(groups.stored(reported.generation)).toEqual(expected);
          durable += expected.length;
          if (!each.late) storing = null;
        } else {
          const index = Math.max(0, durable - each.back);
          old = storing ?? old;
          storing = null;
          groups.dropAfter(index);
          log = log.slice(0, index);
          durable = index;
        }
        const pending = log.slice(durable);
        expect(groups.durableIndex).toBe(durable);
        expect(groups.pendingBytes).toBe(pending.reduce((sum, { bytes }) => sum + bytes.length, 0));
        expect(groups.isIdle).toBe(pending.length === 0);
      }
    }),
  );
});
