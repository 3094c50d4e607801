/**
 * Who may ask at all: with a token set, every request but the probes must carry it as
 * `Authorization: Bearer …`. Digests are compared, in constant time, so an answer's delay tells
 * neither the token nor its length.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Middleware } from 'koa';
import { PROBE_PATHS } from './probe-routes';
import { PROBLEM_KINDS, type Problem, sendProblem } from './problem';

const REFUSAL: Problem = {
  kind: PROBLEM_KINDS.unauthorized,
  detail: 'send the header "Authorization: Bearer <token>" with the token of this log',
  headers: { 'WWW-Authenticate': 'Bearer' },
};

export function requireBearerToken(token: string): Middleware {
  const expected = digestOf(token);
  return async (ctx, next) => {
    const given = /^bearer +(.*)$/i.exec(ctx.get('Authorization'))?.[1];
    const isKnown = given !== undefined && timingSafeEqual(digestOf(given), expected);
    if (isKnown || PROBE_PATHS.has(ctx.path)) await next();
    else sendProblem(ctx, REFUSAL);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
