/**
 * When to try again: capped exponential backoff with full jitter, and no last attempt. Jitter keeps
 * nodes that lost the same broker from coming back in step ("Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015).
 */

export interface RetryPolicy {
  /** Upper bound of the first wait, in milliseconds. */
  readonly delayMsMin: number;
  /** Upper bound of every wait, in milliseconds. */
  readonly delayMsMax: number;
}

/**
 * How long to wait before the next attempt, in milliseconds: between half of the bound and the
 * bound.
 *
 * @param attempt how many attempts have failed since the last success, 1 or more
 * @param random a number in [0, 1), drawn by the caller
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const doublings = Math.min(Math.max(attempt, 1) - 1, 30);
  const bound = Math.min(policy.delayMsMax, policy.delayMsMin * 2 ** doublings);
  return Math.round(bound / 2 + (random * bound) / 2);
}
