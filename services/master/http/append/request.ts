/**
 * What a client may say in an append: the body of `POST /messages`, its query, and the header that
 * is another way to give an id. What is said in several places must be the same in all of them. All
 * faults are found at once, and a name that is not known is one of them.
 */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { RequestFault } from '#http/problem';
import { idField, parseQuery, type Query } from '#http/query';
import { requestFaults } from '#http/request-faults';
import { WAIT_MS_MAX } from '#http/wait-signal';
import type { AppendRequest } from '#master/core/append';
import { idFault } from '#protocol/entry';
import type { WriteConcern } from '#protocol/write-concern';
import { TIMEOUT_RULE, W_RULE, waitSchema } from '../wait-query';

/** The header that may give the id of an entry. */
export const ID_HEADER = 'Idempotency-Key';

const bodySchema = z.strictObject(
  {
    message: z.string({ error: ({ input }) => (input === undefined ? 'must be given' : 'must be a string') }),
    w: z.union([z.int().min(1), z.literal(['majority', 'all'])], { error: W_RULE }).optional(),
    timeoutMs: z.int({ error: TIMEOUT_RULE }).min(0, TIMEOUT_RULE).optional(),
    id: z
      .string({ error: 'must be a string' })
      .superRefine((id, context) => {
        const message = idFault(id);
        if (message !== null) context.addIssue({ code: 'custom', message });
      })
      .optional(),
  },
  { error: 'the body must be a JSON object' },
);

const querySchema = waitSchema.extend({
  id: idField.optional(),
  atomic: z.undefined({ error: 'is for a body of application/x-ndjson: a JSON body is one append' }).optional(),
});

/**
 * Reads an append from a parsed body, the request's query and its headers; without a `w` of its own it has
 * `defaultWriteConcern`.
 */
export function parseAppendRequest(
  body: unknown,
  query: Query,
  headerId: ReadHeader,
  defaultWriteConcern: WriteConcern,
): { readonly request: AppendRequest } | { readonly faults: readonly RequestFault[] } {
  const read = bodySchema.safeParse(body);
  const asked = parseQuery(querySchema, query);
  const faults = [
    ...(read.success ? [] : requestFaults(read.error, bodySchema)),
    ...('faults' in asked ? asked.faults : []),
    ...headerId.faults,
  ];
  if (!read.success || 'faults' in asked) return { faults };
  const { message, w, timeoutMs, id } = read.data;
  const { data: inQuery } = asked;
  const theId = agreed('id', [id, inQuery.id, headerId.id ?? undefined], faults);
  const writeConcern = agreed('w', [w, inQuery.w], faults);
  const waitMs = agreed('timeoutMs', [timeoutMs, inQuery.timeoutMs], faults);
  if (faults.length > 0) return { faults };
  return {
    request: {
      message,
      id: theId ?? null,
      writeConcern: writeConcern ?? defaultWriteConcern,
      timeoutMs: waitMs === undefined ? null : Math.min(waitMs, WAIT_MS_MAX),
    },
  };
}

/** What was given in the body, the query or a header; undefined where it was given in none. */
function agreed<Value>(path: string, given: readonly (Value | undefined)[], faults: RequestFault[]): Value | undefined {
  const [first, ...others] = given.filter((value) => value !== undefined);
  if (others.some((value) => value !== first)) {
    const where = path === 'id' ? `body, query and the header ${ID_HEADER}` : 'body and query';
    faults.push({ path, message: `must be the same wherever it is given: ${where}` });
  }
  return first;
}

/** The id that a header gives, null for none, and what is wrong with it. */
interface ReadHeader {
  readonly id: string | null;
  readonly faults: readonly RequestFault[];
}

const NO_HEADER: ReadHeader = { id: null, faults: [] };

/**
 * Reads the id's header, which may be given once. Node decodes headers as Latin-1; if the bytes are
 * valid UTF-8, they are decoded as UTF-8.
 */
export function readIdHeader(request: IncomingMessage): ReadHeader {
  if (request.headers['idempotency-key'] === undefined) return NO_HEADER;
  const [text = '', ...more] = request.headersDistinct['idempotency-key'] ?? [];
  if (more.length > 0) return { id: null, faults: [{ path: ID_HEADER, message: 'must be given once' }] };
  const bytes = Buffer.from(text, 'latin1');
  const id = isUtf8(bytes) ? bytes.toString('utf8') : text;
  const fault = idFault(id);
  return fault === null ? { id, faults: [] } : { id: null, faults: [{ path: ID_HEADER, message: fault }] };
}
