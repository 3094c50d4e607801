/**
 * Encodes and decodes frames: a record in a segment file, as a header of 40 bytes followed by the
 * record's bytes. All numbers are little-endian.
 *
 *      0  u32  magic, FF 52 4C FE: FF and FE never occur in UTF-8, so no text can look like a frame
 *      4  u32  length of the record's bytes
 *      8  u48  index     14  u48  epoch     20  u48  seq     26  u8  kind     27  u8  0
 *     28  u32  position in its group (one write), 0 for the first; see tail-verdict.ts
 *     32  u32  running CRC-32 of all records' bytes up to and including this one
 *     36  u32  CRC-32 of the 36 bytes before
 *
 * The running CRC also checks this record's bytes: it must follow from the running CRC of the frame
 * before. A second CRC of the bytes alone would cost as much again and detect nothing more. The
 * header has a CRC of its own, so that a damaged length is not taken for a file that ends too
 * early.
 */
import type { LogRecord } from '#protocol/record';
import { crcOf, crcOfWords } from './crc';

/** Bytes of a frame's header. */
export const FRAME_HEADER_BYTES = 40;
/** The first four bytes of every frame. */
export const FRAME_MAGIC = Buffer.from([0xff, 0x52, 0x4c, 0xfe]);

/** The kind of a record, by which the scan at open can avoid parsing it. */
export const FrameKind = {
  /** An entry whose id is computed from its reign and seq. */
  entry: 1,
  /** An entry whose id was chosen by the client: the id index holds it. */
  namedEntry: 2,
  control: 3,
} as const;

/**
 * A frame that was read: its header, and where it lies. One object is reused for many frames, so
 * that a scan allocates nothing.
 */
export class Frame {
  length = 0;
  index = 0;
  epoch = 0;
  seq = 0;
  kind = 0;
  groupPlace = 0;
  running = 0;
  buffer: Buffer = FRAME_MAGIC;
  /** A view of the whole `buffer`. */
  view = viewOf(FRAME_MAGIC);
  /** Offset of the frame in `buffer`. */
  at = 0;
  /** Offset of the frame in the file; set by a scan, like `runningBefore`. */
  offset = 0;
  runningBefore = 0;

  /** Bytes of the whole frame, header included. */
  get size(): number {
    return FRAME_HEADER_BYTES + this.length;
  }

  /** The record's bytes: a view of the buffer, not a copy. */
  get bytes(): Buffer {
    return this.buffer.subarray(this.at + FRAME_HEADER_BYTES, this.at + this.size);
  }

  /** Whether the record's bytes lead from `runningBefore` to `running`. */
  get isIntact(): boolean {
    return crcOf(this.buffer, this.at + FRAME_HEADER_BYTES, this.at + this.size, this.runningBefore) === this.running;
  }
}

const MAGIC = FRAME_MAGIC.readUInt32LE(0);
const HIGH = 2 ** 32;
const CHECKED_BYTES = 36;
const CHECKED_WORDS = CHECKED_BYTES / 4;

/**
 * Reads the header at `at` into `into`; 40 bytes must be there. Returns false when it is not an
 * intact header.
 */
export function readFrameHeader(buffer: Buffer, at: number, into: Frame): boolean {
  if (into.buffer !== buffer) {
    into.buffer = buffer;
    into.view = viewOf(buffer);
  }
  const { view } = into;
  if (view.getUint32(at, true) !== MAGIC) return false;
  if (view.getUint32(at + CHECKED_BYTES, true) !== crcOfWords(view, at, CHECKED_WORDS)) return false;
  into.at = at;
  into.length = view.getUint32(at + 4, true);
  into.index = getUint48(view, at + 8);
  into.epoch = getUint48(view, at + 14);
  into.seq = getUint48(view, at + 20);
  into.kind = view.getUint8(at + 26);
  into.groupPlace = view.getUint32(at + 28, true);
  into.running = view.getUint32(at + 32, true);
  return true;
}

