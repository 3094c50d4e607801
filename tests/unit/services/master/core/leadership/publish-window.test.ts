import fc from 'fast-check';
import { type Publish, PublishWindow } from '#master/core/leadership/publish-window';
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX, UNCONFIRMED_BATCHES_MAX, UNCONFIRMED_BYTES_MAX } from '#protocol/limits';
import type { LogRecord } from '#protocol/record';

const sharedBytes = new Uint8Array(Math.max(2 * BATCH_BYTES_MAX, UNCONFIRMED_BYTES_MAX));

function record(index: number, size = 10): LogRecord {
  return { index, epoch: 1, seq: index, id: null, control: null, bytes: sharedBytes.subarray(0, size) };
}

const recordsFrom = (first: number, count: number, size?: number): LogRecord[] =>
  Array.from({ length: count }, (_, at) => record(first + at, size));

function takeAll(window: PublishWindow): Publish[] {
  const batches: Publish[] = [];
  for (let batch = window.take(); batch !== null; batch = window.take()) batches.push(batch);
  return batches;
}

const indexesOf = (batches: readonly Publish[]): number[] =>
  batches.flatMap(({ records }) => records.map(({ index }) => index));
const idOf = (batch: Publish | null | undefined): number => batch?.id ?? -1;

test('a batch is taken once, and leaves with its confirm', () => {
  const window = new PublishWindow();
  window.add(recordsFrom(1, 3));
  const batch = window.take();
  expect(window.take()).toBeNull();
  expect(window.retainedBytes).toBe(30);
  expect(window.recordConfirm(idOf(batch))).toBe(true);
  expect(window.retainedBytes).toBe(0);
  expect(window.recordConfirm(idOf(batch))).toBe(false);
});

test('a batch has no more records than the broker takes in one message, and at least one', () => {
  const window = new PublishWindow();
  window.add([...recordsFrom(1, 3, 10_000), record(4, 100_000), record(5)]);
  const taken = [1, 2, 3].map(() => window.take(30_000));
  expect(taken.map((batch) => batch?.records.map(({ index }) => index))).toEqual([[1, 2], [3], [4]]);
  for (const batch of taken) window.recordConfirm(idOf(batch));
  expect([window.retainedBytes, window.take(30_000)?.records.length]).toEqual([10, 1]);
});

test('a batch that the broker did not take is sent again with everything after it', () => {
  const window = new PublishWindow();
  const batches = [1, 2, 3].map((index) => {
    window.add([record(index)]);
    return window.take();
  });
  expect(window.recordConfirm(idOf(batches[0]))).toBe(true);
  expect(window.recordConfirm(idOf(batches[2]))).toBe(true);
  expect(window.recordFailure(idOf(batches[1]))).toBe(true);
  expect(indexesOf(takeAll(window))).toEqual([2, 3]);
});

test('a late answer of an older round teaches nothing', () => {
  const window = new PublishWindow();
  window.add(recordsFrom(1, 2));
  const old = window.take();
  window.restart();
  const again = window.take();
  expect(window.recordConfirm(idOf(old))).toBe(false);
  expect(window.recordFailure(idOf(old))).toBe(false);
  expect(window.take()).toBeNull();
  expect(window.retainedBytes).toBe(20);
  expect(window.recordConfirm(idOf(again))).toBe(true);
  expect(window.retainedBytes).toBe(0);
});

test('a batch is bounded in bytes, and one record that is larger goes alone', () => {
  const window = new PublishWindow();
  window.add([record(1, BATCH_BYTES_MAX - 5), record(2, 5), record(3, 1), record(4, BATCH_BYTES_MAX + 1), record(5)]);
  expect(takeAll(window).map((batch) => indexesOf([batch]))).toEqual([[1, 2], [3], [4], [5]]);
});

test('a batch is bounded in records', () => {
  const window = new PublishWindow();
  window.add(recordsFrom(1, BATCH_RECORDS_MAX + 1));
  expect(takeAll(window).map(({ records }) => records.length)).toEqual([BATCH_RECORDS_MAX, 1]);
});

test('past the bound of unconfirmed batches publishing waits for a confirm', () => {
  const window = new PublishWindow();
  const batches: Publish[] = [];
  for (let index = 1; index <= UNCONFIRMED_BATCHES_MAX; index += 1) {
    window.add([record(index)]);
    batches.push(...takeAll(window));
  }
  window.add([record(UNCONFIRMED_BATCHES_MAX + 1)]);
  expect(window.take()).toBeNull();
  window.recordConfirm(idOf(batches[0]));
  expect(indexesOf(takeAll(window))).toEqual([UNCONFIRMED_BATCHES_MAX + 1]);
});

