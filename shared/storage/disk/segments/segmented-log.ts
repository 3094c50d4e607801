/**
 * Appends to, reads and truncates the segment files as one log. It knows files and bytes, but no
 * promises, queues or ids.
 *
 * One writer calls `appendGroup` and `truncateAfter`, never two at once. Reads may come at any
 * moment and use a descriptor of their own, so neither a rotation nor a truncation closes a file
 * under a read.
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
import { type LogRecord, RecordDecoder } from '#protocol/record';
import type { EntryBytes, ReadLimits } from '#storage/log-store';
import { damagedFault, fatalFault, fullFault, isOutOfRoom, storageFault } from '#storage/storage-fault';
import type { FileSystem, OpenDirectory, OpenFile } from '../file-system';
import { openDirectory } from '../small-file';
import { type EncodedGroup, FRAME_HEADER_BYTES, type Frame, FrameKind, POINT_SPACING_BYTES } from './frame';
import { type FrameVisitor, type ScanEnd, type ScanPlace, scanBuffer } from './frame-scan';
import { encodeSegmentHeader, Segment } from './segment';
import type { SyncMarker } from './sync-marker';

/** Most bytes of a file in one read, unless one record is larger. */
const READ_CHUNK_BYTES = 1024 * 1024;

const NO_BYTES = Buffer.alloc(0);

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

  /** @param segments as recovered, ascending; taken over */
  constructor(
    private readonly options: SegmentedLogOptions,
    private readonly segments: Segment[],
  ) {}

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
    const place = kept === null ? null : await this.placeBehind(kept, index);
    const folder = await openDirectory(this.options.fileSystem, this.options.directory, what);
    try {
      const file = kept === null ? null : await this.openOrFault(kept, what);
      await this.fatalIfFails(what, () => this.cutTo(index, { kept, place, file, folder }));
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
    const last = Math.min(limits.to, segment.lastIndex, from + limits.maxRecords - 1);
    const records: LogRecord[] = [];
    const decoder = new RecordDecoder();
    let bytes = 0;
    await this.scanSegment(segment, { from, last, maxBytes: limits.maxBytes }, (frame) => {
      if (frame.index < from) return true;
      records.push(decode(decoder, frame));
      bytes += frame.length;
      return frame.index < last && bytes <= limits.maxBytes;
    });
    return records;
  }

  /**
   * Like `read`, but only the bytes of the entries, which are moved together in the buffer that
   * they were read into.
   */
  async readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes> {
    const segment = this.segmentOf(from);
    const last = Math.min(limits.to, segment.lastIndex, from + limits.maxRecords - 1);
    let joined: Buffer = NO_BYTES;
    let [end, count, bytes] = [0, 0, 0];
    await this.scanSegment(segment, { from, last, maxBytes: limits.maxBytes }, (frame) => {
      if (frame.index < from) return true;
      bytes += frame.length;
      if (frame.kind !== FrameKind.control) {
        joined = frame.buffer;
        if (count > 0) joined[end++] = separator;
        // A frame's header is longer than a separator, so this never overwrites frames not yet
        // visited.
        const start = frame.at + FRAME_HEADER_BYTES;
        joined.copyWithin(end, start, start + frame.length);
        end += frame.length;
        count += 1;
      }
      return frame.index < last && bytes <= limits.maxBytes;
    });
    return { bytes: joined.subarray(0, end), count };
  }

  /**
   * Running CRC-32 of the records up to and including `index`, which must be durable. Rejects with
   * a `StorageError` `damaged`.
   */
  async runningAt(index: number): Promise<number> {
    return (await this.placeBehind(this.segmentOf(index), index)).running;
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

  private async placeBehind(segment: Segment, index: number): Promise<ScanPlace> {
    const range = { from: index, last: index, maxBytes: 0 };
    const { offset, running } = await this.scanSegment(segment, range, (frame) => frame.index < index);
    return { offset, index, running };
  }

  /**
   * Scans from a point at or before `from`: at least the frame of `from` is visited, and those up
   * to `last` if they fit. The buffer with the frames belongs to the caller.
   */
  private async scanSegment(
    segment: Segment,
    { from, last, maxBytes }: { readonly from: number; readonly last: number; readonly maxBytes: number },
    visit: FrameVisitor,
  ): Promise<ScanEnd> {
    const place = segment.placeBefore(from);
    const wanted = segment.offsetBehind(last) - place.offset;
    const needed = segment.offsetBehind(from) - place.offset;
    // Twice the limit, because a short record is half header. The frames before `from`, and those
    // after the last one, add up to a point's distance each.
    const enough = Math.min(READ_CHUNK_BYTES, 2 * (maxBytes + POINT_SPACING_BYTES));
    const buffer = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, enough)));
    const count = await this.readSegment(segment, buffer, place.offset);
    const end = scanBuffer(buffer.subarray(0, count), place, visit);
    if (end.stop === 'bad' || end.index < from) {
      const fault = end.stop === 'bad' ? end.fault : 'the file ends inside it';
      throw damagedFault(`${this.pathOf(segment)} at byte ${end.offset}: record ${end.index + 1}: ${fault}`);
    }
    return end;
  }

  private async readSegment(segment: Segment, into: Buffer, offset: number): Promise<number> {
    try {
      const file = await this.open(segment, 'read');
      try {
        return await file.read(into, offset);
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw storageFault(`${this.pathOf(segment)} could not be read`, cause);
    }
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

function decode(decoder: RecordDecoder, { index, epoch, seq, bytes }: Frame): LogRecord {
  const record = decoder.decode(index, bytes);
  if (record.epoch !== epoch || record.seq !== seq) {
    throw damagedFault(`record ${index} (seq ${seq}) of epoch ${epoch} says seq ${record.seq}, epoch ${record.epoch}`);
  }
  return record;
}
