/**
 * Checks the bearer token (RFC 6750) of requests: with a token set, every request except the probes
 * must carry it as `Authorization: Bearer …`. SHA-256 digests are compared in constant time, so the
 * delay of an answer reveals neither the token nor its length.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Middleware } from 'koa';
import { PROBE_PATHS } from './probe-routes';
import { PROBLEM_KINDS, type Problem, sendRefusal } from './problem';

const REFUSAL: Problem = {
  kind: PROBLEM_KINDS.unauthorized,
  detail: 'send the header "Authorization: Bearer <token>" with the token of this log',
  headers: { 'WWW-Authenticate': 'Bearer' },
};

/**
 * Middleware that answers 401 with `WWW-Authenticate: Bearer` when the request does not carry the
 * token.
 */
export function requireBearerToken(token: string): Middleware {
  const expected = digestOf(token);
  return async (ctx, next) => {
    const given = /^bearer +(.*)$/i.exec(ctx.get('Authorization'))?.[1];
    const isKnown = given !== undefined && timingSafeEqual(digestOf(given), expected);
    if (isKnown || PROBE_PATHS.has(ctx.path)) await next();
    else sendRefusal(ctx, REFUSAL);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
