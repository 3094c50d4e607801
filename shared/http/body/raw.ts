/**
 * Reads the body of a request as bytes, within the size limit and decompressed, for bodies that
 * have a parser of their own. JSON bodies are read by json.ts.
 *
 * The rest of a refused body is read and dropped, and not decompressed: if the connection were
 * closed, a client that is still sending might not see the answer.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { CLIENT_LIMITS } from '#process/node-settings';
import { invalidRequest, PROBLEM_KINDS, type Problem } from '../problem';

/** The bytes of the body, or the problem to answer with. */
type RawBody = { readonly bytes: Buffer } | { readonly problem: Problem };

/**
 * Limits the bytes of all bodies that are arriving at one time, so that slow clients with large
 * bodies are bounded before anything is parsed.
 */
export class BodyBudget {
  private used = 0;

  constructor(private readonly bytesMax: number) {}

  /**
   * Takes `bytes` from the budget. Returns false, and takes nothing, when there is not enough left.
   */
  take(bytes: number): boolean {
    if (this.used + bytes > this.bytesMax) return false;
    this.used += bytes;
    return true;
  }

  /** Returns bytes that were taken. */
  give(bytes: number): void {
    this.used -= bytes;
  }
}

/** Limits of one body, and of all bodies that arrive at one time. */
export interface BodyBounds {
  readonly bytesMax: number;
  readonly budget?: BodyBudget | undefined;
  /** A body that makes no progress for so long is given up; left out: the default. */
  readonly stalledMs?: number | undefined;
}

/**
 * Reads the body. A body of more than `bytesMax` bytes after decompression is refused with 413, one
 * without room in the budget with 503, an unknown Content-Encoding with 415, and one that is cut
 * short or cannot be decompressed with 400, one that makes no progress with 408. Never rejects.
 */
export function readRawBody(request: IncomingMessage, bounds: BodyBounds): Promise<RawBody> {
  const { bytesMax } = bounds;
  const encoding = request.headers['content-encoding'] ?? 'identity';
  const body = decompressed(request, encoding);
  if (body === null) return Promise.resolve({ problem: unknownEncoding(encoding) });
  if (Number(request.headers['content-length'] ?? 0) > bytesMax && encoding === 'identity') {
    request.resume();
    return Promise.resolve({ problem: tooLarge(bytesMax) });
  }
  return collect(body, bounds, request);
}

/**
 * Collects chunks in listeners instead of `for await`, which costs a promise per chunk and destroys
 * the connection of a body that is not read to its end. The listeners stay attached but keep no
 * body alive: the request's client may wait for an hour.
 */
function collect(body: Readable, bounds: BodyBounds, request: IncomingMessage): Promise<RawBody> {
  const { bytesMax, budget, stalledMs = CLIENT_LIMITS.stalledMs } = bounds;
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let size = 0;
    let taken = 0;
    // Set to null once settled, so that the closure does not keep the body alive.
    let settle: ((result: RawBody) => void) | null = resolve;
    const end = (result: RawBody) => {
      const done = settle;
      settle = null;
      chunks = [];
      clearTimeout(watch);
      if (done !== null) budget?.give(taken);
      if (body !== request) {
        request.unpipe();
        body.destroy();
      }
      request.resume();
      done?.(result);
    };
    const fail = () => {
      if (settle !== null) end({ problem: broken() });
    };
    let seen = 0;
    const watch = setTimeout(() => {
      if (size - seen < leastProgress(size, stalledMs)) return end({ problem: stalled(stalledMs) });
      seen = size;
      watch.refresh();
      return undefined;
    }, stalledMs);
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (settle === null) return;
      if (size > bytesMax) return end({ problem: tooLarge(bytesMax) });
      if (budget?.take(chunk.length) === false) return end({ problem: NO_ROOM });
      taken = size;
      chunks.push(chunk);
    });
    body.on('end', () => end({ bytes: joined(chunks) }));
    body.on('error', fail).on('close', fail);
    if (body === request) return;
    request.once('error', fail).once('close', () => {
      if (!request.complete) body.destroy();
    });
  });
}

/**
 * The bytes that a body of which `size` have arrived must have brought within `ms`. One that holds
 * much of the budget must not keep it by a byte now and then.
 */
function leastProgress(size: number, ms: number): number {
  return size < SLOW_BODY_BYTES ? 1 : (SLOW_BYTES_PER_S * ms) / 1_000;
}

const SLOW_BODY_BYTES = 64 * 1024;
/** Slower than any line that people still use. */
const SLOW_BYTES_PER_S = 1024;

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

/** The decompressed stream; null for an unknown encoding. */
function decompressed(request: IncomingMessage, encoding: string): Readable | null {
  switch (encoding.toLowerCase()) {
    case 'identity':
      return request;
    case 'gzip':
    case 'x-gzip':
      return request.pipe(createGunzip());
    case 'deflate':
      return request.pipe(createInflate());
    case 'br':
      return request.pipe(createBrotliDecompress());
    default:
      request.resume();
      return null;
  }
}

const NO_ROOM: Problem = {
  kind: PROBLEM_KINDS.overloaded,
  detail: 'too many bytes of requests are arriving at once, which has a limit',
  headers: { 'Retry-After': '1' },
};

/** The connection is closed: what is still to come of the body would be taken for a request. */
function stalled(ms: number): Problem {
  const detail = `the body made no progress for ${ms} ms; send it again`;
  return { kind: PROBLEM_KINDS.requestTimeout, detail, headers: { Connection: 'close' } };
}

function tooLarge(bytesMax: number): Problem {
  const detail = `the body is larger than ${bytesMax} bytes, the most that this node takes`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { bytesMax } };
}

function broken(): Problem {
  return invalidRequest([{ path: '', message: 'the body did not arrive whole, or is not what Content-Encoding says' }]);
}

function unknownEncoding(encoding: string): Problem {
  const detail = `the Content-Encoding ${encoding} is not known; gzip, deflate and br are`;
  return { kind: PROBLEM_KINDS.unsupportedMediaType, detail, headers: { 'Accept-Encoding': 'gzip, deflate, br' } };
}
