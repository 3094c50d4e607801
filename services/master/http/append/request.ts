/**
 * What a client may say in an append: the body of `POST /messages` and the header that is another
 * way to give an id. All faults are found at once. Members that nobody knows are ignored, so that a
 * client newer than this master still gets through.
 */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { RequestFault } from '#http/problem';
import { requestFaults } from '#http/request-faults';
import { WAIT_MS_MAX } from '#http/wait-signal';
import type { AppendRequest } from '#master/core/append';
import { idFault } from '#protocol/entry';
import type { WriteConcern } from '#protocol/write-concern';

export const ID_HEADER = 'Idempotency-Key';

export const W_RULE = 'must be a whole number of 1 or more, "majority" or "all"';
export const TIMEOUT_RULE = 'must be a whole number of milliseconds, 0 or more';

const bodySchema = z.object(
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

/**
 * Reads an append from a parsed body and the request's headers; without a `w` of its own it has
 * `defaultWriteConcern`.
 */
export function parseAppendRequest(
  body: unknown,
  headerId: ReadHeader,
  defaultWriteConcern: WriteConcern,
): { readonly request: AppendRequest } | { readonly faults: readonly RequestFault[] } {
  const read = bodySchema.safeParse(body);
  const faults = [...(read.success ? [] : requestFaults(read.error)), ...headerId.faults];
  if (!read.success) return { faults };
  const { message, w, timeoutMs, id } = read.data;
  if (id !== undefined && headerId.id !== null && id !== headerId.id) {
    faults.push({ path: 'id', message: `must equal the header ${ID_HEADER} when both are given` });
  }
  if (faults.length > 0) return { faults };
  return {
    request: {
      message,
      id: id ?? headerId.id,
      writeConcern: w ?? defaultWriteConcern,
      timeoutMs: timeoutMs === undefined ? null : Math.min(timeoutMs, WAIT_MS_MAX),
    },
  };
}

/** The id that a header gives, null for none, and what is wrong with it. */
export interface ReadHeader {
  readonly id: string | null;
  readonly faults: readonly RequestFault[];
}

const NO_HEADER: ReadHeader = { id: null, faults: [] };

/**
 * Reads the id's header, which must come at most once. Its bytes are UTF-8 where they can be: Node
 * hands them out as Latin-1.
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
