/**
 * What Node says of an error by its code (`ECONNRESET`, `EADDRINUSE` …), for errors that come from
 * anywhere.
 */
export function systemErrorCode(error: unknown): string | undefined {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
