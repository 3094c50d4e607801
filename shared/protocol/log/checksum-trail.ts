/**
 * The running checksums of the last durable points of a log, so that two nodes can compare what
 * they hold at the same index. Points are the ends of groups; two logs share one at the latest when
 * both are at rest.
 */

/** A point a group: some seconds of a busy log. */
const POINTS_MAX = 1_024;

export class ChecksumTrail {
  /** Ascending by index. */
  private readonly points = new Map<number, number>();

  /** @param last where the log ends at the start, and the checksum there */
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

  /** Null when the point is not known. */
  at(index: number): number | null {
    return index === 0 ? 0 : (this.points.get(index) ?? null);
  }

  /** The records after `index` are gone. */
  truncateAfter(index: number): void {
    for (const point of [...this.points.keys()]) if (point > index) this.points.delete(point);
  }
}
