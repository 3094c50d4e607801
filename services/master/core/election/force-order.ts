/**
 * Keeps an operator's order to force a configuration or a new log until it has taken effect.
 *
 *     none ──asked, not ready──▶ prepared (the lock is kept for 60 s) ──asked again, ready──▶ given
 *     given ──the reign begins, or the lock is lost──▶ none
 *
 * The rules for when an order is ready are in force.ts.
 */

/** Time for which the lock is kept after a request, to listen and to fetch the best log. */
const PREPARED_MS = 60_000;

/** One operator's order at most. Times are milliseconds. */
export class ForceOrder {
  /** The next reign begins a new configuration with this node as its only voter. */
  isBranchForced = false;
  /** A new log may begin. */
  isNewLogForced = false;
  /** 0: no order is prepared. */
  private preparedUntil = 0;

  get isGiven(): boolean {
    return this.isBranchForced || this.isNewLogForced;
  }

  isPrepared(now: number): boolean {
    return now < this.preparedUntil;
  }

  prepare(now: number): void {
    this.preparedUntil = now + PREPARED_MS;
  }

  /**
   * The lock is lost: another master may be elected and take appends.
   * @returns true if an order was given, which is void now
   */
  revoke(): boolean {
    const { isGiven } = this;
    this.isBranchForced = false;
    this.isNewLogForced = false;
    return isGiven;
  }

  /** The order has begun a reign. */
  finish(): void {
    this.revoke();
    this.preparedUntil = 0;
  }
}
