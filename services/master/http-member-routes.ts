/**
 * The members over HTTP: who they are and how they do, taking one out for good, and the last resort when a majority is lost.
 *
 * To force a new list is never automatic, and needs the log's name in its body: it gives up what only the lost voters had.
 */
import type Router from '@koa/router';
import { z } from 'zod';
import { createJsonBodyReader } from '../../shared/runtime/json-body';
import { invalidRequest, PROBLEM_KINDS, type ProblemKind, sendProblem } from '../../shared/runtime/problem';
import { requestFaults } from '../../shared/runtime/request-faults';
import { refusedProblem } from './http-append-answer';
import type { MasterPort } from './http-ports';

const NOT_RECOVERING: ProblemKind = { name: 'not-recovering', status: 409, title: 'There is nothing to force' };

export interface MemberRoutesOptions {
  readonly master: MasterPort;
  readonly logName: string;
  readonly bodyBytesMax: number;
}

export function addMemberRoutes(router: Router, { master, logName, bodyBytesMax }: MemberRoutesOptions): void {
  router.get('/members', (ctx) => {
    ctx.body = master.members();
  });
  router.delete('/members/:id', async (ctx) => {
    const id = ctx.params.id ?? '';
    const removal = await master.removeMember(id);
    if (removal.outcome === 'removed') ctx.status = 204;
    else if (removal.outcome === 'refused') sendProblem(ctx, refusedProblem(removal));
    else sendProblem(ctx, { kind: PROBLEM_KINDS.notFound, detail: `${id} is no member of this log` });
  });
  addForceRoute(router, { master, logName, bodyBytesMax });
}

function addForceRoute(router: Router, { master, logName, bodyBytesMax }: MemberRoutesOptions): void {
  const readBody = createJsonBodyReader({ bytesMax: bodyBytesMax });
  const rule = `must be the name of this log, ${logName}`;
  const schema = z.object({ log: z.literal(logName, { error: rule }) }, { error: 'must be a JSON object' });
  router.post('/members/force', async (ctx) => {
    const body = await readBody(ctx);
    if ('problem' in body) return sendProblem(ctx, body.problem);
    const request = schema.safeParse(body.value);
    if (!request.success) return sendProblem(ctx, invalidRequest(requestFaults(request.error)));
    if (master.force()) {
      ctx.status = 202;
      ctx.body = { forced: true, log: logName };
      return undefined;
    }
    const detail = 'this master is not waiting for a majority of the voters, so none of them is to be given up';
    return sendProblem(ctx, { kind: NOT_RECOVERING, detail });
  });
}
