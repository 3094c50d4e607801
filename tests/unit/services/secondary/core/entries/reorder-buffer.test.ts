import fc from 'fast-check';
import type { LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import { ReorderBuffer } from '#secondary/core/entries/reorder-buffer';

type Batch = MessageOf<'entries'>;

/** A batch of the records after `prevIndex`, 10 bytes each unless told. */
function batch(prevIndex: number, count: number, size = 10): Batch {
  const records = Array.from({ length: count }, (_, at): LogRecord => {
    const index = prevIndex + at + 1;
    return { index, epoch: 1, seq: index, id: null, control: null, bytes: new Uint8Array(size) };
  });
  const sender = { epoch: 1, reign: 'r', log: 'r1' };
  return { type: 'entries', ...sender, prevIndex, prevEpoch: 1, prevReign: 'r', commit: 0, records };
}

test('a batch waits until the record before it is there', () => {
  const buffer = new ReorderBuffer();
  const later = batch(5, 2);
  expect(buffer.put(later)).toBe(true);
  expect(buffer.take(4)).toBeNull();
  expect(buffer.size).toBe(2);
  expect(buffer.take(5)).toBe(later);
  expect(buffer.isEmpty).toBe(true);
});

test('whatever order they came in, they are taken in order', () => {
  const buffer = new ReorderBuffer();
  const batches = [batch(9, 1), batch(5, 2), batch(7, 2)];
  for (const each of batches) buffer.put(each);
  expect(buffer.take(5)).toBe(batches[1]);
  expect(buffer.take(7)).toBe(batches[2]);
  expect(buffer.take(9)).toBe(batches[0]);
});

test('a batch that reaches beyond the log is taken though it begins within it', () => {
  const buffer = new ReorderBuffer();
  const overlapping = batch(3, 5);
  buffer.put(overlapping);
  expect(buffer.take(6)).toBe(overlapping);
});

test('batches wholly at or below the end of the log are forgotten', () => {
  const buffer = new ReorderBuffer();
  buffer.put(batch(1, 2));
  buffer.put(batch(3, 1));
  expect(buffer.take(4)).toBeNull();
  expect(buffer.isEmpty).toBe(true);
});

test('the same batch again is not kept twice', () => {
  const buffer = new ReorderBuffer();
  buffer.put(batch(5, 2));
  expect(buffer.put(batch(5, 2))).toBe(false);
  expect(buffer.size).toBe(2);
});

test('of two batches that begin at the same place the longer is the one that is taken', () => {
  const buffer = new ReorderBuffer();
  const longer = batch(5, 3);
  buffer.put(batch(5, 1));
  expect(buffer.put(longer)).toBe(true);
  expect(buffer.take(5)).toBe(longer);
  expect(buffer.take(8)).toBeNull();
  expect(buffer.isEmpty).toBe(true);
});

test('when it is full the farthest is dropped, for the nearest is needed first', () => {
  const buffer = new ReorderBuffer(50);
  buffer.put(batch(9, 3));
  buffer.put(batch(20, 2));
  expect(buffer.put(batch(5, 2))).toBe(true);
  expect(buffer.size).toBe(5);
  expect(buffer.take(5)?.prevIndex).toBe(5);
  expect(buffer.take(9)?.prevIndex).toBe(9);
  expect(buffer.isEmpty).toBe(true);
});

test('a batch that is itself the farthest is dropped and says so', () => {
  const buffer = new ReorderBuffer(50);
  buffer.put(batch(5, 4));
  expect(buffer.put(batch(20, 2))).toBe(false);
  expect(buffer.size).toBe(4);
});

test('what is cleared makes room again', () => {
  const buffer = new ReorderBuffer(50);
  buffer.put(batch(5, 5));
  buffer.clear();
  expect(buffer.isEmpty).toBe(true);
  expect(buffer.put(batch(9, 5))).toBe(true);
});

const BOUND = 120;

test('it never holds more bytes than its bound, keeps the nearest, and hands out only what can follow', () => {
  const put = fc.record({ prevIndex: fc.nat(30), count: fc.integer({ min: 1, max: 4 }), size: fc.nat(20) });
  const step = fc.oneof({ weight: 3, arbitrary: put }, { weight: 1, arbitrary: fc.record({ take: fc.nat(34) }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const buffer = new ReorderBuffer(BOUND);
      let held: Batch[] = [];
      const bytes = (): number =>
        held.flatMap(({ records }) => records).reduce((sum, each) => sum + each.bytes.length, 0);
      for (const each of steps) {
        if ('take' in each) {
          const taken = buffer.take(each.take);
          const expected = held.find(
            ({ prevIndex, records }) => prevIndex <= each.take && prevIndex + records.length > each.take,
          );
          expect(taken?.prevIndex).toBe(expected?.prevIndex);
          const upTo = taken?.prevIndex ?? each.take;
          held = held.filter(
            (other) => other !== taken && (other.prevIndex > upTo || (taken !== null && other.prevIndex === upTo)),
          );
        } else {
          const added = batch(each.prevIndex, each.count, each.size);
          const known = held.some(
            ({ prevIndex, records }) => prevIndex === each.prevIndex && records.length >= each.count,
          );
          if (!known) {
            held = [...held, added].sort((a, b) => a.prevIndex - b.prevIndex || b.records.length - a.records.length);
            while (bytes() > BOUND) held.pop();
          }
          expect(buffer.put(added)).toBe(held.includes(added));
        }
        expect(buffer.size).toBe(held.reduce((sum, { records }) => sum + records.length, 0));
        expect(buffer.isEmpty).toBe(held.length === 0);
      }
    }),
  );
});
