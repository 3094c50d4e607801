/**
 * Finds the first record that is not the master's, by bisection over running checksums: equal at
 * `equalAt`, different at `differsAt`, so the first difference lies between. The master's checksum
 * at an index comes in answer to a fetch, the own one from the store.
 *
 *     asking(index) ──both checksums──▶ asking(the middle of what is left) … ──nothing is left──▶ found
 */

export class DivergenceSearch {
  private equalAt = 0;
  private differsAt: number;
  private ours: number | null = null;
  private theirs: number | null = null;

  /** @param differsAt an index at which the checksums differ */
  constructor(differsAt: number) {
    this.differsAt = differsAt;
  }

  /** Index whose checksums are wanted; null: found. */
  get asking(): number | null {
    const middle = Math.floor((this.equalAt + this.differsAt) / 2);
    return middle === this.equalAt ? null : middle;
  }

  /** Index of the first record that differs; null while it is not found. */
  get found(): number | null {
    return this.asking === null ? this.differsAt : null;
  }

  /** Is the own checksum at the asked index still wanted? */
  get wantsOurs(): boolean {
    return this.asking !== null && this.ours === null;
  }

  recordOurs(index: number, checksum: number): void {
    if (index !== this.asking) return;
    this.ours = checksum;
    this.narrow(index);
  }

  /** `checksum` null: the master's log has no such record, which is as different as can be. */
  recordTheirs(index: number, checksum: number | null): void {
    if (index !== this.asking) return;
    if (checksum === null) this.step(index, false);
    else {
      this.theirs = checksum;
      this.narrow(index);
    }
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
