/**
 * Appends to, reads and truncates the segment files as one log. It knows files and bytes, but no
 * promises, queues or ids.
 *
 * One writer calls `appendGroup` and `truncateAfter`, never two at once. Reads may come at any
 * moment (segment-reader.ts).
 *
 * A segment is made for the first group that needs it, and only after the last group of the segment
 * before was synced; so only the last segment can have a torn tail. While groups are small the last
 * file is extended ahead with zeros, because a sync that has no new file size to make durable takes
 * a fraction of the time. The zeros are cut off before the next segment is made, at `close`, and by
 * the next open.
 *
 * A truncation works in this order, so that a crash at any moment leaves the old end, the new end
 * or a prefix in between that ends with a whole segment: the synced marker is lowered durably;
 * segments are removed from the last one down, each removal synced before the next; the remaining
 * one is truncated and synced.
 */
import { join } from 'node:path';
import type { LogRecord } from '#protocol/record';
import type { EntryBytes, ReadLimits } from '#storage/log-store';
import { fatalFault, fullFault, isOutOfRoom, storageFault } from '#storage/storage-fault';
import type { FileSystem, OpenDirectory, OpenFile } from '../file-system';
import { openDirectory } from '../small-file';
import { type CoveredLog, coveredLogOf } from './covered-log';
import type { EncodedGroup } from './frame';
import type { ScanPlace } from './frame-scan';
import { encodeSegmentHeader, Segment } from './segment';
import { SegmentReader } from './segment-reader';
import type { SyncMarker } from './sync-marker';
import { UnreadFrames } from './unread-frames';

/**
 * A group is small when it is at most this fraction of what the file is extended by: the zeros are
 * written in addition, so they must serve several groups.
 */
const SMALL_SHARE = 8;

interface SegmentedLogOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly storeId: string;
  /** A segment of this size or more takes no further group. */
  readonly segmentBytes: number;
  /** By how much the file of the last segment is extended ahead of small groups; 0 for never. */
  readonly aheadBytes: number;
  readonly marker: SyncMarker;
}

/** The durable log of a store. Positions are indexes; `running` is a CRC-32. */
export class SegmentedLog {
  /** The last segment's file, open for writing; null until it is needed. */
  private active: OpenFile | null = null;
  /** Size of that file, at least. */
  private activeBytes = 0;
  private readonly reader: SegmentReader;
  /** The truncation under way, or the last one. */
  private cutting: Promise<void> = Promise.resolve();
  /** What the open has not read. */
  readonly unread: UnreadFrames;

  /** @param segments as recovered, ascending; taken over */
  constructor(
    private readonly options: SegmentedLogOptions,
    private readonly segments: Segment[],
  ) {
    const { fileSystem, directory } = options;
    this.reader = new SegmentReader({ fileSystem, directory }, (segment, from) => this.unread.approach(segment, from));
    this.unread = new UnreadFrames(segments, {
      pathOf: (segment) => this.reader.pathOf(segment),
      withSegment: (segment, read) => this.reader.withSegment(segment, read),
      cutEnds: () => this.cutting.catch(() => undefined),
    });
  }

  /** Last durable record; 0 for none. */
  get lastIndex(): number {
    return this.segments.at(-1)?.lastIndex ?? 0;
  }

  /** Running CRC-32 of the records up to `lastIndex`. */
  get running(): number {
    return this.segments.at(-1)?.running ?? 0;
  }

  /**
   * Resolves when the group is durable. Rejects with a `StorageError`; after `full` the log is
   * unchanged.
   */
  async appendGroup(group: EncodedGroup): Promise<void> {
    const { segment, file } = await this.writable();
    try {
      await this.write(file, segment, group.bytes);
    } catch (cause) {
      throw await this.undoWrite(file, segment, cause);
    }
    await this.fatalIfFails('the log could not be synced', () => file.sync());
    segment.take(group);
    this.advanceMarker();
  }

