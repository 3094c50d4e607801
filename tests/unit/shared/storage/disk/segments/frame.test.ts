import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { crcOf, crcOfWords } from '#storage/disk/segments/crc';
import { encodeGroup, FRAME_HEADER_BYTES, Frame, FrameKind, readFrameHeader } from '#storage/disk/segments/frame';
import { scanBuffer } from '#storage/disk/segments/frame-scan';
import { RecordSource } from '#tests/contract/log-records';
import { checksumOf } from '#tests/contract/log-store';

function groupOf(count: number) {
  const source = new RecordSource();
  const records = [source.epochRecord(), ...source.entries(count - 1)];
  const kinds = records.map(({ id }) => (id === null ? FrameKind.control : FrameKind.entry));
  const group = encodeGroup(
    [
      { records: records.slice(0, 1), kinds },
      { records: records.slice(1), kinds: kinds.slice(1) },
    ],
    0,
  );
  if (group === null) throw new Error('an empty group');
  return { records, group };
}

test('the checksum of a part is that of zlib, from any start and going on from any other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), fc.nat(2_000), fc.nat(), (bytes, from, before) => {
      const start = Math.min(from, bytes.length - 1);
      expect(crcOf(bytes, start, bytes.length, before)).toBe(crc32(bytes.subarray(start), before));
    }),
  );
});

test('the checksum of words is that of their bytes, wherever they lie', () => {
  const words = fc.uint8Array({ minLength: 4, maxLength: 200 });
  fc.assert(
    fc.property(words, fc.nat(3), (bytes, start) => {
      const count = Math.floor((bytes.length - start) / 4);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      expect(crcOfWords(view, start, count)).toBe(crc32(bytes.subarray(start, start + 4 * count)));
    }),
  );
});

test('frames of a group are found one after the other, with everything that was put in', () => {
  const { records, group } = groupOf(5);
  const seen: unknown[] = [];
  const end = scanBuffer(group.bytes, { offset: 100, index: 0, running: 0 }, (frame) => {
    const { index, epoch, seq, kind, groupPlace } = frame;
    seen.push({ index, epoch, seq, isControl: kind === FrameKind.control, groupPlace, text: frame.bytes.toString() });
    return true;
  });
  expect(seen).toEqual(
    records.map(({ index, epoch, seq, control, bytes }) => {
      return {
        index,
        epoch,
        seq,
        isControl: control !== null,
        groupPlace: index - 1,
        text: Buffer.from(bytes).toString(),
      };
    }),
  );
  expect(end).toMatchObject({ stop: 'end', offset: 100 + group.bytes.length, index: 5, running: checksumOf(records) });
});

test('no flipped bit of a frame is taken for a good one', () => {
  const { group } = groupOf(2);
  for (let bit = 0; bit < group.bytes.length * 8; bit += 1) {
    const bytes = Buffer.from(group.bytes);
    bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    expect(scanBuffer(bytes, { offset: 0, index: 0, running: 0 }, () => true).stop).toBe('bad');
  }
});

test('a group cut anywhere ends short, behind the last whole frame', () => {
  const { group } = groupOf(3);
  for (let length = 1; length < group.bytes.length; length += 1) {
    const end = scanBuffer(group.bytes.subarray(0, length), { offset: 0, index: 0, running: 0 }, () => true);
    expect(end.stop === 'short' || (end.stop === 'end' && end.offset === length)).toBe(true);
  }
});

test('large numbers survive', () => {
  const record = {
    index: 2 ** 47 + 5,
    epoch: 2 ** 40 + 1,
    seq: 2 ** 46 + 3,
    id: null,
    control: null,
    bytes: new Uint8Array(3),
  };
  const group = encodeGroup([{ records: [record], kinds: [1] }], 0);
  const frame = new Frame();
  expect(readFrameHeader(group?.bytes ?? Buffer.alloc(FRAME_HEADER_BYTES), 0, frame)).toBe(true);
  expect(frame).toMatchObject({ index: record.index, epoch: record.epoch, seq: record.seq, length: 3 });
});

test('a group has a point at its start and one for each 64 KiB', () => {
  const source = new RecordSource();
  const records = source.entries(3_000);
  const group = encodeGroup([{ records, kinds: [] }], 0);
  const offsets = group?.points.map(({ offset }) => offset) ?? [];
  expect(offsets[0]).toBe(0);
  expect(offsets.length).toBe(Math.ceil((group?.bytes.length ?? 0) / (64 * 1024 + 140)));
  expect(encodeGroup([{ records: [], kinds: [] }], 7)).toBeNull();
});
