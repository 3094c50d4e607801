/**
 * Reads records from segment files, and verifies all that it returns. Each read uses a descriptor of
 * its own, so neither a rotation nor a truncation closes a file under it.
 */
import { join } from 'node:path';
import { type LogRecord, RecordDecoder } from '#protocol/record';
import type { EntryBytes } from '#storage/log-store';
import { damagedFault, storageFault } from '#storage/storage-fault';
import type { FileSystem } from '../file-system';
import { FRAME_HEADER_BYTES, type Frame, FrameKind, POINT_SPACING_BYTES } from './frame';
import { type FrameVisitor, type ScanEnd, type ScanPlace, scanBuffer } from './frame-scan';
import type { Segment } from './segment';

/** Most bytes of a file in one read, unless one record is larger. */
const READ_CHUNK_BYTES = 1024 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** Records of one segment, which must be durable there: `from` … `last` at most. */
interface ReadRange {
  readonly from: number;
  readonly last: number;
  /** The read stops after the record that passes this many bytes of records. */
  readonly maxBytes: number;
}

/** The reads of one log. Errors are `StorageError`s: `damaged`, or what the system said. */
export class SegmentReader {
  constructor(
    private readonly fileSystem: FileSystem,
    private readonly directory: string,
  ) {}

  /** At least the record `from`. Rejects with a `StorageError` `damaged`, as all methods do. */
  async read(segment: Segment, range: ReadRange): Promise<readonly LogRecord[]> {
    const { from, last, maxBytes } = range;
    const records: LogRecord[] = [];
    const decoder = new RecordDecoder();
    let bytes = 0;
    await this.scanSegment(segment, range, (frame) => {
      if (frame.index < from) return true;
      records.push(decode(decoder, frame));
      bytes += frame.length;
      return frame.index < last && bytes <= maxBytes;
    });
    return records;
  }

  /**
   * Like `read`, but only the bytes of the entries, which are moved together in the buffer that
   * they were read into.
   */
  async readEntries(segment: Segment, range: ReadRange, separator: number): Promise<EntryBytes> {
    const { from, last, maxBytes } = range;
    let joined: Buffer = NO_BYTES;
    let [end, count, bytes] = [0, 0, 0];
    await this.scanSegment(segment, range, (frame) => {
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
      return frame.index < last && bytes <= maxBytes;
    });
    return { bytes: joined.subarray(0, end), count };
  }

  /** The place behind the record `index`, which must be in the segment. */
  async placeBehind(segment: Segment, index: number): Promise<ScanPlace> {
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
    { from, last, maxBytes }: ReadRange,
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
      const file = await this.fileSystem.open(this.pathOf(segment), 'read');
      try {
        return await file.read(into, offset);
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw storageFault(`${this.pathOf(segment)} could not be read`, cause);
    }
  }

  private pathOf({ name }: Segment): string {
    return join(this.directory, name);
  }
}

function decode(decoder: RecordDecoder, { index, epoch, seq, bytes }: Frame): LogRecord {
  const record = decoder.decode(index, bytes);
  if (record.epoch !== epoch || record.seq !== seq) {
    throw damagedFault(`record ${index} (seq ${seq}) of epoch ${epoch} says seq ${record.seq}, epoch ${record.epoch}`);
  }
  return record;
}
