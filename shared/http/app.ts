/**
 * Creates the Koa app that every service is built on, with what is the same for every request: a
 * request id on every answer, problem details (RFC 9457) for every error, `Connection: close` while
 * the server stops, and a log line per request at debug level (at info it costs a fifth of the
 * request rate).
 *
 * Paths and methods are the router's. A request that it leaves unanswered gets 404, or 405 with
 * `Allow` when the path exists.
 */

import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type Router from '@koa/router';
import type { Layer } from '@koa/router';
import Koa, { type Context, type Middleware, type Next } from 'koa';
import type { Logger } from 'pino';
import { logEvent } from '#process/logger';
import { CLIENT_LIMITS, type ClientLimits } from '#process/node-settings';
import { systemErrorCode } from '#process/system-error';
import { tokenGuard } from './bearer-token';
import { type Address, hostGuard, isLoopback } from './known-host';
import { PROBLEM_KINDS, type Problem, problemOf, sendProblem, sendRefusal } from './problem';
import { refuseQueries } from './query';
import { textAnswerOf, writeText } from './text-answer';

/** The settings of a node that its HTTP edge needs. Without `host` any `Host` is served. */
export interface EdgeSettings extends Partial<Address> {
  readonly bodyBytesMax: number;
  /** Bearer token that every request except the probes must carry; null for none. */
  readonly apiToken: string | null;
  /** Left out: the defaults. */
  readonly limits?: ClientLimits;
}

/** The service-specific parts of an app. */
interface HttpAppOptions {
  readonly logger: Logger;
  readonly router: Router;
  /** Aborts when the server stops taking requests. */
  readonly stopping: AbortSignal;
  /** Left out: no token, any `Host`, default limits. */
  readonly http?: EdgeSettings;
  /** Explains a method that is not allowed at a path; null for the general explanation. */
  readonly wrongMethod?: (ctx: Context) => Pick<Problem, 'detail' | 'members'> | null;
}

/**
 * Request ids that are adopted from the client. Other characters could forge a line in a log that
 * shows them.
 */
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._:/+=@~-]{1,128}$/;

/**
 * The app; `HttpServer.listen` serves it. An error that no handler caught is answered with 500 and
 * logged.
 */
export function createHttpApp(options: HttpAppOptions): Koa {
  const app = new Koa();
  const { logger, router, http } = options;
  app.on('error', (error: unknown, ctx?: Context) => logStreamError(logger, error, ctx));
  const { stalledMs } = http?.limits ?? CLIENT_LIMITS;
  const edge: Edge = { ...options, guard: guardOf(http), exact: exactRoutes(router), stalledMs };
  app.use((ctx, next) => answer(edge, ctx, next));
  app.use(refuseQueries(router));
  app.use(router.routes());
  return app;
}

/** What an app knows when it answers a request. */
interface Edge extends HttpAppOptions {
  readonly guard: Guard;
  readonly exact: ReadonlyMap<string, Middleware>;
  readonly stalledMs: number;
}

/** Looks at a request before its handler does; null: let it pass. */
type Guard = (ctx: Context) => Problem | null;

/** What refuses a request before it is looked at: the token; without one, on loopback, the host. */
function guardOf(http?: EdgeSettings): Guard {
  if (http?.apiToken) return tokenGuard(http.apiToken);
  if (http?.host !== undefined && isLoopback(http.host)) return hostGuard({ publicUrl: http.publicUrl ?? null });
  return () => null;
}

/**
 * The handlers of the routes without parameters, by method and URL. The router tries the regular
 * expression of every route and composes a chain for every request; it gets what is not here: a
 * query, a parameter, another way to write a path. The router must have no middleware of its own
 * (`router.use`): it would be passed by.
 */
function exactRoutes(router: Router): ReadonlyMap<string, Middleware> {
  const plain = router.stack.filter(({ paramNames, stack }) => paramNames.length === 0 && stack.length === 1);
  return new Map(
    plain.flatMap(({ methods, path, stack }) => methods.map((method) => [`${method} ${path}`, stack[0] as Middleware])),
  );
}

/** The id of this request, which its answer carries as X-Request-Id. */
export function requestIdOf(ctx: Context): string {
  return ctx.state.requestId as string;
}

