/**
 * Verifies the frames that an open has not read because a checkpoint covers them: all of them in
 * the background, and those around a record before it is read. The scan adds the read points that
 * the open would have added.
 *
 * A truncation may change the bytes under a scan. A scan counts only if its segment is there and
 * was not truncated meanwhile; bytes that look damaged are judged after the truncation under way.
 */
import { damagedFault } from '#storage/storage-fault';
import type { OpenFile } from '../file-system';
import { type FrameVisitor, type ScanEnd, type ScanPlace, scanFile } from './frame-scan';
import type { Segment } from './segment';

/** Bytes that are verified at a time: half a millisecond. */
const CHUNK_BYTES = 256 * 1024;

interface SegmentFiles {
  pathOf(segment: Segment): string;
  /** Opens the segment's file for `read`. Rejects with a `StorageError`. */
  withSegment<T>(segment: Segment, read: (file: OpenFile) => Promise<T>): Promise<T>;
  /** Resolves when no truncation is under way. */
  cutEnds(): Promise<void>;
}

/** The `unread` parts of the segments of one log. */
export class UnreadFrames {
  /** @param segments the log's own list */
  constructor(
    private readonly segments: readonly Segment[],
    private readonly files: SegmentFiles,
  ) {}

  /** Size of the parts that are still unread, in bytes. */
  get bytes(): number {
    return this.segments.reduce((sum, { unread }) => sum + (unread?.offset ?? 0), 0);
  }

  /**
   * Verifies everything, the oldest segment first. `pause` is awaited after each chunk; the
   * verification ends when it resolves with false, and then resolves with false. Rejects with a
   * `StorageError`: `damaged`, `failed`, or `full` when no descriptor is free.
   */
  async verify(pause: () => Promise<boolean>): Promise<boolean> {
    for (;;) {
      const segment = this.segments.find(({ unread }) => unread !== null);
      if (segment === undefined) return true;
      if (!(await this.verifySegment(segment, pause))) return false;
    }
  }

  /**
   * Verifies the frames from the nearest read point to the one of `index`, and adds read points
   * before and after it. Rejects with a `StorageError`.
   */
  async approach(segment: Segment, index: number): Promise<void> {
    const { cuts } = segment;
    const end = await this.scan(segment, segment.placeBefore(index), segment.offsetBehind(index), (frame) => {
      if (frame.index <= index) return true;
      segment.notePoint(frame.index, frame.offset, frame.runningBefore, 1);
      return false;
    });
    if (end.stop === 'bad' && segment.cuts === cuts) throw damageAt(this.files.pathOf(segment), end);
  }

  /** Resolves with false when `pause` has ended it. */
  private async verifySegment(segment: Segment, pause: () => Promise<boolean>): Promise<boolean> {
    const { unread: to, cuts } = segment;
    if (to === null) return true;
    let goesOn = true;
    const onChunk = async () => {
      goesOn = await pause();
    };
    let [end, error]: [ScanEnd | null, unknown] = [null, null];
    try {
      end = await this.scan(segment, segment.placeBefore(segment.firstIndex), to.offset, () => goesOn, onChunk);
    } catch (cause) {
      error = cause;
    }
    if (!goesOn) return false;
    const isGood = end?.stop === 'end' && end.index === to.index && end.running === to.running;
    if (!isGood) await this.files.cutEnds();
    if (segment.cuts !== cuts || !this.segments.includes(segment)) return true;
    if (end === null) throw error;
    if (!isGood) throw damageAt(this.files.pathOf(segment), end);
    segment.unread = null;
    return true;
  }

  /** Adds read points while the segment is not truncated, and ends then. */
  private scan(
    segment: Segment,
    from: ScanPlace,
    to: number,
    visit: FrameVisitor,
    onChunk?: () => Promise<void>,
  ): Promise<ScanEnd> {
    const { cuts } = segment;
    const visitUncut: FrameVisitor = (frame) => {
      if (segment.cuts !== cuts) return false;
      segment.notePoint(frame.index, frame.offset, frame.runningBefore);
      return visit(frame);
    };
    return this.files.withSegment(segment, (file) => scanFile(file, from, to, visitUncut, onChunk, CHUNK_BYTES));
  }
}

/** The fault of a frame at which a scan has ended. */
export function damageAt(path: string, { offset, index, stop, fault }: ScanEnd): Error {
  const what = stop === 'bad' ? fault : 'the file ends inside it';
  return damagedFault(`${path} at byte ${offset}: record ${index + 1}: ${what}`);
}
