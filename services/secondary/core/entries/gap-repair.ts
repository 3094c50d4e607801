/**
 * Decides when to fetch missing records. A gap (a batch is buffered, or the announced head is above
 * the own one) may fill by itself, so the first fetch waits for `gapTimeoutMs` without progress.
 * Fetches repeat, with backoff, as long as the gap is open.
 *
 *     whole    ──gap──▶ waiting
 *     waiting  ──gapTimeoutMs without progress──▶ fetching
 *     fetching ──an answer was appended──▶ fetching (at once)
 *     fetching ──no answer──▶ fetching (after a backoff, without limit)
 *     each     ──the gap is filled──▶ whole
 *
 * The node that catches up sets the pace: it fetches again when the last answer is appended.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';

/**
 * An answer takes some milliseconds. A lost one is asked for again soon; the delay grows while the
 * master is away.
 */
const FETCH_RETRY: RetryPolicy = { delayMsMin: 400, delayMsMax: 5_000 };

/** Times are milliseconds of the monotonic clock. */
export class GapRepair {
  /** When the next fetch is due; null: no gap. */
  private dueAt: number | null = null;
  /** Fetches since the last progress. */
  private attempts = 0;
  /** Whether a fetch was sent, or must wait, in this gap. */
  private asked = false;

  constructor(private readonly gapTimeoutMs: number) {}

  /**
   * Records whether there is a gap (`hole`). An `urgent` one does not fill by itself.
   * @returns true when it has just opened
   */
  observe(now: number, { hole, urgent }: { readonly hole: boolean; readonly urgent: boolean }): boolean {
    if (!hole) {
      this.close();
      return false;
    }
    if (this.dueAt !== null) return false;
    this.dueAt = urgent ? now : now + this.gapTimeoutMs;
    return true;
  }

  /**
   * Records were appended. `fetched`: they came in answer to a fetch, so the next fetch is due at
   * once.
   */
  recordProgress(now: number, fetched: boolean): void {
    this.attempts = 0;
    if (this.dueAt === null) return;
    if (fetched) this.dueAt = now;
    else if (!this.asked) this.dueAt = now + this.gapTimeoutMs;
  }

  /** The master is back: ends a backoff. */
  endBackoff(now: number): void {
    if (this.dueAt !== null && this.attempts > 1) this.dueAt = Math.min(this.dueAt, now);
    this.attempts = 0;
  }

  /** The store failed: no fetch is due before `at`. */
  postpone(at: number): void {
    this.dueAt = at;
    this.asked = true;
  }

  /** Whether a fetch is to be sent now. */
  isDue(now: number): boolean {
    return this.dueAt !== null && now >= this.dueAt;
  }

  /** A fetch was sent. `random` in [0, 1) spreads the next one. */
  recordFetch(now: number, random: number): void {
    this.attempts += 1;
    this.asked = true;
    this.dueAt = now + retryDelayMs(FETCH_RETRY, this.attempts, random);
  }

  private close(): void {
    this.dueAt = null;
    this.attempts = 0;
    this.asked = false;
  }

  toString(): string {
    return this.dueAt === null ? 'whole' : `gap due ${this.dueAt} attempts ${this.attempts}`;
  }
}
