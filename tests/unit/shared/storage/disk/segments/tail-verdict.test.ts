import { encodeGroup } from '#storage/disk/segments/frame';
import { judgeTail } from '#storage/disk/segments/tail-verdict';
import { RecordSource } from '#tests/contract/log-records';

const source = new RecordSource();
const encode = (count: number, size: number): Buffer => {
  const records = source.entries(count, () => ({ message: 'm'.repeat(size) }));
  return encodeGroup([{ records, kinds: [] }], 0)?.bytes ?? Buffer.alloc(0);
};
const FIRST = encode(3, 600);
const SECOND = encode(2, 100);
const OFFSET = 1_000;

const flipped = (bytes: Buffer, byte: number) => {
  const copy = Buffer.from(bytes);
  copy[byte] = (copy[byte] ?? 0) ^ 4;
  return copy;
};
const unwritten = (bytes: Buffer, from: number, to: number) => Buffer.from(bytes).fill(0, from, to);
/** The second whole sector of the file behind `OFFSET`. */
const SECTOR = [1_536 - OFFSET, 2_048 - OFFSET] as const;

test.each([
  ['a frame that the file ends in', FIRST.subarray(0, 300), 'torn'],
  ['a header that the file ends in', FIRST.subarray(0, 39), 'torn'],
  ['a sector that was never written', unwritten(FIRST, ...SECTOR), 'torn'],
  ['a first part that was never written', unwritten(FIRST, 0, 24), 'torn'],
  ['a part that was never used', Buffer.alloc(2_000), 'unused'],
  ['a frame that the zeros ahead go on behind', Buffer.concat([FIRST.subarray(0, 300), Buffer.alloc(2_000)]), 'torn'],
  ['a header that the zeros ahead go on behind', Buffer.concat([FIRST.subarray(0, 39), Buffer.alloc(2_000)]), 'torn'],
  ['a flipped bit before the zeros ahead', Buffer.concat([flipped(FIRST, 300), Buffer.alloc(2_000)]), 'damaged'],
  ['a flipped bit in the bytes', flipped(FIRST, 300), 'damaged'],
  ['a flipped bit in the length', flipped(FIRST, 6), 'damaged'],
  ['a flipped bit in the magic', flipped(FIRST, 0), 'damaged'],
  ['a flipped bit before a later group', Buffer.concat([flipped(FIRST, 300), SECOND]), 'damaged'],
  ['an unwritten sector before a later group', Buffer.concat([unwritten(FIRST, ...SECTOR), SECOND]), 'damaged'],
  ['garbage of more than a header', Buffer.from('garbage '.repeat(10)), 'damaged'],
])('%s, behind the marker: %s', (_, bytes, verdict) => {
  expect(judgeTail({ bytes, offset: OFFSET, index: 1, syncedIndex: 0 })).toBe(verdict);
  expect(judgeTail({ bytes, offset: OFFSET, index: 1, syncedIndex: 1 })).toBe('damaged');
});
