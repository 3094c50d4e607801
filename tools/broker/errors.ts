/**
 * Why no broker could be had, or why the one we run failed: a closed set of codes, so that a
 * launcher can decide what to show and a test what to expect. Whoever aborts gets the reason of
 * their own AbortSignal instead, never one of these.
 */

export type BrokerErrorCode =
  /** AMQP_URL is set and nothing usable answers there. */
  | 'unreachable'
  /** None of the ways to a broker works on this machine; the message shows what would. */
  | 'no-way'
  /** The broker that we started did not become ready; the message shows the end of its log. */
  | 'start-failed'
  /** The broker's present state does not allow this, such as wiping it while it runs. */
  | 'wrong-state';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  /** EX_UNAVAILABLE of sysexits.h: the operator can mend it, and the message says how. */
  readonly exitCode = 69;

  constructor(
    readonly code: BrokerErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The sentence of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
