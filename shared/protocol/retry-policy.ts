/**
 * Computes the delay before the next attempt: capped exponential backoff with jitter, without a
 * limit of attempts. Jitter keeps nodes that lost the same broker from reconnecting at the same
 * time ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */

/** The limits of the delays; `delayMsMin` is not above `delayMsMax`. */
export interface RetryPolicy {
  /** Upper limit of the first delay, in milliseconds; each further one is twice as high. */
  readonly delayMsMin: number;
  /** Upper limit of every delay, in milliseconds. */
  readonly delayMsMax: number;
}

/**
 * Delay before the next attempt in milliseconds: between half of the limit and the limit.
 *
 * @param attempt number of failed attempts since the last success, 1 or more
 * @param random a number in [0, 1), drawn by the caller
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const doublings = Math.min(Math.max(attempt, 1) - 1, 30);
  const bound = Math.min(policy.delayMsMax, policy.delayMsMin * 2 ** doublings);
  return Math.round(bound / 2 + (random * bound) / 2);
}
