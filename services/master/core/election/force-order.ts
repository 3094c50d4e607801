/**
 * An operator's order to force a list or a new log, from the request until it has taken effect.
 *
 *     none ──asked, not ready──▶ prepared (for 60 s: the lock is kept) ──asked again, ready──▶ given ──the reign begins──▶ none
 *                                                                                             └──the lock is lost──▶ none
 *
 * The rules for when it is ready are in force.ts.
 */

/** How long the lock is kept after a request, for listening and for fetching the best log. */
const PREPARED_MS = 60_000;

export class ForceOrder {
  /** The next reign begins a new list with this node alone. */
  isBranchForced = false;
  /** A new log may begin. */
  isNewLogForced = false;
  /** 0: none is prepared. */
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

  /** The lock is lost: another master may be elected and take appends. True: an order was given. */
  revoke(): boolean {
    const { isGiven } = this;
    this.isBranchForced = false;
    this.isNewLogForced = false;
    return isGiven;
  }

  /** A reign has begun by it. */
  finish(): void {
    this.revoke();
    this.preparedUntil = 0;
  }
}
