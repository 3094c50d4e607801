/**
 * Sends an answer whose body is a text. A handler leaves it with `answerText`; the app writes it
 * once the handler is done.
 *
 * Headers that are set one by one, and Koa's handling of bodies, cost some 15 % of the CPU time of a
 * small request. Here Node gets all headers in one list, and the body with them.
 */
import { STATUS_CODES } from 'node:http';
import type { Context } from 'koa';

/** An answer with a text as its body; the length is added. */
export interface TextAnswer {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly text: string;
}

/** Leaves the answer to a request; a second one replaces the first. */
export function answerText(ctx: Context, answer: TextAnswer): void {
  ctx.state.answer = answer;
}

/** The answer that was left; undefined for none. */
export function textAnswerOf(ctx: Context): TextAnswer | undefined {
  return ctx.state.answer as TextAnswer | undefined;
}

/** Writes the answer; Node drops it when the client has left. */
export function writeText(ctx: Context, { status, headers, text }: TextAnswer, requestId: string): void {
  ctx.respond = false;
  const all = [...headers, 'X-Request-Id', requestId, 'Content-Length', String(Buffer.byteLength(text))];
  ctx.res.writeHead(status, STATUS_CODES[status], all).end(text);
}
