/**
 * Builds the master's HTTP edge from its routes. The routes form the answers; the `MasterPort`
 * decides them.
 */
import Router from '@koa/router';
import type Koa from 'koa';
import type { Logger } from 'pino';
import { createHttpApp, type EdgeSettings } from '#http/app';
import { BodyBudget } from '#http/body/raw';
import { waitingPlaces } from '#http/places';
import { addProbeRoutes } from '#http/probe-routes';
import { addReadingRoutes } from '#http/reading/routes';
import { CLIENT_LIMITS } from '#process/node-settings';
import type { WriteConcern } from '#protocol/write-concern';
import { addAppendRoute } from './append/route';
import { addMemberRoutes } from './member-routes';
import type { MasterPort } from './ports';
import { addReplicationRoute } from './replication-route';

/** The parts and the limits of the HTTP edge. */
interface MasterAppOptions {
  readonly master: MasterPort;
  readonly logger: Logger;
  /** Aborts when the server stops: `HttpServer.stopping`. */
  readonly stopping: AbortSignal;
  readonly settings: {
    readonly defaultWriteConcern: WriteConcern;
    /** Largest message, in UTF-8 bytes. */
    readonly messageBytesMax: number;
    /** Bytes of all bodies that arrive at once. Left out: four of the largest bodies. */
    readonly inFlightBytesMax?: number;
    readonly logName: string;
    readonly http: EdgeSettings;
  };
}

/** Creates the koa application with all routes of a master. */
export function createMasterApp({ master, logger, stopping, settings }: MasterAppOptions): Koa {
  const { http, defaultWriteConcern, messageBytesMax, logName } = settings;
  const router = new Router();
  const { bodyBytesMax } = http;
  const budget = new BodyBudget(Math.max(bodyBytesMax, settings.inFlightBytesMax ?? 4 * bodyBytesMax));
  const { readersMax, waitMsMax, stalledMs } = { ...CLIENT_LIMITS, ...http.limits };
  const waits = waitingPlaces(readersMax);
  addAppendRoute(router, { master, defaultWriteConcern, messageBytesMax, bodyBytesMax, budget, stalledMs });
  addReadingRoutes(router, { reader: master.reader, stopping, waits, ...http.limits });
  addReplicationRoute(router, { master, defaultWriteConcern, waits, waitMsMax });
  addMemberRoutes(router, { master, logName, waits, bounds: { bytesMax: bodyBytesMax, stalledMs } });
  addProbeRoutes(router, () => master.readiness());
  router.get('/health', (ctx) => {
    ctx.body = master.health();
  });
  return createHttpApp({ logger, router, stopping, http });
}
