/**
 * Describes one segment file of the log: a header, then frames. The file is named after its first
 * index, so that the order of names is the order of segments.
 *
 *      0  "RLOGSEG1"     8  store id, 16 characters     24  u48 first index     30  u16 0
 *     32  u32 running CRC before the first record     36  u32 CRC-32 of the 36 bytes before
 *
 * In memory a segment is its end and a few points from which a read can start: one for each 64 KiB,
 * so a log of 100 GB takes some 40 MB and one of 1 GB some 400 kB.
 */
import { crc32 } from 'node:zlib';
import { type EncodedGroup, FRAME_HEADER_BYTES, POINT_SPACING_BYTES, readUInt48, writeUInt48 } from './frame';
import type { ScanPlace } from './frame-scan';

/** Bytes of a segment's header. */
export const SEGMENT_HEADER_BYTES = 40;
const MAGIC = 'RLOGSEG1';
const CRC_AT = 36;
const NAME = /^([0-9]{16})\.log$/;

/** File name of the segment that begins with this index. */
export function segmentName(firstIndex: number): string {
  return `${String(firstIndex).padStart(16, '0')}.log`;
}

/** First index of the segment with this file name; null when the name is not that of a segment. */
export function firstIndexOf(name: string): number | null {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

interface SegmentStart {
  readonly storeId: string;
  readonly firstIndex: number;
  /** Running CRC-32 of all records before the segment. */
  readonly running: number;
}

/** Encodes the header, `SEGMENT_HEADER_BYTES` long, with its CRC. */
export function encodeSegmentHeader({ storeId, firstIndex, running }: SegmentStart): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.write(storeId, 8, 16, 'latin1');
  writeUInt48(header, 24, firstIndex);
  header.writeUInt32LE(running, 32);
  header.writeUInt32LE(crc32(header.subarray(0, CRC_AT)), CRC_AT);
  return header;
}

/** Decodes a header; null when it is not one, or is damaged. */
export function decodeSegmentHeader(header: Buffer): SegmentStart | null {
  if (header.length < SEGMENT_HEADER_BYTES || header.toString('latin1', 0, 8) !== MAGIC) return null;
  if (crc32(header.subarray(0, CRC_AT)) !== header.readUInt32LE(CRC_AT)) return null;
  return {
    storeId: header.toString('latin1', 8, 24),
    firstIndex: readUInt48(header, 24),
    running: header.readUInt32LE(32),
  };
}

/**
 * Why a segment does not follow the log before it, as the end of a sentence that begins with its
 * path; null when it does.
 */
export function startFault(
  start: SegmentStart,
  before: { readonly storeId: string; readonly lastIndex: number; readonly running: number },
): string | null {
  const { storeId, lastIndex, running } = before;
  if (start.storeId !== storeId) return `belongs to store ${start.storeId}, not to ${storeId}`;
  if (start.firstIndex !== lastIndex + 1 || start.running !== running) return `does not follow record ${lastIndex}`;
  return null;
}

/** The positions of the frames in one segment file. It does no I/O. */
export class Segment {
  readonly firstIndex: number;
  readonly name: string;
  /** Last record that is synced; below `firstIndex` when there is none. */
  lastIndex: number;
  /** Offset where the frame of `lastIndex` ends, in bytes. */
  end = SEGMENT_HEADER_BYTES;
  /** Running CRC up to `lastIndex`. */
  running: number;
  /**
   * The open has not read the frames up to here, which a checkpoint covers; null when it has, or
   * when they were verified since. Read points may be far apart there.
   */
  unread: ScanPlace | null = null;
  /** Number of truncations. While it is the same, each frame keeps its place. */
  cuts = 0;

  /**
   * Read points, ascending, each as a `ScanPlace` before its frame. Three arrays take less memory
   * than objects.
   */
  private readonly pointIndexes: number[] = [];
  private readonly pointOffsets: number[] = [];
  private readonly pointRunnings: number[] = [];

  constructor({ firstIndex, running }: Omit<SegmentStart, 'storeId'>) {
    this.firstIndex = firstIndex;
    this.name = segmentName(firstIndex);
    this.lastIndex = firstIndex - 1;
    this.running = running;
    this.addPoint(0, firstIndex, SEGMENT_HEADER_BYTES, running);
  }

  /**
   * Notes that the frame of `index` starts at `offset`. A point is kept when the one before it is
   * far enough away.
   */
  notePoint(index: number, offset: number, runningBefore: number, spacing = POINT_SPACING_BYTES): void {
    const isLast = offset > (this.pointOffsets.at(-1) ?? 0);
    const at = isLast ? this.pointOffsets.length : this.pointsUpTo(index);
    if (offset - (this.pointOffsets[at - 1] ?? 0) >= spacing) this.addPoint(at, index, offset, runningBefore);
  }

  /** Records that the group is on disk after what was there. */
  take(group: EncodedGroup): void {
    for (const { index, offset, runningBefore } of group.points)
      this.notePoint(index, this.end + offset, runningBefore);
    this.end += group.bytes.length;
    this.lastIndex = group.lastIndex;
    this.running = group.running;
  }

  /** Makes the segment end here. */
  endAt(place: ScanPlace): void {
    const { index, offset, running } = place;
    this.cuts += 1;
    if (this.unread !== null && this.unread.offset > offset) this.unread = place;
    this.lastIndex = index;
    this.end = offset;
    this.running = running;
    while (this.pointIndexes.length > 1 && (this.pointIndexes.at(-1) ?? 0) > index) {
      this.pointIndexes.pop();
      this.pointOffsets.pop();
      this.pointRunnings.pop();
    }
  }

  /** The nearest point at or before the frame of `index`. */
  placeBefore(index: number): ScanPlace {
    const at = Math.max(this.pointsUpTo(index) - 1, 0);
    return {
      index: (this.pointIndexes[at] ?? this.firstIndex) - 1,
      offset: this.pointOffsets[at] ?? SEGMENT_HEADER_BYTES,
      running: this.pointRunnings[at] ?? 0,
    };
  }

  /** An offset, near if possible, that is not before the end of the frame of `index`. */
  offsetBehind(index: number): number {
    return this.pointOffsets[this.pointsUpTo(index)] ?? this.end;
  }

  /**
   * The last offset at a read point, or at the end, up to which the records behind `place` have at
   * most `maxBytes`.
   */
  offsetWithin({ offset, index }: ScanPlace, maxBytes: number): number {
    let reached = offset;
    for (let at = this.pointsUpTo(index + 1); at <= this.pointIndexes.length; at += 1) {
      const next = this.pointOffsets[at] ?? this.end;
      const frames = (this.pointIndexes[at] ?? this.lastIndex + 1) - 1 - index;
      if (next - offset - frames * FRAME_HEADER_BYTES > maxBytes) break;
      reached = next;
    }
    return reached;
  }

  private addPoint(at: number, index: number, offset: number, running: number): void {
    this.pointIndexes.splice(at, 0, index);
    this.pointOffsets.splice(at, 0, offset);
    this.pointRunnings.splice(at, 0, running);
  }

  /** Number of points whose index is not above `index`. */
  private pointsUpTo(index: number): number {
    let low = 0;
    let high = this.pointIndexes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.pointIndexes[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
