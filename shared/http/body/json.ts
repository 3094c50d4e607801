/**
 * Reads the JSON body of a request: right content type, within the size limit, UTF-8, valid JSON. A
 * fault of the body is returned as a value, because the caller may add to the problem.
 *
 * Only JSON in UTF-8 is accepted. Bytes that are not UTF-8 are refused, because the parser would
 * replace them by U+FFFD and a message must be read back as it was sent. Nothing keeps the body
 * alive once it is parsed: its client may wait for an hour.
 *
 * koa-bodyparser was rejected: it costs another middleware layer for each small append, and it
 * returns text in which invalid bytes are already replaced.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { invalidRequest, PROBLEM_KINDS, type Problem } from '../problem';
import { type BodyBounds, readRawBody } from './raw';

/** The parsed body, or the problem to answer with. */
type JsonBody = { readonly value: unknown } | { readonly problem: Problem };

/** Reads the body of a request. Never rejects for a fault of the body. */
export type JsonBodyReader = (ctx: Context) => Promise<JsonBody>;

/** Largest body of a route whose body is a few names and numbers. */
export const SMALL_BODY_BYTES_MAX = 64 * 1024;

/** A reader that refuses bodies of more than `bytesMax` bytes after decompression (413). */
export function createJsonBodyReader(bounds: BodyBounds): JsonBodyReader {
  return (ctx) => {
    const unsupported = contentTypeProblem(ctx.req);
    if (unsupported !== null) {
      // The rest of the body is read and dropped: if the connection were closed, the client might
      // not see the answer.
      ctx.req.resume();
      return Promise.resolve({ problem: unsupported });
    }
    return readRawBody(ctx.req, bounds).then((body) => ('problem' in body ? body : parse(body.bytes)));
  };
}

function parse(bytes: Buffer): JsonBody {
  if (bytes.length === 0) return { problem: invalidRequest([{ path: '', message: 'the body is empty' }]) };
  if (!isUtf8(bytes)) return { problem: invalidRequest([{ path: '', message: 'the body is not UTF-8' }]) };
  try {
    return { value: JSON.parse(textOf(bytes)) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { problem: invalidRequest([{ path: '', message: `the body is not JSON: ${why}` }]) };
  }
}

/** The text of a body in UTF-8, without the byte order mark that some editors put before it. */
export function textOf(bytes: Buffer): string {
  const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return bytes.toString('utf8', isMarked ? 3 : 0);
}

function contentTypeProblem(request: IncomingMessage): Problem | null {
  const contentType = request.headers['content-type'];
  if (contentType === 'application/json') return null;
  if (contentType === undefined && !hasBody(request)) return null;
  const [mediaType = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"]*?)"?\s*$/.exec(parameter)?.[1])
    .find(Boolean);
  const isJson = mediaType.trim() === 'application/json' && (charset ?? 'utf-8').replace('-', '') === 'utf8';
  if (isJson) return null;
  const given = contentType === undefined ? 'no Content-Type was given' : `not ${contentType}`;
  return {
    kind: PROBLEM_KINDS.unsupportedMediaType,
    detail: `the body must be application/json in UTF-8; ${given}: ${CURE}`,
    headers: { Accept: 'application/json' },
  };
}

/** `curl -d` sends application/x-www-form-urlencoded unless it is told otherwise. */
const CURE = 'set the header "content-type: application/json", or use curl --json';

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}
