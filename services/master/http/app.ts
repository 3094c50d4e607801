/**
 * The master's HTTP edge: which paths there are. What they answer is decided by the routes, what is
 * true by the `MasterPort`.
 */
import Router from '@koa/router';
import type Koa from 'koa';
import type { Logger } from 'pino';
import { createHttpApp } from '#http/app';
import { BodyBudget } from '#http/body/raw';
import { addProbeRoutes } from '#http/probe-routes';
import { addReadingRoutes } from '#http/reading/routes';
import type { WriteConcern } from '#protocol/write-concern';
import { addAppendRoute } from './append/route';
import { addMemberRoutes } from './member-routes';
import type { MasterPort } from './ports';
import { addReplicationRoute } from './replication-route';

export interface MasterAppOptions {
  readonly master: MasterPort;
  readonly logger: Logger;
  /** Aborts when the server stops: `HttpServer.stopping`. */
  readonly stopping: AbortSignal;
  readonly settings: {
    readonly defaultWriteConcern: WriteConcern;
    readonly messageBytesMax: number;
    /** Left out: four of the largest bodies. */
    readonly inFlightBytesMax?: number;
    readonly logName: string;
    readonly http: { readonly bodyBytesMax: number; readonly apiToken: string | null };
  };
}

export function createMasterApp({ master, logger, stopping, settings }: MasterAppOptions): Koa {
  const { http, defaultWriteConcern, messageBytesMax, logName } = settings;
  const router = new Router();
  const { bodyBytesMax } = http;
  const budget = new BodyBudget(Math.max(bodyBytesMax, settings.inFlightBytesMax ?? 4 * bodyBytesMax));
  addAppendRoute(router, { master, defaultWriteConcern, messageBytesMax, bodyBytesMax, budget });
  addReadingRoutes(router, { reader: master.reader, stopping });
  addReplicationRoute(router, { master, defaultWriteConcern });
  addMemberRoutes(router, { master, logName, bodyBytesMax: http.bodyBytesMax });
  addProbeRoutes(router, () => master.readiness());
  router.get('/health', (ctx) => {
    ctx.body = master.health();
  });
  return createHttpApp({ logger, router, stopping, apiToken: http.apiToken });
}
