/**
 * Reads the records of consecutive frames out of a buffer: moves them together over the headers, and
 * verifies all of them with one CRC, which must be the running CRC of the last frame. Each header is
 * verified by its own CRC before. zlib takes 4 bytes a nanosecond, but a call of it for each record
 * would cost more than the record.
 */
import { crcOf } from './crc';
import { FRAME_HEADER_BYTES, type Frame } from './frame';
import { BYTES_FAULT, type FrameVisitor, type ScanEnd, type ScanPlace, scanHeaders } from './frame-scan';

/** Consecutive records, one directly after the other. */
export interface PackedRecords {
  /** The buffer with the frames, overwritten from its beginning by the records. */
  readonly buffer: Buffer;
  /** Offset in the buffer where each record ends. */
  readonly ends: readonly number[];
  /** Where the scan ended; `bad` also when a record does not match its checksum. */
  readonly end: ScanEnd;
}

/**
 * Packs the frames in `buffer`, whose first byte lies at `from.offset` of the file, until `visit`
 * returns false. What `visit` sees of the records is not verified yet.
 */
export function packRecords(buffer: Buffer, from: ScanPlace, visit: FrameVisitor): PackedRecords {
  const ends: number[] = [];
  const runnings: number[] = [];
  let end = 0;
  const scanned = scanHeaders(buffer, from, (frame: Frame) => {
    const start = frame.at + FRAME_HEADER_BYTES;
    buffer.copyWithin(end, start, start + frame.length);
    end += frame.length;
    ends.push(end);
    runnings.push(frame.running);
    return visit(frame);
  });
  if (crcOf(buffer, 0, end, from.running) === scanned.running) return { buffer, ends, end: scanned };
  return { buffer, ends, end: firstDamaged(buffer, from, ends, runnings) };
}

function firstDamaged(buffer: Buffer, from: ScanPlace, ends: readonly number[], runnings: readonly number[]): ScanEnd {
  let [at, start, { running }] = [0, 0, from];
  for (const end of ends) {
    const found = crcOf(buffer, start, end, running);
    if (found !== runnings[at]) break;
    [at, start, running] = [at + 1, end, found];
  }
  const offset = from.offset + start + at * FRAME_HEADER_BYTES;
  return { offset, index: from.index + at, running, stop: 'bad', fault: BYTES_FAULT, frameSize: 0 };
}

/**
 * The records that are kept, in order, each with `separator` behind it. `isKept` is about the last
 * of the packed records; those before are not kept. The result overwrites them from the last to the
 * first, since each moves to a place behind its own; the headers leave the room for separators.
 */
export function separated(
  { buffer, ends }: PackedRecords,
  isKept: readonly boolean[],
  separator: number,
): { readonly bytes: Buffer; readonly count: number } {
  const count = isKept.filter((kept) => kept).length;
  const end = (ends.at(-1) ?? 0) + count;
  let start = end;
  const skipped = ends.length - isKept.length;
  for (let at = ends.length - 1; at >= skipped; at -= 1) {
    if (isKept[at - skipped] !== true) continue;
    const from = at === 0 ? 0 : (ends[at - 1] as number);
    const to = ends[at] as number;
    buffer[start - 1] = separator;
    start -= to - from + 1;
    buffer.copyWithin(start, from, to);
  }
  return { bytes: buffer.subarray(start, end), count };
}
