/**
 * Keeps running checksums of a log by index, so that two nodes can compare their logs. The points
 * are the ends of the last durable groups. Two equal logs share a point once both are at rest.
 */

/** One point a group: some seconds of a busy log. */
const POINTS_MAX = 1_024;

/** The running CRC-32 of a log's bytes at its last durable points. Indexes are record indexes. */
export class ChecksumTrail {
  /** Ascending by index. */
  private readonly points = new Map<number, number>();

  /** @param last the end of the log at the start, and the checksum there */
  constructor(last: { readonly index: number; readonly checksum: number }) {
    this.points.set(last.index, last.checksum);
  }

  record(index: number, checksum: number): void {
    this.points.set(index, checksum);
    if (this.points.size <= POINTS_MAX) return;
    for (const oldest of this.points.keys()) {
      this.points.delete(oldest);
      return;
    }
  }

  /** The checksum of the records up to `index`: 0 at index 0, null when the point is not known. */
  at(index: number): number | null {
    return index === 0 ? 0 : (this.points.get(index) ?? null);
  }

  /** The records after `index` are removed: forgets their points. */
  truncateAfter(index: number): void {
    for (const point of [...this.points.keys()]) if (point > index) this.points.delete(point);
  }
}
