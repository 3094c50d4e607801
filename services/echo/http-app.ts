/**
 * The echo: `POST /echo` answers with the message that it got. The smallest service on the stack
 * that the log's nodes use; its bodies are read by koa-bodyparser, those of the log by hand
 * (shared/http/body/json.ts says why).
 */

import Router from '@koa/router';
import type Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import type { Logger } from 'pino';
import { z } from 'zod';
import { createHttpApp, requestIdOf } from '#http/app';
import { addProbeRoutes } from '#http/probe-routes';
import { invalidRequest, sendProblem } from '#http/problem';
import { requestFaults } from '#http/request-faults';
import { logEvent } from '#process/logger';

const BODY_BYTES_MAX = 2 ** 20;

const bodySchema = z.strictObject(
  { message: z.string({ error: ({ input }) => (input === undefined ? 'must be given' : 'must be a string') }) },
  { error: 'the body must be a JSON object' },
);

interface EchoAppOptions {
  readonly logger: Logger;
  /** Aborts when the server stops: `HttpServer.stopping`. */
  readonly stopping: AbortSignal;
}

export function createEchoApp({ logger, stopping }: EchoAppOptions): Koa {
  const router = new Router();
  const parse = bodyParser({ enableTypes: ['json'], jsonLimit: String(BODY_BYTES_MAX), strict: false });
  addProbeRoutes(router, () => ({ ready: true }));
  router.post('/echo', parse, (ctx) => {
    const read = bodySchema.safeParse(ctx.request.body);
    if (!read.success) {
      sendProblem(ctx, invalidRequest(requestFaults(read.error, bodySchema)));
      return;
    }
    const { message } = read.data;
    logEvent(logger, 'info', 'echo.answered', { requestId: requestIdOf(ctx), bytes: Buffer.byteLength(message) });
    ctx.body = { message };
  });
  return createHttpApp({ logger, router, stopping });
}
