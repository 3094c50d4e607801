/**
 * A secondary's HTTP edge: it is read from, and says how it is; appends are the master's, and it
 * says where that is.
 */
import Router from '@koa/router';
import type Koa from 'koa';
import type { Context } from 'koa';
import type { Logger } from 'pino';
import { createHttpApp, type EdgeSettings } from '#http/app';
import { addProbeRoutes } from '#http/probe-routes';
import type { Problem } from '#http/problem';
import { addReadingRoutes } from '#http/reading/routes';
import { CLIENT_LIMITS } from '#process/node-settings';
import { addFaultRoutes } from './fault-routes';
import type { SecondaryPort } from './ports';

interface SecondaryAppOptions {
  readonly secondary: SecondaryPort;
  readonly logger: Logger;
  /** Aborts when the server stops: `HttpServer.stopping`. */
  readonly stopping: AbortSignal;
  readonly settings: {
    readonly faultInjection: boolean;
    readonly http: EdgeSettings;
  };
}

export function createSecondaryApp({ secondary, logger, stopping, settings }: SecondaryAppOptions): Koa {
  const { http, faultInjection } = settings;
  const router = new Router();
  const { stalledMs } = { ...CLIENT_LIMITS, ...http.limits };
  addReadingRoutes(router, { reader: secondary.reader, stopping, ...http.limits });
  addProbeRoutes(router, () => secondary.readiness());
  router.get('/health', (ctx) => {
    ctx.body = secondary.health();
  });
  if (faultInjection) addFaultRoutes(router, secondary, { bytesMax: http.bodyBytesMax, stalledMs });
  const wrongMethod = (ctx: Context) => (isAppend(ctx) ? appendElsewhere(secondary.masterUrl()) : null);
  return createHttpApp({ logger, router, stopping, wrongMethod, http });
}

function isAppend({ method, path }: Context): boolean {
  return method === 'POST' && (path === '/messages' || path === '/messages/');
}

function appendElsewhere(masterUrl: string | null): Pick<Problem, 'detail' | 'members'> {
  const where = masterUrl === null ? 'the master, which this node has not heard of yet' : `the master: ${masterUrl}`;
  return {
    detail: `a secondary takes no appends; send them to ${where}`,
    members: { stored: false, ...(masterUrl === null ? {} : { master: masterUrl }) },
  };
}
