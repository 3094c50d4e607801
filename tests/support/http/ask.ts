/**
 * One HTTP request on a connection of its own: no pool that could queue, retry or reuse what a test
 * wants to see apart.
 */
import { type IncomingHttpHeaders, request } from 'node:http';

const WITHIN_MS = 60_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): Record<string, unknown>;
}

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  /** Aborting hangs up; the promise rejects. */
  readonly signal?: AbortSignal;
  /** Without an answer for so long, the promise rejects. */
  readonly withinMs?: number;
}

/** @param base the server's address, without a slash at its end */
export function ask(base: string, { method = 'GET', path, headers = {}, body, ...bounds }: Asked): Promise<Answer> {
  const { signal, withinMs = WITHIN_MS } = bounds;
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false, ...(signal === undefined ? {} : { signal }) } as const;
    const outgoing = request(`${base}${path}`, options);
    const overdue = () => outgoing.destroy(new Error(`no answer to ${method} ${base}${path} within ${withinMs} ms`));
    const timer = setTimeout(overdue, withinMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(timer);
        resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks)));
      });
    });
    // As bytes: Node would send headers and a string body in one piece, in the encoding of the
    // body.
    outgoing.end(typeof body === 'string' ? Buffer.from(body) : body);
  });
}

function answerOf(status: number, headers: IncomingHttpHeaders, bytes: Buffer): Answer {
  const text = bytes.toString('utf8');
  return { status, headers, text, json: () => JSON.parse(text) as Record<string, unknown> };
}
