/**
 * Judges the bytes after the last good frame of the log: space that was extended ahead and not used
 * yet, a torn write, which is cut off, or damage, which is refused. A torn write was never acked,
 * so cutting it loses nothing; cutting a synced record with a flipped bit would silently lose an
 * acked one.
 *
 * Only the last group can be torn, because a group is written when the sync of the one before has
 * returned. Five rules, in this order. No frame ends with zeros, so for all rules but the first the
 * zeros at the end of the file do not count:
 *
 * 1. The frame is at or below the synced marker (sync-marker.ts): damage. The marker is written
 *   after each sync and synced itself now and then, so it is exact after a kill and may lag after a
 *   power loss.
 * 2. Nothing is there: unused.
 * 3. A good header of a *later* group follows: damage, because the bad frame's group was synced.
 * 4. The file ends inside the frame, or a disk sector from there on is all zeros: torn. A write
 *   that did not finish leaves a short file, or sectors that were never written; no frame has a
 *   whole sector of zeros. The length counts only when the CRC of its header holds.
 * 5. Everything is there, and something is wrong with it: damage.
 *
 * The remaining risk: a power loss that loses the marker *and* a bit that flips in exactly the last
 * group so that a sector looks unwritten. After "Protocol-Aware Recovery for Consensus-Based
 * Storage" (FAST 2018, §3.3.3) and the torn-entry test of etcd's WAL.
 */
import { FRAME_HEADER_BYTES, FRAME_MAGIC, Frame, readFrameHeader } from './frame';

/** The unit in which disks write; a page of the kernel is a multiple of it. */
const SECTOR_BYTES = 512;

type TailVerdict = 'unused' | 'torn' | 'damaged';

interface BadTail {
  /** From the bad frame to the end of the file. */
  readonly bytes: Buffer;
  /** Where the bad frame lies in the file. */
  readonly offset: number;
  /** Index that the bad frame should have. */
  readonly index: number;
  /** Last index that is synced according to the marker; 0 when the marker is lost. */
  readonly syncedIndex: number;
}

/** Applies the rules at the head of this file. `unused` and `torn` may be cut off. */
export function judgeTail({ bytes, offset, index, syncedIndex }: BadTail): TailVerdict {
  if (index <= syncedIndex) return 'damaged';
  const written = withoutZeros(bytes);
  if (written.length === 0) return 'unused';
  if (hasLaterGroup(written, index)) return 'damaged';
  return endsInside(written) || hasUnwrittenSector(written, offset) ? 'torn' : 'damaged';
}

function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end);
}

function hasLaterGroup(bytes: Buffer, badIndex: number): boolean {
  const frame = new Frame();
  for (let at = bytes.indexOf(FRAME_MAGIC, 1); at >= 0; at = bytes.indexOf(FRAME_MAGIC, at + 1)) {
    if (bytes.length - at < FRAME_HEADER_BYTES) return false;
    if (readFrameHeader(bytes, at, frame) && frame.index - frame.groupPlace > badIndex) return true;
  }
  return false;
}

function endsInside(bytes: Buffer): boolean {
  if (bytes.length < FRAME_HEADER_BYTES) return true;
  const frame = new Frame();
  return readFrameHeader(bytes, 0, frame) && frame.size > bytes.length;
}

/**
 * Whether a sector of the file, or the part of it from `offset` on, holds only zeros. `bytes`
 * begins at `offset` of the file.
 */
export function hasUnwrittenSector(bytes: Buffer, offset: number): boolean {
  let start = 0;
  while (start < bytes.length) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((offset + start) % SECTOR_BYTES));
    if (isZero(bytes, start, end)) return true;
    start = end;
  }
  return false;
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}
