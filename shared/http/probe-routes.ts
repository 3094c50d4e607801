/**
 * Serves the probes of an orchestrator: whether the process is alive (`/livez`), and whether it is
 * ready to do its work (`/readyz`).
 */
import type Router from '@koa/router';
import { PROBLEM_KINDS, sendProblem } from './problem';

/** `reason` is a sentence that says why the node is not ready and what would make it ready. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Paths that need no bearer token. */
export const PROBE_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz']);

/** Adds both routes. `/livez` always answers 200, `/readyz` 200 or 503 with the reason. */
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