  /**
   * Removes every record after `index` durably. Rejects with a `StorageError`: `full` when no
   * descriptor is free, and the log is unchanged; otherwise a fatal one.
   */
  async truncateAfter(index: number): Promise<void> {
    if (index >= this.lastIndex) return;
    const what = `the log could not be cut after record ${index}`;
    const kept = this.segments.filter(({ firstIndex }) => firstIndex <= index).at(-1) ?? null;
    const place = kept === null ? null : await this.reader.placeBehind(kept, index);
    const folder = await openDirectory(this.options.fileSystem, this.options.directory, what);
    try {
      const file = kept === null ? null : await this.openOrFault(kept, what);
      this.cutting = this.fatalIfFails(what, () => this.cutTo(index, { kept, place, file, folder }));
      await this.cutting;
    } finally {
      await folder.close();
    }
  }

  private async cutTo(
    index: number,
    to: {
      readonly kept: Segment | null;
      readonly place: ScanPlace | null;
      readonly file: OpenFile | null;
      readonly folder: OpenDirectory;
    },
  ): Promise<void> {
    const { kept, place, file, folder } = to;
    await this.options.marker.lower({
      index,
      segment: kept?.firstIndex ?? 0,
      offset: place?.offset ?? 0,
      running: place?.running ?? 0,
    });
    await this.active?.close();
    this.active = file;
    await this.removeAfter(kept, folder);
    if (kept !== null && place !== null) await this.cut(kept, place);
  }

  /**
   * Records from index `from` on, which must be durable. Stops at the end of a segment, of a chunk,
   * or at the limits. Rejects with a `StorageError` `damaged`.
   */
  async read(from: number, limits: ReadLimits): Promise<readonly LogRecord[]> {
    const segment = this.segmentOf(from);
    return this.reader.read(segment, rangeOf(segment, from, limits));
  }

  /** Like `read`, but only the bytes of the entries, with `separator` behind each. */
  async readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes> {
    const segment = this.segmentOf(from);
    return this.reader.readEntries(segment, rangeOf(segment, from, limits), separator);
  }

  /**
   * Running CRC-32 of the records up to and including `index`, which must be durable. Rejects with
   * a `StorageError` `damaged`.
   */
  async runningAt(index: number): Promise<number> {
    return (await this.reader.placeBehind(this.segmentOf(index), index)).running;
  }

  /** The log as it is durable now, for a checkpoint; null while it has no record. */
  get covered(): CoveredLog | null {
    return this.lastIndex === 0 ? null : coveredLogOf(this.segments);
  }

  async close(): Promise<void> {
    await this.cutAhead();
    await this.active?.close();
    await this.options.marker.close();
  }

  private async writable(): Promise<{ segment: Segment; file: OpenFile }> {
    const last = this.segments.at(-1);
    if (last === undefined || last.end >= this.options.segmentBytes) return this.addSegment();
    if (this.active === null) {
      this.active = await this.openOrFault(last, 'the log could not be opened for writing');
      this.activeBytes = last.end;
    }
    return { segment: last, file: this.active };
  }

  /**
   * Writes a small group at the end of the file with zeros after it, unless the disk has no room
   * for them.
   */
  private async write(file: OpenFile, segment: Segment, bytes: Buffer): Promise<void> {
    const end = segment.end + bytes.length;
    const ahead = Math.min(this.options.aheadBytes, this.options.segmentBytes - end);
    if (end > this.activeBytes && bytes.length * SMALL_SHARE <= ahead) {
      try {
        const extended = Buffer.alloc(bytes.length + ahead);
        extended.set(bytes);
        await file.write(extended, segment.end);
        this.activeBytes = end + ahead;
        return;
      } catch (cause) {
        if (!isOutOfRoom(cause)) throw cause;
        await file.truncate(segment.end);
        this.activeBytes = segment.end;
      }
    }
    await file.write(bytes, segment.end);
    this.activeBytes = Math.max(this.activeBytes, end);
  }

  /** Truncates the last segment's file to the end of its frames. */
  private async cutAhead(): Promise<void> {
    const last = this.segments.at(-1);
    if (this.active === null || last === undefined || this.activeBytes <= last.end) return;
    await this.active.truncate(last.end);
    this.activeBytes = last.end;
  }

  private async addSegment(): Promise<{ segment: Segment; file: OpenFile }> {
    const { fileSystem, directory } = this.options;
    const folder = await openDirectory(fileSystem, directory, 'the log was not extended');
    try {
      return await this.addSegmentIn(folder);
    } finally {
      await folder.close();
    }
  }

