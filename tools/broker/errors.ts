/**
 * Why no broker could be had, or why the one we run failed: a closed set of codes, so that a
 * launcher can decide what to show and a test what to expect. Whoever aborts gets the reason of
 * their own AbortSignal instead, never one of these.
 */

export type BrokerErrorCode =
  /** AMQP_URL is set and nothing usable answers there. */
  | 'unreachable'
  /** Another live process runs a broker on the same data folder. */
  | 'already-running'
  /** None of the ways to a broker works on this machine; the message shows what would. */
  | 'no-way'
  /** The package could not be installed. */
  | 'install-failed'
  /**
   * The broker that we started died or did not become ready; the message shows the end of its log.
   */
  | 'start-failed'
  /**
   * A request was made that the broker's present state does not allow, such as wiping it while it
   * runs.
   */
  | 'wrong-state'
  /** The supervisor process went away or did not answer in time. */
  | 'supervisor-lost';

export class BrokerError extends Error {
  override readonly name = 'BrokerError';

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
