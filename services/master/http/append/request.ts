/**
 * Reads an append from the body of `POST /messages` and from the header that may give its id. All
 * faults are reported at once. Unknown members are ignored, so that a client that is newer than
 * this master can append.
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

/** The header that may give the id of an entry. */
export const ID_HEADER = 'Idempotency-Key';

/** The rule for `w`, as a fault states it. */
export const W_RULE = 'must be a whole number of 1 or more, "majority" or "all"';
/** The rule for `timeoutMs`, as a fault states it. */
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
 * Reads an append from a parsed body and the id's header.
 * @param defaultWriteConcern applies to a body without `w`
 * @returns the request, or all faults
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

/** The id that the header gives, and its faults. The id is null if there is none or it is bad. */
export interface ReadHeader {
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
