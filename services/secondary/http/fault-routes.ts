/**
 * `GET /faults` and `PUT /faults`: which faults a secondary has, and changing them. A wrong PUT
 * changes nothing.
 */
import type Router from '@koa/router';
import { createJsonBodyReader, SMALL_BODY_BYTES_MAX } from '#http/body/json';
import type { BodyBounds } from '#http/body/raw';
import { invalidRequest, sendProblem } from '#http/problem';
import { requestFaults } from '#http/request-faults';
import { faultChangeSchema } from '../faults/settings';
import type { SecondaryPort } from './ports';

export function addFaultRoutes(router: Router, secondary: SecondaryPort, bounds: BodyBounds): void {
  const bytesMax = Math.min(bounds.bytesMax, SMALL_BODY_BYTES_MAX);
  const readBody = createJsonBodyReader({ ...bounds, bytesMax });
  router.get('/faults', (ctx) => {
    ctx.body = secondary.faults();
  });
  router.put('/faults', async (ctx) => {
    const body = await readBody(ctx);
    if ('problem' in body) {
      sendProblem(ctx, body.problem);
      return;
    }
    const change = faultChangeSchema.safeParse(body.value);
    if (!change.success) {
      sendProblem(ctx, invalidRequest(requestFaults(change.error, faultChangeSchema)));
      return;
    }
    secondary.setFaults(change.data);
    ctx.body = secondary.faults();
  });
}
