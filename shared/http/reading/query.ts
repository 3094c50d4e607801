/**
 * Parses the query of `GET /messages`, as a whole so that all faults are reported at once. A
 * parameter is a field of `schema`, and a row of `REFUSED_BY_TAILS`.
 */
import { z } from 'zod';
import { IDENTITY_LENGTH_MAX } from '#protocol/identity';
import type { RequestFault } from '../problem';
import { idField, once, parseQuery, wholeNumber } from '../query';

const isTrue = once
  .pipe(z.enum(['true', 'false'], { error: 'must be true or false' }))
  .transform((text) => text === 'true');

const logField = once.refine((text) => text !== '' && text.length <= IDENTITY_LENGTH_MAX, {
  error: 'must be the id or the identity of a log',
});

const schema = z.strictObject({
  /** First seq, 1 or more. */
  from: wholeNumber(1).default(1),
  /** Maximum number of entries; null for all. */
  limit: wholeNumber(1).nullable().default(null),
  /** Only the entry with this id; null for every entry. */
  id: idField.nullable().default(null),
  /** Only entries up to the commit index. */
  committed: isTrue.default(false),
  /** Wait until this seq is visible; 0 to not wait. */
  minSeq: wholeNumber(0).default(0),
  /** Limit of that wait in milliseconds; null for none. */
  timeoutMs: wholeNumber(0).nullable().default(null),
  /** The log to read, by its id or its whole identity; null for the log of this node. */
  log: logField.nullable().default(null),
});

const logSchema = schema.pick({ log: true });

/** A parsed query. */
export type ReadingQuery = Readonly<z.output<typeof schema>>;

/** The query of a request without one. */
export const EVERYTHING: ReadingQuery = Object.freeze(schema.parse({}));

/** Why a reader that follows the log cannot give a parameter; null: it can. */
const REFUSED_BY_TAILS = {
  from: null,
  limit: null,
  id: 'names one entry; text/event-stream follows the log',
  committed: null,
  minSeq: null,
  timeoutMs: null,
  log: null,
} satisfies Readonly<Record<keyof ReadingQuery, string | null>>;

/**
 * Parses a query that Koa has split: each value a string, or a list when it was given more than
 * once.
 */
export function parseReadingQuery(
  query: Readonly<Record<string, unknown>>,
): { readonly query: ReadingQuery } | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(schema, query);
  return 'faults' in read ? read : { query: read.data };
}

/** The parameters of a query that a reader who follows the log cannot give, with the reason. */
export function refusedByTails(query: ReadingQuery): readonly RequestFault[] {
  const names = Object.keys(REFUSED_BY_TAILS) as (keyof ReadingQuery)[];
  return names.flatMap((path) => {
    const message = REFUSED_BY_TAILS[path];
    return message === null || query[path] === EVERYTHING[path] ? [] : [{ path, message }];
  });
}

/** Parses the query of `GET /messages/:seq`: which log to read. */
export function parseLogQuery(
  query: Readonly<Record<string, unknown>>,
): { readonly log: string | null } | { readonly faults: readonly RequestFault[] } {
  const read = parseQuery(logSchema, query);
  return 'faults' in read ? read : read.data;
}
