/**
 * Reads the query of a request, as Koa has split it: each value a string, or a list when it was
 * given more than once. A parameter given twice is a fault, because only one of the values could be
 * meant, and so is a parameter that is not known.
 */
import type Router from '@koa/router';
import type { Middleware } from 'koa';
import { z } from 'zod';
import { idFault } from '#protocol/entry';
import { invalidRequest, type RequestFault, sendProblem } from './problem';
import { requestFaults, unknownNames } from './request-faults';

/** A query that Koa has split. */
export type Query = Readonly<Record<string, unknown>>;

/** A parameter of any text. */
export const once = z.string({ error: 'must be given once' });

/** A parameter that is the id of an entry. */
export const idField = once.superRefine((text, context) => {
  const message = idFault(text);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

/** A parameter that is a whole number of `min` or more; `rule` says so. */
export function wholeNumber(min: number, rule = `must be a whole number of ${min} or more`) {
  return once.transform((text, context): number => {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min) return value;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

/** The query as a strict schema reads it, or all its faults. */
export function parseQuery<Schema extends z.ZodObject>(
  schema: Schema,
  query: Query,
): { readonly data: z.output<Schema> } | { readonly faults: readonly RequestFault[] } {
  const read = schema.safeParse(query);
  return read.success ? { data: read.data } : { faults: requestFaults(read.error, schema) };
}

const readers = new WeakSet<Middleware>();

/** Marks the handler of a route as one that reads the query, and refuses what it does not know. */
export function readsQuery(handler: Middleware): Middleware {
  readers.add(handler);
  return handler;
}

/** Refuses (400) every parameter at the routes of `router` that do not read their query. */
export function refuseQueries(router: Router): Middleware {
  return async (ctx, next) => {
    if (ctx.querystring === '') return next();
    const { route, pathAndMethod } = router.match(ctx.path, ctx.method);
    if (!route || pathAndMethod.some(({ stack }) => stack.some((handler) => readers.has(handler as Middleware))))
      return next();
    return sendProblem(ctx, invalidRequest(unknownNames(Object.keys(ctx.query), [])));
  };
}
