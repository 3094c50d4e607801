/**
 * Reads `w` and `timeoutMs` from a query, for bulk appends and for waits for an entry's
 * replication.
 */
import type { RequestFault } from '#http/problem';
import { WAIT_MS_MAX } from '#http/wait-signal';
import { parseWriteConcern, type WriteConcern } from '#protocol/write-concern';
import { TIMEOUT_RULE, W_RULE } from './append/request';

/**
 * Reads `w` and `timeoutMs` from a parsed query, in which a parameter that is given twice is an
 * array.
 * @returns null for a parameter that is not given, or all faults
 */
export function parseWaitQuery(
  query: Readonly<Record<string, unknown>>,
):
  | { readonly writeConcern: WriteConcern | null; readonly timeoutMs: number | null }
  | { readonly faults: readonly RequestFault[] } {
  const faults: RequestFault[] = [];
  const { w, timeoutMs } = query;
  const writeConcern = typeof w === 'string' ? parseWriteConcern(w) : null;
  if (w !== undefined && writeConcern === null) faults.push({ path: 'w', message: W_RULE });
  const isWhole = typeof timeoutMs === 'string' && /^[0-9]{1,16}$/.test(timeoutMs);
  if (timeoutMs !== undefined && !isWhole) faults.push({ path: 'timeoutMs', message: TIMEOUT_RULE });
  if (faults.length > 0) return { faults };
  return { writeConcern, timeoutMs: isWhole ? Math.min(Number(timeoutMs), WAIT_MS_MAX) : null };
}
