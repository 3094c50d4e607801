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

/** The query of a bulk append. */
export interface BulkQuery {
  /** Null: not given. */
  readonly writeConcern: WriteConcern | null;
  readonly timeoutMs: number | null;
  /** False: each line is an append of its own. */
  readonly atomic: boolean;
  /** `w` and `timeoutMs` as they were given. */
  readonly query: Query;
}

const bulkSchema = waitSchema.extend({
  atomic: z.enum(['true', 'false'], { error: 'must be true or false' }).default('true'),
});

/** Reads the query of a bulk append. */
export function parseBulkQuery(query: Query): BulkQuery | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(bulkSchema, query);
  if ('faults' in read) return read;
  const { w, timeoutMs } = query;
  return { ...waitOf(read.data), atomic: read.data.atomic === 'true', query: { w, timeoutMs } };
}

/** Reads the query of a request that takes `w` and `timeoutMs`, and nothing else. */
export function parseWaitQuery(
  query: Query,
): Pick<BulkQuery, 'writeConcern' | 'timeoutMs'> | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(waitSchema, query);
  return 'faults' in read ? read : waitOf(read.data);
}

function waitOf({ w, timeoutMs }: z.output<typeof waitSchema>) {
  return { writeConcern: w ?? null, timeoutMs: timeoutMs === undefined ? null : Math.min(timeoutMs, WAIT_MS_MAX) };
}
