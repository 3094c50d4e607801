/**
 * Reads records from segment files, and verifies all that it returns. Each read uses a descriptor of
 * its own, so neither a rotation nor a truncation closes a file under it.
 *
 * A read begins and, where it can, ends at a read point of the segment: the next one then finds its
 * first record at the beginning of what it reads.
 */
import { join } from 'node:path';
import { type LogRecord, RecordDecoder } from '#protocol/record';
import type { EntryBytes } from '#storage/log-store';
import { damagedFault, storageFault } from '#storage/storage-fault';
import type { FileSystem, OpenFile } from '../file-system';
import { type Frame, FrameKind } from './frame';
import { type ScanEnd, type ScanPlace, scanBuffer } from './frame-scan';
import { type PackedRecords, packRecords, separated } from './packed-records';
import type { Segment } from './segment';
import { damageAt } from './unread-frames';

/** Most bytes of records in one read, unless one record is larger. */
const READ_CHUNK_BYTES = 1024 * 1024;

/** Records of one segment, which must be durable there: `from` … `last` at most. */
interface ReadRange {
  readonly from: number;
  readonly last: number;
  /** The read stops after the record that passes this many bytes of records. */
  readonly maxBytes: number;
}

/** The reads of one log. Errors are `StorageError`s: `damaged`, or what the system said. */
export class SegmentReader {
  /** @param approach verifies an unread part up to a record, and adds read points around it */
  constructor(
    private readonly place: { readonly fileSystem: FileSystem; readonly directory: string },
    private readonly approach: (segment: Segment, index: number) => Promise<void>,
  ) {}

  /** At least the record `from`. */
  async read(segment: Segment, range: ReadRange): Promise<readonly LogRecord[]> {
    const heads: { readonly epoch: number; readonly seq: number }[] = [];
    const { buffer, ends } = await this.pack(segment, range, ({ epoch, seq }) => heads.push({ epoch, seq }));
    const decoder = new RecordDecoder();
    const skipped = ends.length - heads.length;
    return heads.map(({ epoch, seq }, at) => {
      const bytes = buffer.subarray(ends[skipped + at - 1] ?? 0, ends[skipped + at]);
      const record = decoder.decode(range.from + at, bytes);
      if (record.epoch === epoch && record.seq === seq) return record;
      const { index } = record;
      throw damagedFault(
        `record ${index} (seq ${seq}) of epoch ${epoch} says seq ${record.seq}, epoch ${record.epoch}`,
      );
    });
  }

  /** Like `read`, but only the bytes of the entries, each with `separator` behind it. */
  async readEntries(segment: Segment, range: ReadRange, separator: number): Promise<EntryBytes> {
    const isEntry: boolean[] = [];
    const packed = await this.pack(segment, range, ({ kind }) => isEntry.push(kind !== FrameKind.control));
    return separated(packed, isEntry, separator);
  }

  /** The place behind the record `index`, which must be in the segment. */
  async placeBehind(segment: Segment, index: number): Promise<ScanPlace> {
    const range = { from: index, last: index, maxBytes: 0 };
    const { place, buffer } = await this.readFrames(segment, range);
    const end = scanBuffer(buffer, place, (frame) => frame.index < index);
    this.check(segment, end, index);
    return { offset: end.offset, index, running: end.running };
  }

  /** Packs the records from a point at or before `from`; `visit` sees the frames of the range. */
  private async pack(segment: Segment, range: ReadRange, visit: (frame: Frame) => void): Promise<PackedRecords> {
    const { from, last, maxBytes } = range;
    const { place, buffer } = await this.readFrames(segment, range);
    let bytes = 0;
    const packed = packRecords(buffer, place, (frame) => {
      if (frame.index < from) return true;
      visit(frame);
      bytes += frame.length;
      return frame.index < last && bytes <= maxBytes;
    });
    this.check(segment, packed.end, from);
    return packed;
  }

  /** Throws unless every frame is good, and that of `from` is there. */
  private check(segment: Segment, end: ScanEnd, from: number): void {
    if (end.stop === 'bad' || end.index < from) throw damageAt(this.pathOf(segment), end);
  }

  /**
   * Reads frames from `place` on: at least that of `from`, and those up to `last` if they fit. The
   * buffer belongs to the caller.
   */
  private async readFrames(
    segment: Segment,
    { from, last, maxBytes }: ReadRange,
  ): Promise<{ readonly place: ScanPlace; readonly buffer: Buffer }> {
    const isFar = segment.offsetBehind(from) - segment.placeBefore(from).offset > READ_CHUNK_BYTES;
    if (isFar && segment.unread !== null) await this.approach(segment, from);
    const place = segment.placeBefore(from);
    const wanted = segment.offsetBehind(last) - place.offset;
    const needed = segment.offsetBehind(from) - place.offset;
    const enough = segment.offsetWithin(place, Math.min(READ_CHUNK_BYTES, maxBytes)) - place.offset;
    const buffer = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(wanted, enough)));
    const count = await this.readFile(segment, buffer, place.offset);
    return { place, buffer: buffer.subarray(0, count) };
  }

  private readFile(segment: Segment, into: Buffer, offset: number): Promise<number> {
    return this.withSegment(segment, (file) => file.read(into, offset));
  }

  /** Opens the segment's file for `read`. */
  async withSegment<T>(segment: Segment, read: (file: OpenFile) => Promise<T>): Promise<T> {
    try {
      const file = await this.place.fileSystem.open(this.pathOf(segment), 'read');
      try {
        return await read(file);
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw storageFault(`${this.pathOf(segment)} could not be read`, cause);
    }
  }

  pathOf({ name }: Segment): string {
    return join(this.place.directory, name);
  }
}
