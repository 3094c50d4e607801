/**
 * Scans the frames of a segment file and verifies each one: header, place in the log, running CRC.
 * The scan at open, reads and truncation all use it, so that they agree on what a good frame is.
 *
 * The scan does not judge what a bad frame means; it says where and why it ended (tail-verdict.ts
 * judges).
 */
import type { OpenFile } from '../file-system';
import { FRAME_HEADER_BYTES, Frame, readFrameHeader } from './frame';

/**
 * A position of a scan: after the frame of `index`, which ends at byte `offset` of the file.
 * `running` is the CRC-32 up to and including that record.
 */
export interface ScanPlace {
  readonly offset: number;
  readonly index: number;
  readonly running: number;
}

/**
 * Why a scan ended. `end`: at the end of its input. `short`: the input ends within a frame or its
 * header. `bad`: there is no good frame at this place. `enough`: the visitor returned false.
 */
type ScanStop = 'end' | 'short' | 'bad' | 'enough';

/** The end of a scan: position and reason. */
export interface ScanEnd extends ScanPlace {
  readonly stop: ScanStop;
  /** For `bad`: what is wrong, as the end of a sentence that begins with "record 5:". */
  readonly fault: string;
  /** For `short` with a good header: bytes of the whole frame; otherwise 0. */
  readonly frameSize: number;
}

/**
 * Receives each good frame; returns false to end the scan after it. The frame object, and later its
 * buffer, are reused: copy what is to be kept.
 */
export type FrameVisitor = (frame: Frame) => boolean;

/** Scans the frames in `buffer`, whose first byte lies at `from.offset` of the file. */
export function scanBuffer(buffer: Buffer, from: ScanPlace, visit: FrameVisitor): ScanEnd {
  return scanFrames(buffer, from, visit, true);
}

/** Like `scanBuffer`, but the records' bytes are not verified: the caller does that. */
export function scanHeaders(buffer: Buffer, from: ScanPlace, visit: FrameVisitor): ScanEnd {
  return scanFrames(buffer, from, visit, false);
}

/** The fault of a frame whose record's bytes are damaged, for `ScanEnd.fault`. */
export const BYTES_FAULT = 'its bytes do not match their checksum';

function scanFrames(buffer: Buffer, from: ScanPlace, visit: FrameVisitor, verifiesBytes: boolean): ScanEnd {
  const frame = new Frame();
  let { index, running } = from;
  let at = 0;
  const ended = (stop: ScanStop, fault = '', frameSize = 0): ScanEnd => {
    return { offset: from.offset + at, index, running, stop, fault, frameSize };
  };
  for (;;) {
    if (at === buffer.length) return ended('end');
    if (buffer.length - at < FRAME_HEADER_BYTES) return ended('short');
    if (!readFrameHeader(buffer, at, frame)) return ended('bad', 'its header is damaged');
    if (frame.index !== index + 1) return ended('bad', `record ${frame.index} is in its place`);
    if (buffer.length - at < frame.size) return ended('short', '', frame.size);
    frame.offset = from.offset + at;
    frame.runningBefore = running;
    if (verifiesBytes && !frame.isIntact) return ended('bad', BYTES_FAULT);
    const more = visit(frame);
    at += frame.size;
    index = frame.index;
    running = frame.running;
    if (!more) return ended('enough');
  }
}

const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Scans the frames of a file from `from` up to byte `size`, with `chunkBytes` in memory at a time,
 * or one frame. `onChunk` is awaited after each chunk. Rejects with the system error of a read.
 */
export async function scanFile(
  file: OpenFile,
  from: ScanPlace,
  size: number,
  visit: FrameVisitor,
  onChunk: (offset: number) => Promise<void> = async () => undefined,
  chunkBytes = CHUNK_BYTES,
): Promise<ScanEnd> {
  let place: ScanPlace = from;
  let buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - from.offset));
  for (;;) {
    const wanted = Math.min(buffer.length, size - place.offset);
    const count = await file.read(buffer.subarray(0, wanted), place.offset);
    const end = scanBuffer(buffer.subarray(0, count), place, visit);
    await onChunk(end.offset);
    if (end.stop === 'bad' || end.stop === 'enough' || place.offset + count >= size || count < wanted) return end;
    if (end.offset === place.offset) buffer = Buffer.allocUnsafe(Math.max(end.frameSize, 2 * buffer.length));
    place = end;
  }
}
