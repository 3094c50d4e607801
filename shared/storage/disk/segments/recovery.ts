/**
 * Recovers the log from the segment files at open: verifies every frame that no checkpoint covers,
 * builds the outline and the read points, cuts a torn tail and refuses any other fault. Entries are
 * not parsed, because the frame has what the outline needs; only control records are.
 *
 * A torn last segment (its header never became durable) is removed. Records after the synced marker
 * are good but perhaps not on disk: after a failed fsync and a crash, the kernel may hold pages
 * that it calls clean. So they are written once more and synced before they count as durable.
 */
import { join } from 'node:path';
import type { LogOutline } from '#protocol/log/outline';
import { decodeRecord, RecordError } from '#protocol/record';
import { damagedFault } from '#storage/storage-fault';
import type { FileSystem, OpenFile } from '../file-system';
import { type CoveredLog, confirmedSegments } from './covered-log';
import { type Frame, FrameKind } from './frame';
import { type ScanEnd, scanFile } from './frame-scan';
import { decodeSegmentHeader, firstIndexOf, SEGMENT_HEADER_BYTES, Segment, startFault } from './segment';
import { NOTHING_SYNCED, type SyncedUpTo } from './sync-marker';
import { hasUnwrittenSector, judgeTail } from './tail-verdict';

/** Progress of the verification: records so far, and bytes of the segment files. */
export interface RecoveryProgress {
  readonly records: number;
  readonly bytes: number;
  readonly bytesTotal: number;
}

interface RecoveryOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly storeId: string;
  /** Null when the marker is lost. */
  readonly synced: SyncedUpTo | null;
  /** The part of the log that a checkpoint covers; null for none. */
  readonly covered: CoveredLog | null;
  /** Called first, when the files confirm `covered`: what follows is what comes after it. */
  readonly onCovered: () => void;
  /** Are filled with the log's outline; the caller needs two, one to keep and one to hand out. */
  readonly outlines: readonly LogOutline[];
  /** Receives the entries whose ids were chosen by clients, in ascending order. */
  readonly onNamedEntry: (frame: Frame) => void;
  /** Awaited between chunks of some MiB. */
  readonly onChunk: () => Promise<void>;
  readonly onProgress: (progress: RecoveryProgress) => void;
}

interface RecoveredLog {
  readonly segments: Segment[];
  /** Bytes of the torn tail that was cut; 0 for none. */
  readonly tornBytes: number;
  /** Bytes of the frames that were read; the others are `unread` in their segments. */
  readonly readBytes: number;
}

/**
 * Recovers the log in the folder. Rejects with a `StorageError` `damaged` that names file, byte and
 * record, or with the system error of a file operation.
 */
export async function recoverLog(options: RecoveryOptions): Promise<RecoveredLog> {
  return new LogRecovery(options).run();
}

class LogRecovery {
  private segments: Segment[] = [];
  /** The segment in which the covered part of the log ends, until its file is read from there on. */
  private resumed: Segment | null = null;
  private readonly synced: SyncedUpTo;
  private lastIndex = 0;
  private running = 0;
  private tornBytes = 0;
  private readBytes = 0;
  private bytesBefore = 0;
  private bytesTotal = 0;

  constructor(private readonly options: RecoveryOptions) {
    this.synced = options.synced ?? NOTHING_SYNCED;
  }

  async run(): Promise<RecoveredLog> {
    const { fileSystem, directory } = this.options;
    const names = (await fileSystem.list(directory)).filter((name) => firstIndexOf(name) !== null).sort();
    const sizes = new Map<string, number>();
    for (const name of names) sizes.set(name, await this.withFile(name, 'read', (file) => file.size()));
    this.bytesTotal = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    await this.takeCovered(names);
    for (const [at, name] of names.entries()) {
      const size = sizes.get(name) ?? 0;
      if (this.segments[at] === undefined) await this.recoverSegment(name, size, name === names.at(-1));
      this.bytesBefore += size;
    }
    if (this.lastIndex < this.synced.index) {
      throw damagedFault(
        `${directory}: the log ends at record ${this.lastIndex}, but up to record ${this.synced.index} was durable`,
      );
    }
    await this.syncEnd();
    return { segments: this.segments, tornBytes: this.tornBytes, readBytes: this.readBytes };
  }

  /** Begins with the segments that a checkpoint covers, if the files are the covered ones. */
  private async takeCovered(names: readonly string[]): Promise<void> {
    const { covered, onCovered } = this.options;
    const segments = covered === null ? null : await confirmedSegments(this.options, names, covered);
    const last = segments?.at(-1);
    if (segments === null || last === undefined) return;
    if (last.lastIndex === this.synced.index && last.running !== this.synced.running) return;
    this.segments = segments.slice(0, -1);
    this.resumed = last;
    onCovered();
  }

