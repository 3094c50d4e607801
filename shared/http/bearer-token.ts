/**
 * Checks the bearer token (RFC 6750) of requests: with a token set, every request except the probes
 * must carry it as `Authorization: Bearer …`. SHA-256 digests are compared in constant time, so the
 * delay of an answer reveals neither the token nor its length.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { PROBE_PATHS } from './probe-routes';
import { PROBLEM_KINDS, type Problem } from './problem';

const REFUSAL: Problem = {
  kind: PROBLEM_KINDS.unauthorized,
  detail: 'send the header "Authorization: Bearer <token>" with the token of this log',
  headers: { 'WWW-Authenticate': 'Bearer' },
};

/** Refuses (401) a request that does not carry the token; null for one that does, and for a probe. */
export function tokenGuard(token: string): (ctx: Context) => Problem | null {
  const expected = digestOf(token);
  return (ctx) => {
    const given = /^bearer +(.*)$/i.exec(ctx.req.headers.authorization ?? '')?.[1];
    const isKnown = given !== undefined && timingSafeEqual(digestOf(given), expected);
    return isKnown || PROBE_PATHS.has(ctx.path) ? null : REFUSAL;
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
