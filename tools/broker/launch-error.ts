/**
 * `unreachable`: AMQP_URL is set and nothing usable answers there. `no-way`: no way to a broker
 * works on this machine. `start-failed`: our broker did not become ready. `refused`:
 * options, ports or folders that cannot be used; a node that cannot run.
 */
type LaunchErrorCode = 'unreachable' | 'no-way' | 'start-failed' | 'refused';

/**
 * Something could not be started, and the operator can mend it: `message` says how, and is shown
 * without a stack. A caller that aborts gets the reason of its own AbortSignal instead.
 */
export class LaunchError extends Error {
  readonly code: LaunchErrorCode;
  /** EX_UNAVAILABLE of sysexits.h unless another one is given. */
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { code?: LaunchErrorCode; exitCode?: number } = {}) {
    super(message, options);
    this.code = options.code ?? 'refused';
    this.exitCode = options.exitCode ?? 69;
  }
}

/** The sentence of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