  private async recoverSegment(name: string, size: number, isLast: boolean): Promise<void> {
    const { resumed } = this;
    this.resumed = null;
    if (resumed !== null) {
      return this.withFile(name, 'write', (file) => this.recoverFrames(file, resumed, size, isLast));
    }
    const firstIndex = firstIndexOf(name);
    if (firstIndex !== this.lastIndex + 1) {
      throw damagedFault(
        `${this.pathOf(name)}: it should begin with record ${this.lastIndex + 1}: a segment is missing`,
      );
    }
    const isTorn = await this.withFile(name, 'write', async (file) => {
      const header = Buffer.alloc(Math.min(size, SEGMENT_HEADER_BYTES));
      await file.read(header, 0);
      if (!this.isHeaderGood(header, name, isLast)) return true;
      const segment = new Segment({ firstIndex: this.lastIndex + 1, running: this.running });
      await this.recoverFrames(file, segment, size, isLast);
      return false;
    });
    if (!isTorn) return;
    this.tornBytes += size;
    await this.options.fileSystem.remove(this.pathOf(name));
    await this.options.fileSystem.syncDirectory(this.options.directory);
  }

  /**
   * Returns false when the process died while it made the segment, so that it never held a record.
   */
  private isHeaderGood(header: Buffer, name: string, isLast: boolean): boolean {
    const { storeId } = this.options;
    const start = decodeSegmentHeader(header);
    if (start === null) {
      const isUnwritten = header.length < SEGMENT_HEADER_BYTES || hasUnwrittenSector(header, 0);
      if (isLast && this.synced.index <= this.lastIndex && isUnwritten) return false;
      throw damagedFault(`${this.pathOf(name)}: its header is damaged`);
    }
    const { lastIndex, running } = this;
    const fault = startFault(start, { storeId, lastIndex, running });
    if (fault !== null) throw damagedFault(`${this.pathOf(name)} ${fault}`);
    return true;
  }

  /** Reads the frames after the end of `segment`, which is then that of the file. */
  private async recoverFrames(file: OpenFile, segment: Segment, size: number, isLast: boolean): Promise<void> {
    const { name, end: offset, lastIndex: index, running } = segment;
    const end = await scanFile(
      file,
      { offset, index, running },
      size,
      (frame) => {
        segment.notePoint(frame.index, frame.offset, frame.runningBefore);
        this.takeFrame(frame, name);
        return true;
      },
      async (offset) => {
        this.report(offset);
        await this.options.onChunk();
      },
    );
    if (end.stop !== 'end') await this.cutTorn(file, { name, size, isLast, end });
    segment.endAt(end);
    this.readBytes += end.offset - offset;
    this.lastIndex = end.index;
    this.running = end.running;
    this.segments.push(segment);
  }

  private takeFrame(frame: Frame, name: string): void {
    const { outlines, onNamedEntry } = this.options;
    const { index, epoch, seq, kind } = frame;
    if (index === this.synced.index && frame.running !== this.synced.running) {
      throw damagedFault(`${this.pathOf(name)}: record ${index} (seq ${seq}) is not the one that was made durable`);
    }
    try {
      const control = kind === FrameKind.control ? decodeRecord(index, frame.bytes).control : null;
      for (const outline of outlines) outline.append({ index, epoch, seq, control });
      if (kind === FrameKind.namedEntry) onNamedEntry(frame);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw damagedFault(
        `${this.pathOf(name)}: ${cause instanceof RecordError ? what : `record ${index}: ${what}`}`,
        cause,
      );
    }
  }

  /**
   * Cuts what follows the last good frame when it is a torn write or unused space; throws
   * otherwise.
   */
  private async cutTorn(
    file: OpenFile,
    { name, size, isLast, end }: { name: string; size: number; isLast: boolean; end: ScanEnd },
  ): Promise<void> {
    const bytes = Buffer.alloc(size - end.offset);
    await file.read(bytes, end.offset);
    const tail = { bytes, offset: end.offset, index: end.index + 1, syncedIndex: this.synced.index };
    const verdict = isLast ? judgeTail(tail) : 'damaged';
    if (verdict === 'damaged') {
      const seq = (this.options.outlines[0]?.lastSeq ?? 0) + 1;
      const fault = end.stop === 'short' ? 'the file ends inside it' : end.fault;
      throw damagedFault(
        `${this.pathOf(name)} at byte ${end.offset}: record ${end.index + 1} (seq ${seq}, if it is an entry): ${fault}`,
      );
    }
    if (verdict === 'torn') this.tornBytes += bytes.length;
    await file.truncate(end.offset);
    await file.sync();
  }

  private async syncEnd(): Promise<void> {
    const last = this.segments.at(-1);
    if (last === undefined) return;
    const from = this.synced.segment === last.firstIndex ? this.synced.offset : 0;
    await this.withFile(last.name, 'write', async (file) => {
      const bytes = Buffer.alloc(Math.max(last.end - from, 0));
      await file.read(bytes, from);
      await file.write(bytes, from);
      await file.sync();
    });
    await this.options.fileSystem.syncDirectory(this.options.directory);
  }

  private report(offset: number): void {
    const { onProgress, outlines } = this.options;
    onProgress({
      records: outlines[0]?.lastIndex ?? 0,
      bytes: this.bytesBefore + offset,
      bytesTotal: this.bytesTotal,
    });
  }

  private pathOf(name: string): string {
    return join(this.options.directory, name);
  }

  private async withFile<T>(name: string, mode: 'read' | 'write', use: (file: OpenFile) => Promise<T>): Promise<T> {
    const file = await this.options.fileSystem.open(this.pathOf(name), mode);
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}
