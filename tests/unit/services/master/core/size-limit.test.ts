import fc from 'fast-check';
import type { NewEntry } from '#master/core/events';
import { entryMessageBytes, SizeLimit } from '#master/core/size-limit';
import { ID_LENGTH_MAX } from '#protocol/entry';
import { MESSAGE_BYTES_MAX } from '#protocol/limits';
import { entryRecord } from '#protocol/record';
import { messageBytesOf } from '#protocol/wire/batch-size';

const TS = '2026-01-01T00:00:00.000Z';
/** JSON takes six bytes for it: the most for one UTF-16 unit. */
const CONTROL_CHARACTER = '\u0001';
const LONGEST_ID = '\u{1f600}'.repeat(ID_LENGTH_MAX);

const entryOf = (message: string, id: string | null = null): NewEntry => ({ message, id });

/** Bytes of the message that carries the entry at the largest seq of the largest epoch. */
function encodedBytes({ message, id }: NewEntry): number {
  const position = { seq: Number.MAX_SAFE_INTEGER, epoch: Number.MAX_SAFE_INTEGER, ts: TS };
  const generated = `${'f'.repeat(16)}-${Number.MAX_SAFE_INTEGER}`;
  return messageBytesOf(entryRecord(1, { ...position, id: id ?? generated, message }).bytes.length);
}

/** Which of these entries a broker that takes `bytesMax` bytes could not carry. */
function tooLarge(bytesMax: number, entries: readonly NewEntry[]): readonly number[] {
  const limit = new SizeLimit();
  limit.bytesMax = bytesMax;
  return limit.tooLarge(entries);
}

test('before the broker has told its limit, the limit is that of RabbitMQ', () => {
  const limit = new SizeLimit();
  const [fits, exceeds] = [entryOf('x'.repeat(MESSAGE_BYTES_MAX - 8_192)), entryOf('x'.repeat(MESSAGE_BYTES_MAX))];
  expect(limit.tooLarge([fits, exceeds])).toEqual([2]);
});

test.each<[what: string, entry: NewEntry]>([
  ['ASCII', entryOf('x'.repeat(1_000), 'id')],
  ['characters of three bytes', entryOf('€'.repeat(1_000), 'id')],
  ['characters that JSON escapes', entryOf(CONTROL_CHARACTER.repeat(1_000), 'id')],
  ['the longest id', entryOf('', LONGEST_ID)],
])('an entry of exactly the limit is taken, and one byte less of limit refuses it: %s', (_, entry) => {
  const bytes = encodedBytes(entry);
  expect(tooLarge(bytes, [entry])).toEqual([]);
  expect(tooLarge(bytes - 1, [entry])).toEqual([1]);
});

test('the lines of all entries that are too large are named, counted from 1', () => {
  const [small, large] = [entryOf('x', 'a'), entryOf('x'.repeat(10_000), 'b')];
  expect(tooLarge(8_192, [small, large, small, large])).toEqual([2, 4]);
  expect(tooLarge(8_192, [])).toEqual([]);
});

test('an entry without an id has room for any id that the master may give it', () => {
  const entry = entryOf('x'.repeat(5_000));
  expect(entryMessageBytes(entry, 0)).toBeGreaterThanOrEqual(encodedBytes(entry));
});

test('the bound that spares the encoding holds where each character takes the most bytes', () => {
  const entry = entryOf(CONTROL_CHARACTER.repeat(10_000), LONGEST_ID);
  expect(entryMessageBytes(entry, Number.MAX_SAFE_INTEGER)).toBeGreaterThanOrEqual(encodedBytes(entry));
});

test('the bytes are never fewer than those of the encoded entry, and exceed `enough` only if those do', () => {
  const unit = fc.constantFrom('x', '"', '\\', 'é', '€', '\u{1f600}', '\ud800', CONTROL_CHARACTER);
  const entries = fc.record({
    message: fc.string({ unit, maxLength: 500 }),
    id: fc.string({ unit: fc.constantFrom('a', '"', '€'), minLength: 1, maxLength: 128 }),
  });
  fc.assert(
    fc.property(entries, fc.integer({ min: 0, max: 8_000 }), (entry, enough) => {
      const [bytes, encoded] = [entryMessageBytes(entry, enough), encodedBytes(entry)];
      expect(bytes).toBeGreaterThanOrEqual(encoded);
      expect(bytes > enough).toBe(encoded > enough);
    }),
  );
});
