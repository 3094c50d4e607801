/**
 * Decides when a master without progress releases the lock, so that another master can try. A
 * process that waits for the lock may be the only one that can be elected, can commit, or may begin
 * a log. It neither votes nor acks while it waits.
 *
 *     at rest ──votes or acks are missing──▶ waiting ──no progress for YIELD_AFTER──▶ ended
 *     waiting ──progress──▶ waiting (from the start)
 *     waiting ──none is missing, or no other master could do better──▶ at rest
 *     ended (the lock is released) ──▶ at rest; the next wait is longer
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';

/** Time without progress before the lock is released. It doubles with each release in a row. */
const YIELD_AFTER: RetryPolicy = { delayMsMin: 5_000, delayMsMax: 20_000 };

/** The state of a master's wait for votes or acks. */
export interface LockWait {
  /** A number that changes with every progress; null: the master waits for no vote and no ack. */
  readonly progress: number | null;
  /** Too few nodes are alive: another master could not do better. */
  readonly isShortOfNodes: boolean;
  /** In [0, 1). */
  readonly random: number;
}

/** Measures how long a master has the lock without progress. Times are milliseconds. */
export class LockYieldTimer {
  /** Null: the master does not wait. */
  private endsAt: number | null = null;
  private progress: number | null = null;
  /** Number of releases since the master last waited for nothing. */
  private ends = 0;

  /** @returns true when the lock is to be released now */
  hasEnded(now: number, { progress, isShortOfNodes: isAlone, random }: LockWait): boolean {
    if (progress === null) this.ends = 0;
    if (progress === null || progress !== this.progress || isAlone) this.endsAt = null;
    this.progress = progress;
    if (progress === null || isAlone) return false;
    this.endsAt ??= now + retryDelayMs(YIELD_AFTER, this.ends + 1, random);
    if (now < this.endsAt) return false;
    this.ends += 1;
    this.endsAt = null;
    return true;
  }

  /** The lock is lost: the next wait begins anew. */
  restart(): void {
    this.endsAt = null;
  }
}
