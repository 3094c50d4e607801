/**
 * Parses the query of `GET /messages`, as a whole so that all faults are reported at once.
 */
import { z } from 'zod';
import { IDENTITY_LENGTH_MAX } from '#protocol/identity';
import type { RequestFault } from '../problem';
import { idField, once, parseQuery, wholeNumber } from '../query';

/** A parsed query. */
export interface ReadingQuery {
  /** First seq, 1 or more. */
  readonly from: number;
  /** Maximum number of entries; null for all. */
  readonly limit: number | null;
  /** Only the entry with this id; null for every entry. */
  readonly id: string | null;
  /** Only entries up to the commit index. */
  readonly committed: boolean;
  /** Wait until this seq is visible; 0 to not wait. */
  readonly minSeq: number;
  /** Limit of that wait in milliseconds; null for none. */
  readonly timeoutMs: number | null;
  /** The log to read, by its id or its whole identity; null for the log of this node. */
  readonly log: string | null;
}

/** The query of a request without one. */
export const EVERYTHING: ReadingQuery = Object.freeze({
  from: 1,
  limit: null,
  id: null,
  committed: false,
  minSeq: 0,
  timeoutMs: null,
  log: null,
});

const committed = once.pipe(z.enum(['true', 'false'], { error: 'must be true or false' })).transform(isTrue);

const log = once.refine((text) => text !== '' && text.length <= IDENTITY_LENGTH_MAX, {
  error: 'must be the id or the identity of a log',
});

const schema = z.strictObject({
  from: wholeNumber(1).optional(),
  limit: wholeNumber(1).optional(),
  id: idField.optional(),
  committed: committed.optional(),
  minSeq: wholeNumber(0).optional(),
  timeoutMs: wholeNumber(0).optional(),
  log: log.optional(),
});

const logSchema = schema.pick({ log: true });

/**
 * Parses a query that Koa has split: each value a string, or a list when it was given more than
 * once.
 */
export function parseReadingQuery(
  query: Readonly<Record<string, unknown>>,
): { readonly query: ReadingQuery } | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(schema, query);
  if ('faults' in read) return read;
  const { data } = read;
  return {
    query: {
      from: data.from ?? EVERYTHING.from,
      limit: data.limit ?? EVERYTHING.limit,
      id: data.id ?? EVERYTHING.id,
      committed: data.committed ?? EVERYTHING.committed,
      minSeq: data.minSeq ?? EVERYTHING.minSeq,
      timeoutMs: data.timeoutMs ?? EVERYTHING.timeoutMs,
      log: data.log ?? EVERYTHING.log,
    },
  };
}

/** Parses the query of `GET /messages/:seq`: which log to read. */
export function parseLogQuery(
  query: Readonly<Record<string, unknown>>,
): { readonly log: string | null } | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(logSchema, query);
  return 'faults' in read ? read : { log: read.data.log ?? null };
}

function isTrue(text: string): boolean {
  return text === 'true';
}
