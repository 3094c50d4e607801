/** The echo: `POST /echo` answers with the message that it got. The smallest service on the stack that the log's nodes use. */
import Router from '@koa/router';
import type Koa from 'koa';
import type { Logger } from 'pino';
import { z } from 'zod';
import { createHttpApp, requestIdOf } from '../../shared/runtime/http-app';
import { createJsonBodyReader } from '../../shared/runtime/json-body';
import { addProbeRoutes } from '../../shared/runtime/probe-routes';
import { invalidRequest, sendProblem } from '../../shared/runtime/problem';
import { requestFaults } from '../../shared/runtime/request-faults';

const BODY_BYTES_MAX = 2 ** 20;

const bodySchema = z.object(
  { message: z.string({ error: ({ input }) => (input === undefined ? 'must be given' : 'must be a string') }) },
  { error: 'the body must be a JSON object' },
);

export interface EchoAppOptions {
  readonly logger: Logger;
  /** Aborts when the server stops: `HttpServer.stopping`. */
  readonly stopping: AbortSignal;
}

export function createEchoApp({ logger, stopping }: EchoAppOptions): Koa {
  const router = new Router();
  const readBody = createJsonBodyReader({ bytesMax: BODY_BYTES_MAX });
  addProbeRoutes(router, () => ({ ready: true }));
  router.post('/echo', async (ctx) => {
    const body = await readBody(ctx);
    if ('problem' in body) {
      sendProblem(ctx, body.problem);
      return;
    }
    const read = bodySchema.safeParse(body.value);
    if (!read.success) {
      sendProblem(ctx, invalidRequest(requestFaults(read.error)));
      return;
    }
    const { message } = read.data;
    logger.info({ requestId: requestIdOf(ctx), bytes: Buffer.byteLength(message) }, 'echo');
    ctx.body = { message };
  });
  return createHttpApp({ logger, router, stopping });
}
