/**
 * When to fetch what is missing. A hole (something buffered, or an announced head above the own
 * one) may fill by itself, so it is given `gapTimeoutMs` without any progress; then a fetch goes
 * out, and again with backoff for as long as the hole is there.
 *
 *     whole ──hole──▶ waiting ──gapTimeoutMs without progress──▶ fetching ──an answer was applied, hole still there──▶ fetching (at once)
 *       ▲               │ ▲───────progress by itself──────────────┘  └──no answer: after a backoff, without limit──▶ fetching
 *       └───no hole─────┘
 *
 * So a deep hole is pulled at the pace of the one who needs it: the next fetch goes out as the last
 * is applied.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';

/**
 * An answer takes a few milliseconds; one that is lost is asked for again soon, a master that is
 * away for long is not pestered.
 */
const FETCH_RETRY: RetryPolicy = { delayMsMin: 400, delayMsMax: 5_000 };

export class GapRepair {
  /** When the next fetch is due; null: no hole. */
  private dueAt: number | null = null;
  private attempts = 0;
  private asked = false;

  constructor(private readonly gapTimeoutMs: number) {}

  /**
   * Is there a hole now? An `urgent` one will not fill by itself. Returns true when it has just
   * opened.
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
   * Records were appended; `fetched`: they came in answer to a fetch, so the next one may go out at
   * once.
   */
  recordProgress(now: number, fetched: boolean): void {
    this.attempts = 0;
    if (this.dueAt === null) return;
    if (fetched) this.dueAt = now;
    else if (!this.asked) this.dueAt = now + this.gapTimeoutMs;
  }

  /** The one who is asked has been heard again: a backoff is not waited out. */
  hurry(now: number): void {
    if (this.dueAt !== null && this.attempts > 1) this.dueAt = Math.min(this.dueAt, now);
    this.attempts = 0;
  }

  /** What came could not be stored: nothing is asked for before `at`. */
  holdOff(at: number): void {
    this.dueAt = at;
    this.asked = true;
  }

  isDue(now: number): boolean {
    return this.dueAt !== null && now >= this.dueAt;
  }

  /** A fetch went out. */
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
