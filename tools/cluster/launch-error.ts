/** The cluster cannot be started, and the operator can mend it: `message` says how. */
export class LaunchError extends Error {
  readonly exitCode: number;

  /** `exitCode`: EX_UNAVAILABLE of sysexits.h when left out. */
  constructor(message: string, { exitCode = 69, ...options }: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.name = 'LaunchError';
    this.exitCode = exitCode;
  }
}
