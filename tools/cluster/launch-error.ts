/**
 * The cluster cannot be started, and the operator can mend it: `message` says how. Nothing is left
 * running.
 */

/** EX_UNAVAILABLE of sysexits.h. */
const EXIT_UNAVAILABLE = 69;

export class LaunchError extends Error {
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.name = 'LaunchError';
    this.exitCode = options.exitCode ?? EXIT_UNAVAILABLE;
  }
}
