/**
 * What an orchestrator asks: does the process run (`/livez`), and would it do its work now
 * (`/readyz`)?
 */
import type Router from '@koa/router';
import { PROBLEM_KINDS, sendProblem } from './problem';

/** The sentence says why not, and what would end it. */
type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Paths that need no token. */
export const PROBE_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz']);

export function addProbeRoutes(router: Router, readiness: () => Readiness): void {
  router.get('/livez', (ctx) => {
    ctx.body = { status: 'ok' };
  });
  router.get('/readyz', (ctx) => {
    const state = readiness();
    if (state.ready) ctx.body = { status: 'ready' };
    else sendProblem(ctx, { kind: PROBLEM_KINDS.notReady, detail: state.reason });
  });
}
