/**
 * Serves `POST /messages`: reads the request, gives it to the master, and sends its outcome.
 *
 * Hundreds of clients may wait for an hour, each with a message of 1 MiB. An async function keeps
 * its variables alive while it waits. So the request is read and given to the master in functions
 * that return before the wait begins, and no waiting function has a variable with the message.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { requestIdOf } from '#http/app';
import { createJsonBodyReader, type JsonBodyReader } from '#http/body/json';
import { invalidRequest, PROBLEM_KINDS, type Problem, ProblemError, sendProblem } from '#http/problem';
import { readsQuery } from '#http/query';
import { HttpClient } from '#http/wait-signal';
import type { AppendOutcome } from '#master/core/append';
import { committedAt, messageTooLarge, notStored, sendOutcome } from './answer';
import { answerBulk, isBulk } from './bulk-route';
import { type AppendOptions, boundsOf } from './options';
import { parseAppendRequest, readIdHeader } from './request';

type Begun = { readonly outcome: Promise<AppendOutcome> } | { readonly problem: Problem };

/** Adds the route to `router`, for single and bulk appends. */
export function addAppendRoute(router: Router, options: AppendOptions): void {
  const readBody = createJsonBodyReader(boundsOf(options));
  router.post(
    '/messages',
    readsQuery((ctx) => answerAppend(ctx, options, readBody)),
  );
}

async function answerAppend(ctx: Context, options: AppendOptions, readBody: JsonBodyReader): Promise<void> {
  try {
    if (isBulk(ctx)) return await answerBulk(ctx, options);
    const begun = await beginAppend(ctx, options, readBody);
    if ('problem' in begun) sendProblem(ctx, notStored(begun.problem));
    else sendOutcome(ctx, await begun.outcome, committedAt(options.master));
  } catch (cause) {
    throw new ProblemError(appendFailed(ctx), { cause });
  }
}

async function beginAppend(ctx: Context, options: AppendOptions, readBody: JsonBodyReader): Promise<Begun> {
  const body = await readBody(ctx);
  if ('problem' in body) return body;
  const { defaultWriteConcern, messageBytesMax, master } = options;
  const parsed = parseAppendRequest(body.value, ctx.query, readIdHeader(ctx.req), defaultWriteConcern);
  if ('faults' in parsed) return { problem: invalidRequest(parsed.faults) };
  const messageBytes = Buffer.byteLength(parsed.request.message);
  if (messageBytes > messageBytesMax) return { problem: messageTooLarge(messageBytes, messageBytesMax) };
  return { outcome: master.append(parsed.request, new HttpClient(ctx.res)) };
}

/** The append failed at an unknown point, so `stored` is "unknown". */
function appendFailed(ctx: Context): Problem {
  const detail = `the master failed while it appended; its log says more under request ${requestIdOf(ctx)}`;
  return { kind: PROBLEM_KINDS.internal, detail, members: { stored: 'unknown' } };
}
