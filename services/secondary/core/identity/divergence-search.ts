/**
 * Finds the first record that is not the master's, by bisection over running checksums. They are
 * equal at `equalAt` and different at `differsAt`, so the first difference lies between. The
 * master's checksum at an index comes in answer to a fetch, the own one from the store.
 *
 *     asking(middle) ──both checksums──▶ asking(middle of the rest) … ──the rest is empty──▶ found
 */

/** All positions are indexes of records. */
export class DivergenceSearch {
  private equalAt = 0;
  private differsAt: number;
  private ours: number | null = null;
  private theirs: number | null = null;

  /** @param differsAt an index at which the checksums differ */
  constructor(differsAt: number) {
    this.differsAt = differsAt;
  }

  /** Index whose checksums are needed; null: found. */
  get asking(): number | null {
    const middle = Math.floor((this.equalAt + this.differsAt) / 2);
    return middle === this.equalAt ? null : middle;
  }

  /** Index of the first record that differs; null while it is not found. */
  get found(): number | null {
    return this.asking === null ? this.differsAt : null;
  }

  /** Whether the own checksum at `asking` is still needed. */
  get needsOurs(): boolean {
    return this.asking !== null && this.ours === null;
  }

  /** The own checksum; one at another index than `asking` is ignored. */
  recordOurs(index: number, checksum: number): void {
    if (index !== this.asking) return;
    this.ours = checksum;
    this.narrow(index);
  }

  /** The master's checksum; as `recordOurs`. */
  recordTheirs(index: number, checksum: number): void {
    if (index !== this.asking) return;
    this.theirs = checksum;
    this.narrow(index);
  }

  /** The master's log has none of the records from `index` on; true for any question. */
  recordMissing(index: number): void {
    const differsAt = Math.max(index, this.equalAt + 1);
    if (differsAt < this.differsAt) this.step(differsAt, false);
  }

  private narrow(index: number): void {
    if (this.ours !== null && this.theirs !== null) this.step(index, this.ours === this.theirs);
  }

  private step(index: number, equal: boolean): void {
    if (equal) this.equalAt = index;
    else this.differsAt = index;
    this.ours = null;
    this.theirs = null;
  }
}
