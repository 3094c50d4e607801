/**
 * `POST /messages`: read the request, hand it to the master, answer with what came of it.
 *
 * A client may wait for its write concern for an hour, hundreds at a time, each with a message of a
 * mebibyte. So reading and handing over happen in functions that have returned before the wait
 * begins: an async function keeps its variables while it waits, and nothing that waits here has
 * ever had the message in one.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { requestIdOf } from '#http/app';
import { createJsonBodyReader, type JsonBodyReader } from '#http/body/json';
import { invalidRequest, PROBLEM_KINDS, type Problem, ProblemError, sendProblem } from '#http/problem';
import { HttpClient } from '#http/wait-signal';
import type { AppendOutcome } from '#master/core/append';
import { notStored, sendOutcome } from './answer';
import { answerBulk, isBulk } from './bulk-route';
import type { AppendOptions } from './options';
import { parseAppendRequest, readIdHeader } from './request';

type Begun = { readonly outcome: Promise<AppendOutcome> } | { readonly problem: Problem };

export function addAppendRoute(router: Router, options: AppendOptions): void {
  const readBody = createJsonBodyReader({ bytesMax: options.bodyBytesMax, budget: options.budget });
  router.post('/messages', (ctx) => answerAppend(ctx, options, readBody));
}

async function answerAppend(ctx: Context, options: AppendOptions, readBody: JsonBodyReader): Promise<void> {
  try {
    if (isBulk(ctx)) return await answerBulk(ctx, options);
    const begun = await beginAppend(ctx, options, readBody);
    if ('problem' in begun) sendProblem(ctx, notStored(begun.problem));
    else sendOutcome(ctx, await begun.outcome);
  } catch (cause) {
    throw new ProblemError(appendFailed(ctx), { cause });
  }
}

async function beginAppend(ctx: Context, options: AppendOptions, readBody: JsonBodyReader): Promise<Begun> {
  const body = await readBody(ctx);
  if ('problem' in body) return body;
  const { defaultWriteConcern, messageBytesMax, master } = options;
  const parsed = parseAppendRequest(body.value, readIdHeader(ctx.req), defaultWriteConcern);
  if ('faults' in parsed) return { problem: invalidRequest(parsed.faults) };
  const messageBytes = Buffer.byteLength(parsed.request.message);
  if (messageBytes > messageBytesMax) return { problem: messageTooLarge(messageBytes, messageBytesMax) };
  return { outcome: master.append(parsed.request, new HttpClient(ctx.res)) };
}

function messageTooLarge(bytes: number, bytesMax: number): Problem {
  const detail = `the message has ${bytes} bytes in UTF-8; the most that this log takes is ${bytesMax}`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { bytes, bytesMax } };
}

/** Nobody can say how far the append got. */
function appendFailed(ctx: Context): Problem {
  const detail = `the master failed while it appended; its log says more under request ${requestIdOf(ctx)}`;
  return { kind: PROBLEM_KINDS.internal, detail, members: { stored: 'unknown' } };
}
