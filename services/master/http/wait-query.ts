/**
 * `w` and `timeoutMs` where they stand in the query: an append, and the wait for an entry's
 * replication.
 */
import { z } from 'zod';
import type { RequestFault } from '#http/problem';
import { once, parseQuery, type Query, wholeNumber } from '#http/query';
import { WAIT_MS_MAX } from '#http/wait-signal';
import { parseWriteConcern, type WriteConcern } from '#protocol/write-concern';

export const W_RULE = 'must be a whole number of 1 or more, "majority" or "all"';
export const TIMEOUT_RULE = 'must be a whole number of milliseconds, 0 or more';

const writeConcern = once.transform((text, context): WriteConcern => {
  const value = parseWriteConcern(text);
  if (value !== null) return value;
  context.addIssue({ code: 'custom', message: W_RULE });
  return z.NEVER;
});

/** The parameters that say how long to wait, and for what. */
export const waitSchema = z.strictObject({
  w: writeConcern.optional(),
  timeoutMs: wholeNumber(0, TIMEOUT_RULE).optional(),
});

/** Reads the query of a request that takes `w` and `timeoutMs`, and nothing else. */
export function parseWaitQuery(
  query: Query,
):
  | { readonly writeConcern: WriteConcern | null; readonly timeoutMs: number | null }
  | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(waitSchema, query);
  if ('faults' in read) return read;
  const { w = null, timeoutMs } = read.data;
  return { writeConcern: w, timeoutMs: timeoutMs === undefined ? null : Math.min(timeoutMs, WAIT_MS_MAX) };
}
