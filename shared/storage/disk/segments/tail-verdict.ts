/**
 * What is behind the last good frame: a part of the file that was extended ahead and not used yet,
 * a torn write, to be cut, or damage, to be refused? A torn write was never acked, so cutting it
 * loses nothing; cutting a synced record whose bit has flipped would lose an acked one in silence.
 *
 * Only the last group can be torn, for a group is written when the sync of the one before has
 * returned. Five rules, in order; no frame ends with zeros, so for all but the first the zeros that
 * the file ends with do not count:
 * 1. At or below the synced marker (sync-marker.ts): damage. The marker is written after each sync
 *   and itself synced now and then,
 *    so after a kill it is exact, and after a power loss it may lag.
 * 2. Nothing is there: unused.
 * 3. A good header of a *later* group follows: damage, since the bad frame's group had been synced.
 * 4. The file ends inside the frame, or a disk sector from there on is all zeros: torn. A write
 *   that did not finish leaves a
 *    short file, or sectors that were never written; no frame has a whole sector of zeros. The length is believed
 *    only from a header whose CRC holds.
 * 5. Everything is there and something is wrong with it: damage.
 *
 * What is left: a power loss that drops the marker *and* a bit that flips in exactly the last group
 * so that a sector looks unwritten. After "Protocol-Aware Recovery for Consensus-Based Storage"
 * (FAST 2018, §3.3.3) and the torn-entry test of etcd's WAL.
 */
import { FRAME_HEADER_BYTES, FRAME_MAGIC, Frame, readFrameHeader } from './frame';

/** The unit in which disks write; a page of the kernel is a multiple. */
const SECTOR_BYTES = 512;

type TailVerdict = 'unused' | 'torn' | 'damaged';

interface BadTail {
  /** From the bad frame to the end of the file. */
  readonly bytes: Buffer;
  /** Where the bad frame lies in the file. */
  readonly offset: number;
  /** Index that the bad frame should have. */
  readonly index: number;
  /** Highest index that the marker says was synced; 0 when the marker is lost. */
  readonly syncedIndex: number;
}

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

/** Does a sector of the file, or the part of it behind `offset`, hold nothing but zeros? */
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
