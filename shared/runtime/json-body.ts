/**
 * Reading the JSON body of a request: right content type, within the limit, UTF-8, and JSON. What is wrong with a body is a
 * value, for the caller knows what else its problem must say.
 *
 * Only JSON in UTF-8 is taken. Bytes that are no UTF-8 are refused, since the parser would put U+FFFD in their place and a
 * message must come back as it was sent. Nothing keeps the body alive once it is read: its client may wait for an hour.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import bodyParser from 'koa-bodyparser';
import { invalidRequest, PROBLEM_KINDS, type Problem, problemOf } from './problem';

export type JsonBody = { readonly value: unknown } | { readonly problem: Problem };

export type JsonBodyReader = (ctx: Context) => Promise<JsonBody>;

/** Refuses bodies of more than `bytesMax` bytes, decompressed. */
export function createJsonBodyReader({ bytesMax }: { readonly bytesMax: number }): JsonBodyReader {
  const parse = bodyParser({
    enableTypes: ['json'],
    detectJSON: () => true,
    strict: false,
    jsonLimit: String(bytesMax),
    onProtoPoisoning: 'ignore',
  } as bodyParser.Options);
  return async (ctx) => {
    const unsupported = contentTypeProblem(ctx.req);
    if (unsupported !== null) return { problem: unsupported };
    const chunks: Buffer[] = [];
    const keep = (chunk: Buffer) => chunks.push(chunk);
    try {
      ctx.req.on('data', keep);
      await parse(ctx, nothingMore);
      return takeBody(ctx, chunks);
    } catch (error) {
      return { problem: bodyProblem(error, bytesMax) };
    } finally {
      ctx.req.off('data', keep);
      // What a refused client still sends is read and dropped: a closed connection could hide the answer from it.
      ctx.req.resume();
    }
  };
}

async function nothingMore(): Promise<void> {
  return undefined;
}

function takeBody(ctx: Context, chunks: readonly Buffer[]): JsonBody {
  const { body, rawBody } = ctx.request;
  ctx.request.body = undefined;
  ctx.request.rawBody = undefined;
  if (rawBody === '') return { problem: invalidRequest([{ path: '', message: 'the body is empty' }]) };
  if (isDamaged(ctx.req, rawBody, chunks)) {
    return { problem: invalidRequest([{ path: '', message: 'the body is not UTF-8' }]) };
  }
  return { value: body };
}

/** A U+FFFD may have been sent as such; the bytes tell. A compressed body is taken as it is. */
function isDamaged(request: IncomingMessage, text: unknown, chunks: readonly Buffer[]): boolean {
  if (typeof text !== 'string' || !text.includes('\uFFFD')) return false;
  return request.headers['content-encoding'] === undefined && !isUtf8(Buffer.concat(chunks));
}

function contentTypeProblem(request: IncomingMessage): Problem | null {
  const contentType = request.headers['content-type'];
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
    detail: `the body must be application/json in UTF-8; ${given}`,
    headers: { Accept: 'application/json' },
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function bodyProblem(error: unknown, bytesMax: number): Problem {
  const problem = problemOf(error);
  if (problem?.kind === PROBLEM_KINDS.tooLarge) {
    return { ...problem, detail: `the body is larger than ${bytesMax} bytes, the most that this node takes` };
  }
  if (problem?.kind === PROBLEM_KINDS.unsupportedMediaType) return problem;
  const why = error instanceof Error ? error.message : String(error);
  return invalidRequest([{ path: '', message: `the body is not JSON: ${why}` }]);
}
