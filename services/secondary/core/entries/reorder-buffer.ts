/**
 * Keeps batches that arrived before the records they follow. The buffer is bounded in bytes: when
 * it is full, the farthest batch is dropped, because the nearest is needed first; the dropped
 * records are fetched later. All batches in it are of one epoch, the one promised.
 */
import { REORDER_BYTES_MAX } from '#protocol/limits';
import type { MessageOf } from '#protocol/wire/messages';

type Batch = MessageOf<'entries'>;

/** Batches by the index before their first record. */
export class ReorderBuffer {
  /** Ascending by `prevIndex`. */
  private batches: Batch[] = [];
  private bytes = 0;

  /** @param bytesMax bytes of records */
  constructor(private readonly bytesMax = REORDER_BYTES_MAX) {}

  /** Number of records. */
  get size(): number {
    return this.batches.reduce((sum, { records }) => sum + records.length, 0);
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** @returns false when the batch was dropped, or is there already */
  put(batch: Batch): boolean {
    const at = this.batches.findIndex(({ prevIndex }) => prevIndex >= batch.prevIndex);
    const place = at < 0 ? this.batches.length : at;
    const there = this.batches[place];
    if (there?.prevIndex === batch.prevIndex && there.records.length >= batch.records.length) return false;
    this.batches.splice(place, 0, batch);
    this.bytes += bytesOf(batch);
    while (this.bytes > this.bytesMax) {
      const farthest = this.batches.pop();
      if (farthest === undefined) break;
      this.bytes -= bytesOf(farthest);
      if (farthest === batch) return false;
    }
    return true;
  }

  /**
   * Removes and returns the first batch that has a record after `lastIndex` and no gap before it;
   * null: none. Batches that end at or below `lastIndex` are dropped.
   */
  take(lastIndex: number): Batch | null {
    for (let first = this.batches[0]; first !== undefined && first.prevIndex <= lastIndex; first = this.batches[0]) {
      this.batches.shift();
      this.bytes -= bytesOf(first);
      if (first.prevIndex + first.records.length > lastIndex) return first;
    }
    return null;
  }

  clear(): void {
    this.batches = [];
    this.bytes = 0;
  }

  toString(): string {
    return `buffered ${this.size}`;
  }
}

function bytesOf({ records }: Batch): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