async function answer(edge: Edge, ctx: Context, next: Next): Promise<void> {
  const { logger } = edge;
  ctx.state.requestId = requestIdFor(ctx);
  if (logger.isLevelEnabled('debug')) logWhenDone(logger, ctx);
  try {
    await handle(edge, ctx, next);
    if (textAnswerOf(ctx) === undefined && ctx.body === undefined && ctx.status === 404) answerUnrouted(edge, ctx);
  } catch (error) {
    answerError(logger, ctx, error);
  }
  send(edge, ctx);
}

function handle({ guard, exact }: Edge, ctx: Context, next: Next): unknown {
  const refusal = guard(ctx);
  if (refusal !== null) return sendRefusal(ctx, refusal);
  const handler = exact.get(`${ctx.req.method} ${ctx.req.url}`);
  return handler === undefined ? next() : handler(ctx, next);
}

/** Writes a text, or sets the headers of the body that Koa writes. A tail has sent its own. */
function send({ stopping, stalledMs }: Edge, ctx: Context): void {
  if (ctx.headerSent) return;
  if (stopping.aborted) ctx.set('Connection', 'close');
  const text = textAnswerOf(ctx);
  if (text === undefined) ctx.set('X-Request-Id', requestIdOf(ctx));
  else writeText(ctx, text, requestIdOf(ctx));
  if (text === undefined || ctx.res.writableLength > 0) cutOffStalled(ctx.res, stalledMs);
}

/**
 * Ends the connection of a client that takes nothing of what waits to be sent. Silence while nothing
 * waits is this node's own, which reads the log. The limit is the answer's and not the connection's:
 * the next request on it may wait for long.
 */
function cutOffStalled(response: ServerResponse, stalledMs: number): void {
  response.setTimeout(stalledMs, () => {
    if (response.writableLength > 0) response.destroy();
    else response.setTimeout(stalledMs);
  });
  response.prependOnceListener('finish', () => response.socket?.setTimeout(0));
}

function requestIdFor(ctx: Context): string {
  const theirs = ctx.req.headers['x-request-id'];
  return typeof theirs === 'string' && REQUEST_ID_PATTERN.test(theirs) ? theirs : randomUUID();
}

function answerUnrouted({ wrongMethod }: Edge, ctx: Context): void {
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

/** Methods of the routes at the request's path; empty when there is no such path. */
function methodsAt(ctx: Context): readonly string[] {
  const layers = (ctx as { matched?: readonly Layer[] }).matched ?? [];
  return [...new Set(layers.flatMap(({ methods }) => methods))].sort();
}

function answerError(logger: Logger, ctx: Context, error: unknown): void {
  const problem = problemOf(error);
  if (problem === null || problem.kind === PROBLEM_KINDS.internal) {
    logEvent(logger, 'error', 'http.request-failed', {
      err: error,
      method: ctx.method,
      path: ctx.path,
      requestId: requestIdOf(ctx),
    });
  }
  sendProblem(ctx, problem ?? INTERNAL);
}

const INTERNAL: Problem = {
  kind: PROBLEM_KINDS.internal,
  detail: 'something went wrong here; the log of this node says more under the X-Request-Id of this answer',
};

/**
 * Koa reports here errors after the answer has begun. A client that left is logged at debug; any
 * other error has cut the answer short.
 */
function logStreamError(logger: Logger, error: unknown, ctx?: Context): void {
  const facts = ctx === undefined ? {} : { method: ctx.method, path: ctx.path, requestId: requestIdOf(ctx) };
  const code = systemErrorCode(error);
  if (code !== undefined && CLIENT_LEFT.has(code)) logEvent(logger, 'debug', 'http.client-left', { ...facts, code });
  else logEvent(logger, 'error', 'http.answer-cut', { ...facts, err: error });
}

const CLIENT_LEFT = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE']);

function logWhenDone(logger: Logger, ctx: Context): void {
  const startedAt = performance.now();
  const { method, path, res } = ctx;
  const requestId = requestIdOf(ctx);
  res.once('close', () => {
    const elapsedMs = Math.round((performance.now() - startedAt) * 10) / 10;
    logEvent(logger, 'debug', 'http.request-done', {
      method,
      path,
      status: res.statusCode,
      elapsedMs,
      requestId,
      complete: res.writableFinished,
    });
  });
}
