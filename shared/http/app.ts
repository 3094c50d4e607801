/**
 * The Koa app that every service is built on: what is the same for each request whatever it asks. A
 * request id on every answer, problem details for everything that is not an answer, `Connection:
 * close` while the server stops, a line per request at debug level (one at info costs a fifth of
 * the rate).
 *
 * Paths and methods are the router's. What it leaves unanswered is 404, or 405 with `Allow` where
 * the path is known.
 */
import { randomUUID } from 'node:crypto';
import type Router from '@koa/router';
import type { Layer } from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import type { Logger } from 'pino';
import { systemErrorCode } from '#process/system-error';
import { requireBearerToken } from './bearer-token';
import { PROBLEM_KINDS, type Problem, problemOf, sendProblem } from './problem';

interface HttpAppOptions {
  readonly logger: Logger;
  readonly router: Router;
  /** Aborts when the server stops taking requests. */
  readonly stopping: AbortSignal;
  /** With one, every request but the probes must carry it. */
  readonly apiToken?: string | null;
  /**
   * Says more about a method that is not allowed where it was tried; null: there is no more to say.
   */
  readonly wrongMethod?: (ctx: Context) => Pick<Problem, 'detail' | 'members'> | null;
}

/** What we take over as a request id; anything else could forge a line of somebody's log. */
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._:/+=@~-]{1,128}$/;

export function createHttpApp(options: HttpAppOptions): Koa {
  const app = new Koa();
  const { logger, router, apiToken } = options;
  app.on('error', (error: unknown, ctx?: Context) => logStreamError(logger, error, ctx));
  app.use((ctx, next) => answer(options, ctx, next));
  if (apiToken) app.use(requireBearerToken(apiToken));
  app.use(router.routes());
  return app;
}

/** The id of this request, as in its answer's X-Request-Id. */
export function requestIdOf(ctx: Context): string {
  return ctx.response.get('X-Request-Id');
}

async function answer(options: HttpAppOptions, ctx: Context, next: Next): Promise<void> {
  const { logger, stopping } = options;
  ctx.set('X-Request-Id', requestIdFor(ctx));
  if (logger.isLevelEnabled('debug')) logWhenDone(logger, ctx);
  try {
    await next();
    if (ctx.body === undefined && ctx.status === 404) answerUnrouted(options, ctx);
  } catch (error) {
    answerError(logger, ctx, error);
  }
  if (stopping.aborted) ctx.set('Connection', 'close');
}

function requestIdFor(ctx: Context): string {
  const theirs = ctx.req.headers['x-request-id'];
  return typeof theirs === 'string' && REQUEST_ID_PATTERN.test(theirs) ? theirs : randomUUID();
}

function answerUnrouted({ wrongMethod }: HttpAppOptions, ctx: Context): void {
  const allowed = methodsAt(ctx);
  if (allowed.length === 0) {
    sendProblem(ctx, { kind: PROBLEM_KINDS.notFound, detail: `there is nothing at ${ctx.path}` });
    return;
  }
  const allow = [...allowed, 'OPTIONS'].join(', ');
  if (ctx.method === 'OPTIONS') {
    ctx.set('Allow', allow);
    ctx.status = 204;
    return;
  }
  const said = wrongMethod?.(ctx) ?? { detail: `${ctx.path} takes ${allow}, not ${ctx.method}` };
  sendProblem(ctx, { kind: PROBLEM_KINDS.methodNotAllowed, ...said, headers: { Allow: allow } });
}

/** Methods of the routes at the request's path; none when there is no such path. */
function methodsAt(ctx: Context): readonly string[] {
  const layers = (ctx as { matched?: readonly Layer[] }).matched ?? [];
  return [...new Set(layers.flatMap(({ methods }) => methods))].sort();
}

function answerError(logger: Logger, ctx: Context, error: unknown): void {
  const problem = problemOf(error);
  if (problem === null || problem.kind === PROBLEM_KINDS.internal) {
    logger.error({ err: error, method: ctx.method, path: ctx.path, requestId: requestIdOf(ctx) }, 'request failed');
  }
  sendProblem(ctx, problem ?? INTERNAL);
}

const INTERNAL: Problem = {
  kind: PROBLEM_KINDS.internal,
  detail: 'something went wrong here; the log of this node says more under the X-Request-Id of this answer',
};

/**
 * What Koa reports after the answer has begun: a client that left is nobody's fault, the rest cut
 * the answer short.
 */
function logStreamError(logger: Logger, error: unknown, ctx?: Context): void {
  const facts = ctx === undefined ? {} : { method: ctx.method, path: ctx.path, requestId: requestIdOf(ctx) };
  const code = systemErrorCode(error);
  if (code !== undefined && CLIENT_LEFT.has(code)) logger.debug({ ...facts, code }, 'client left');
  else logger.error({ ...facts, err: error }, 'answer cut short');
}

const CLIENT_LEFT = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE']);

function logWhenDone(logger: Logger, ctx: Context): void {
  const startedAt = performance.now();
  const { method, path, res } = ctx;
  const requestId = requestIdOf(ctx);
  res.once('close', () => {
    const elapsedMs = Math.round((performance.now() - startedAt) * 10) / 10;
    logger.debug(
      { method, path, status: res.statusCode, elapsedMs, requestId, complete: res.writableFinished },
      'request done',
    );
  });
}