/** A frame in a group from which a reader can start. */
interface FramePoint {
  readonly index: number;
  /** Bytes from the start of the group. */
  readonly offset: number;
  readonly runningBefore: number;
}

/** Records that are written by one write and made durable by one sync. */
export interface EncodedGroup {
  readonly bytes: Buffer;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly runningBefore: number;
  /** Running CRC after the last record. */
  readonly running: number;
  /** The first frame, and one after every `POINT_SPACING_BYTES`. */
  readonly points: readonly FramePoint[];
}

/**
 * Distance of the points from which a read starts. A read of one record reads this much on average,
 * half of it unneeded.
 */
export const POINT_SPACING_BYTES = 64 * 1024;

/** Records, and the `FrameKind` of each at the same position. */
export interface KindedRecords {
  readonly records: readonly LogRecord[];
  readonly kinds: readonly number[];
}

/** Encodes the records of several appends, in order, as one group; null when they hold none. */
export function encodeGroup(appends: readonly KindedRecords[], runningBefore: number): EncodedGroup | null {
  const firstIndex = appends.find(({ records }) => records.length > 0)?.records[0]?.index;
  if (firstIndex === undefined) return null;
  const bytes = Buffer.allocUnsafe(groupBytes(appends));
  const view = viewOf(bytes);
  const points: FramePoint[] = [];
  let at = 0;
  let nextPoint = 0;
  let running = runningBefore;
  let lastIndex = firstIndex;
  for (const { records, kinds } of appends) {
    for (let each = 0; each < records.length; each += 1) {
      const record = records[each] as LogRecord;
      if (at >= nextPoint) {
        points.push({ index: record.index, offset: at, runningBefore: running });
        nextPoint = at + POINT_SPACING_BYTES;
      }
      running = crcOf(record.bytes, 0, record.bytes.length, running);
      writeFrame({ bytes, view }, at, record, {
        kind: kinds[each] ?? 0,
        groupPlace: record.index - firstIndex,
        running,
      });
      at += FRAME_HEADER_BYTES + record.bytes.length;
      lastIndex = record.index;
    }
  }
  return { bytes, firstIndex, lastIndex, runningBefore, running, points };
}

function groupBytes(appends: readonly KindedRecords[]): number {
  let sum = 0;
  for (const { records } of appends) {
    for (const { bytes } of records) sum += FRAME_HEADER_BYTES + bytes.length;
  }
  return sum;
}

/** A DataView reads and writes a number in one instruction; `Buffer`'s methods go byte by byte. */
function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function writeFrame(
  { bytes, view }: { readonly bytes: Buffer; readonly view: DataView },
  at: number,
  record: LogRecord,
  { kind, groupPlace, running }: { kind: number; groupPlace: number; running: number },
): void {
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, record.bytes.length, true);
  setUint48(view, at + 8, record.index);
  setUint48(view, at + 14, record.epoch);
  setUint48(view, at + 20, record.seq);
  view.setUint16(at + 26, kind, true);
  view.setUint32(at + 28, groupPlace, true);
  view.setUint32(at + 32, running, true);
  view.setUint32(at + CHECKED_BYTES, crcOfWords(view, at, CHECKED_WORDS), true);
  bytes.set(record.bytes, at + FRAME_HEADER_BYTES);
}

function setUint48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % HIGH, true);
  view.setUint16(at + 4, Math.floor(value / HIGH), true);
}

function getUint48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * HIGH;
}

/** Reads a little-endian u48 at `at`. */
export function readUInt48(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt16LE(at + 4) * HIGH;
}

/** Writes a little-endian u48 at `at`. */
export function writeUInt48(buffer: Buffer, at: number, value: number): void {
  buffer.writeUInt32LE(value % HIGH, at);
  buffer.writeUInt16LE(Math.floor(value / HIGH), at + 4);
}
