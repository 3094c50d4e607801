import { encodeGroup, FrameKind } from '#storage/disk/segments/frame';
import { type ScanEnd, type ScanPlace, scanBuffer } from '#storage/disk/segments/frame-scan';
import { packRecords, separated } from '#storage/disk/segments/packed-records';
import { RecordSource } from '#tests/contract/log-records';

const START: ScanPlace = { offset: 40, index: 0, running: 0 };
const LINE_FEED = 0x0a;

/** An epoch, two entries, a list of members, and an entry without text. */
function frames() {
  const source = new RecordSource();
  const first = [source.epochRecord(), ...source.entries(2)];
  const records = [...first, source.membersRecord(['a']), source.entry({ message: '' })];
  const kinds = records.map(({ id }) => (id === null ? FrameKind.control : FrameKind.entry));
  const group = encodeGroup([{ records, kinds }], 0);
  if (group === null) throw new Error('an empty group');
  return { records, bytes: group.bytes };
}

function pack(bytes: Buffer, visit: Parameters<typeof packRecords>[2] = () => true): ScanEnd {
  return packRecords(Buffer.from(bytes), START, visit).end;
}

test('records are packed in order, and the scan ends where one frame after the other does', () => {
  const { records, bytes } = frames();
  const { buffer, ends, end } = packRecords(Buffer.from(bytes), START, () => true);
  const lines = ends.map((to, at) => buffer.toString('utf8', ends[at - 1] ?? 0, to));
  expect(lines).toEqual(records.map((record) => Buffer.from(record.bytes).toString()));
  expect(end).toEqual(scanBuffer(bytes, START, () => true));
});

test('a flipped bit anywhere is found at the frame where a check of each record finds it', () => {
  const { bytes } = frames();
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    const expected = scanBuffer(flipped, START, () => true);
    expect(expected.stop).toBe('bad');
    expect(pack(flipped)).toEqual(expected);
  }
});

test('bytes that were exchanged for those of another log do not pass with good headers', () => {
  const { bytes } = frames();
  expect(packRecords(Buffer.from(bytes), { ...START, running: 1 }, () => true).end).toMatchObject({
    stop: 'bad',
    index: 0,
    offset: START.offset,
  });
});

test('a buffer that ends within a frame gives the records before it', () => {
  const { bytes } = frames();
  for (let length = 0; length < bytes.length; length += 1) {
    const part = bytes.subarray(0, length);
    expect(pack(part)).toEqual(scanBuffer(part, START, () => true));
  }
});

test('no damage is reported behind the frame after which the visitor has enough', () => {
  const { bytes } = frames();
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 1] = 0;
  expect(pack(flipped, ({ index }) => index < 4)).toMatchObject({ stop: 'enough', index: 4 });
});

test.each([
  ['all', [true, true, true, true, true], [0, 1, 2, 3, 4]],
  ['entries', [false, true, true, false, true], [1, 2, 4]],
  ['those of the range', [true, false, true], [2, 4]],
  ['none', [false], []],
])('records that are kept (%s) have one separator behind each', (_, isKept, expected) => {
  const { records, bytes } = frames();
  const packed = packRecords(Buffer.from(bytes), START, () => true);
  const lines = expected.map((at) => `${Buffer.from(records[at]?.bytes ?? [])}\n`);
  const joined = separated(packed, isKept, LINE_FEED);
  expect(joined.count).toBe(expected.length);
  expect(joined.bytes.toString()).toBe(lines.join(''));
});