test('past the bound of unconfirmed bytes publishing waits, and nothing is dropped', () => {
  const window = new PublishWindow();
  const [count, bytes] = [4, UNCONFIRMED_BYTES_MAX / 2];
  window.add(recordsFrom(1, count, bytes));
  const first = takeAll(window);
  expect(first).toHaveLength(count / 2);
  expect(window.retainedBytes).toBe(2 * UNCONFIRMED_BYTES_MAX);
  for (const batch of first) window.recordConfirm(batch.id);
  expect(indexesOf(takeAll(window))).toEqual(recordsFrom(count / 2 + 1, count / 2).map(({ index }) => index));
});

test('what is cleared is neither published nor retained', () => {
  const window = new PublishWindow();
  window.add(recordsFrom(1, 3));
  const old = window.take();
  window.clear();
  expect(window.take()).toBeNull();
  expect(window.retainedBytes).toBe(0);
  window.add([record(4)]);
  expect(window.recordConfirm(idOf(old))).toBe(false);
  expect(indexesOf(takeAll(window))).toEqual([4]);
  expect(window.retainedBytes).toBe(10);
});

type Step =
  | { readonly do: 'add'; readonly sizes: readonly number[] }
  | { readonly do: 'take' }
  | { readonly do: 'restart' }
  /** The broker answers the batch that was taken `ago` takes ago. */
  | { readonly do: 'confirm'; readonly ago: number }
  | { readonly do: 'fail'; readonly ago: number };

const sizes = fc.array(
  fc.oneof({ weight: 4, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.nat(BATCH_BYTES_MAX + 9) }),
  {
    maxLength: 8,
  },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), sizes }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('confirm' as const), ago: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), ago: fc.nat(6) }) },
);

/**
 * The window as arrays: everything that was added, which of it each batch of the round holds, and
 * what left with a confirm.
 */
class WindowModel {
  readonly added: LogRecord[] = [];
  /** Records confirmed in order; they have left. */
  gone = 0;
  /** Where the round's next batch begins. */
  next = 0;
  round: { readonly id: number; readonly end: number; confirmed: boolean }[] = [];

  get retainedBytes(): number {
    return this.added.slice(this.gone).reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  took({ id, records }: Publish): void {
    expect(records.length).toBeGreaterThan(0);
    expect(records).toEqual(this.added.slice(this.next, this.next + records.length));
    this.next += records.length;
    this.round.push({ id, end: this.next, confirmed: false });
  }

  confirm(id: number): boolean {
    const batch = this.round.find((each) => each.id === id);
    if (batch === undefined) return false;
    batch.confirmed = true;
    while (this.round[0]?.confirmed === true) this.gone = this.round.shift()?.end ?? 0;
    return true;
  }

  fail(id: number): boolean {
    if (!this.round.some((each) => each.id === id)) return false;
    this.restart();
    return true;
  }

  restart(): void {
    this.round = [];
    this.next = this.gone;
  }
}

test('every record leaves once, in order, none is skipped, and the bytes retained are exact', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const window = new PublishWindow();
      const model = new WindowModel();
      const taken: number[] = [];
      const take = (): boolean => {
        const batch = window.take();
        if (batch === null) return false;
        model.took(batch);
        taken.push(batch.id);
        return true;
      };
      for (const each of steps) {
        if (each.do === 'add') {
          const records = each.sizes.map((size, at) => record(model.added.length + at + 1, size));
          window.add(records);
          model.added.push(...records);
        } else if (each.do === 'take') take();
        else if (each.do === 'restart') {
          window.restart();
          model.restart();
        } else {
          const id = taken.at(-1 - each.ago) ?? -1;
          if (each.do === 'confirm') expect(window.recordConfirm(id)).toBe(model.confirm(id));
          else expect(window.recordFailure(id)).toBe(model.fail(id));
        }
        expect(window.retainedBytes).toBe(model.retainedBytes);
      }
      while (model.gone < model.added.length) {
        while (take());
        for (const { id } of [...model.round]) expect(window.recordConfirm(id)).toBe(model.confirm(id));
      }
      expect(window.take()).toBeNull();
      expect(window.retainedBytes).toBe(0);
    }),
  );
});