  private async addSegmentIn(folder: OpenDirectory): Promise<{ segment: Segment; file: OpenFile }> {
    const { storeId } = this.options;
    await this.fatalIfFails('a full segment could not be cut to its end', async () => {
      await this.cutAhead();
      await this.active?.sync();
    });
    const segment = new Segment({ firstIndex: this.lastIndex + 1, running: this.running });
    const file = await this.createSegment(segment, encodeSegmentHeader({ storeId, ...segment }), folder);
    await this.fatalIfFails('a new segment could not be made durable', async () => {
      await file.sync();
      await folder.sync();
      await this.active?.close();
    });
    this.active = file;
    this.activeBytes = segment.end;
    this.segments.push(segment);
    return { segment, file };
  }

  /** Makes the file. When the disk is full it is removed again. */
  private async createSegment(segment: Segment, header: Buffer, folder: OpenDirectory): Promise<OpenFile> {
    const { fileSystem, directory } = this.options;
    let file: OpenFile | null = null;
    try {
      file = await this.open(segment, 'create');
      await file.write(header, 0);
      return file;
    } catch (cause) {
      if (!isOutOfRoom(cause)) throw fatalFault('a new segment could not be made', cause);
      const created = file;
      await this.fatalIfFails('a segment without room could not be removed', async () => {
        if (created === null) return;
        await created.close();
        await fileSystem.remove(join(directory, segment.name));
        await folder.sync();
      });
      throw fullFault('the log was not extended', cause);
    }
  }

  /** Takes back a write that may be partly in the file; resolves with the fault to report. */
  private async undoWrite(file: OpenFile, segment: Segment, cause: unknown): Promise<Error> {
    if (!isOutOfRoom(cause)) return fatalFault('the log could not be written', cause);
    try {
      await file.truncate(segment.end);
      await file.sync();
      this.activeBytes = segment.end;
    } catch (undoCause) {
      return fatalFault('a write without room could not be taken back', undoCause);
    }
    return fullFault('the log was not extended', cause);
  }

  private advanceMarker(): void {
    const segment = this.segments.at(-1);
    if (segment === undefined) return;
    const { lastIndex: index, firstIndex, end: offset, running } = segment;
    this.options.marker.advance({ index, segment: firstIndex, offset, running });
  }

  private async removeAfter(kept: Segment | null, folder: OpenDirectory): Promise<void> {
    const { fileSystem, directory } = this.options;
    for (let last = this.segments.at(-1); last !== undefined && last !== kept; last = this.segments.at(-1)) {
      await fileSystem.remove(join(directory, last.name));
      await folder.sync();
      this.segments.pop();
    }
  }

  private async cut(kept: Segment, place: ScanPlace): Promise<void> {
    await this.active?.truncate(place.offset);
    await this.active?.sync();
    this.activeBytes = place.offset;
    kept.endAt(place);
  }

  private segmentOf(index: number): Segment {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.segments[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    const segment = this.segments[low - 1];
    if (segment === undefined || index > segment.lastIndex) {
      throw new Error(`record ${index} is not in the log, which ends at ${this.lastIndex}`);
    }
    return segment;
  }

  private open(segment: Segment, mode: 'create' | 'read' | 'write'): Promise<OpenFile> {
    return this.options.fileSystem.open(this.pathOf(segment), mode);
  }

  /** For writing. Rejects with a `StorageError`, `full` when no descriptor is free. */
  private async openOrFault(segment: Segment, what: string): Promise<OpenFile> {
    try {
      return await this.open(segment, 'write');
    } catch (cause) {
      throw storageFault(what, cause);
    }
  }

  private pathOf(segment: Segment): string {
    return join(this.options.directory, segment.name);
  }

  private async fatalIfFails<T>(what: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (cause) {
      throw fatalFault(what, cause);
    }
  }
}

function rangeOf({ lastIndex }: Segment, from: number, { to, maxBytes, maxRecords }: ReadLimits) {
  return { from, last: Math.min(to, lastIndex, from + maxRecords - 1), maxBytes };
}
