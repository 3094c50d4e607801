/**
 * Caches the newest records of the disk store in memory. Publishing, answering and tailing all read
 * what was just appended, so they never read the disk. The size is bounded in bytes, except that a
 * record which is not on disk yet is never dropped; those are bounded by how much the caller lets
 * be in flight.
 */
import type { LogRecord } from '#protocol/record';
import type { EntryBytes, ReadLimits } from '../log-store';

/** Rough cost of a cached record beside its bytes: the object, its id and its slot in the array. */
const RECORD_OVERHEAD_BYTES = 200;

/**
 * The array is copied, and its unused slots at the front are freed, when there are this many of
 * them and they make up half of it.
 */
const DROPPED_MAX = 1024;

/** A contiguous range of records that ends at the end of the log. */
export class TailCache {
  private records: LogRecord[] = [];
  /** Slots at the front of `records` that are not used any more. */
  private dropped = 0;
  private bytes = 0;

  /** @param lastIndex end of the log before the first record that will be added */
  constructor(
    private readonly bytesMax: number,
    private lastIndex: number,
  ) {}

  /** Lowest index in the cache; the end of the log + 1 when it is empty. */
  get firstIndex(): number {
    return this.lastIndex + 1 - (this.records.length - this.dropped);
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.records.push(record);
      this.bytes += costOf(record);
    }
    this.lastIndex += records.length;
  }

  /** Drops the oldest records down to the bound, but none above `stableIndex`. */
  evict(stableIndex: number): void {
    let first = this.firstIndex;
    while (this.bytes > this.bytesMax && first <= stableIndex) {
      this.bytes -= costOf(this.records[this.dropped] as LogRecord);
      this.dropped += 1;
      first += 1;
    }
    if (this.dropped >= DROPPED_MAX && this.dropped * 2 >= this.records.length) {
      this.records = this.records.slice(this.dropped);
      this.dropped = 0;
    }
  }

  /** Removes the records after `index`. */
  truncateAfter(index: number): void {
    while (this.lastIndex > index && this.records.length > this.dropped) {
      const record = this.records.pop();
      if (record !== undefined) this.bytes -= costOf(record);
      this.lastIndex -= 1;
    }
    this.lastIndex = Math.min(this.lastIndex, index);
  }

  /** Records from index `from` on, which must not be below `firstIndex`. */
  read(from: number, limits: ReadLimits): LogRecord[] {
    return withinLimits(this.records, this.dropped + from - this.firstIndex, limits);
  }
}

/**
 * The records from position `start` of the array on that the limits allow: at least one, if there
 * is one at or below `limits.to`.
 */
export function withinLimits(records: readonly LogRecord[], start: number, limits: ReadLimits): LogRecord[] {
  const chosen: LogRecord[] = [];
  let bytes = 0;
  for (let at = start; at < records.length; at += 1) {
    const record = records[at];
    if (record === undefined || record.index > limits.to) break;
    chosen.push(record);
    bytes += record.bytes.length;
    if (bytes > limits.maxBytes || chosen.length >= limits.maxRecords) break;
  }
  return chosen;
}

/** The JSON bytes of the entries among these records, with the byte `separator` behind each. */
export function joinEntries(records: readonly LogRecord[], separator: number): EntryBytes {
  const entries = records.filter(({ control }) => control === null);
  const size = entries.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  const joined = new Uint8Array(size);
  let end = 0;
  for (const { bytes } of entries) {
    joined.set(bytes, end);
    end += bytes.length + 1;
    joined[end - 1] = separator;
  }
  return { bytes: joined, count: entries.length };
}

function costOf(record: LogRecord): number {
  return record.bytes.length + RECORD_OVERHEAD_BYTES;
}
