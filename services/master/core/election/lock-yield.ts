/**
 * How long a master that has the lock waits for votes or acks in vain before it lets another one
 * try. A voter that waits for the lock, or who alone may begin a log, could be elected or could
 * commit where this one cannot: while it waits it neither votes nor acks.
 *
 *     at rest ──something is waited for──▶ waiting ──no progress for YIELD_AFTER──▶ ended (the lock is given up), longer the next time
 *        ▲                                   │  └──progress──▶ waiting (from the start)
 *        └──nothing is waited for, or nobody is there who could do better
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';

/**
 * Waiting for so long for votes or acks in vain, it lets another master try; and for twice as long
 * the next time.
 */
const YIELD_AFTER: RetryPolicy = { delayMsMin: 5_000, delayMsMax: 20_000 };

export interface LockWait {
  /** Changes with whatever shows that this master gets on; null: nothing is waited for. */
  readonly progress: number | null;
  /** As long as too few nodes are alive, another master could not do better. */
  readonly isShortOfNodes: boolean;
  readonly random: number;
}

export class LockYieldTimer {
  /** Null: nothing is waited for. */
  private endsAt: number | null = null;
  private progress: number | null = null;
  /** Times it has ended since something came of waiting. */
  private ends = 0;

  /** True when it ends now. */
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

  /** The lock is gone anyway. */
  restart(): void {
    this.endsAt = null;
  }
}
