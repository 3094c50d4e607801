/**
 * Reads the code that Node gives a system error (`ECONNRESET`, `EADDRINUSE` …) from a value of any
 * type.
 */

/** The error's code; undefined when it has none. */
export function systemErrorCode(error: unknown): string | undefined {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
