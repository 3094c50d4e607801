/**
 * Serves `/members`: shows the members, removes and admits members, and forces a configuration when
 * a majority of the voters is lost.
 *
 * A force is never automatic, and its body must name the log, because entries that only the lost
 * voters had are lost.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import { createJsonBodyReader, SMALL_BODY_BYTES_MAX } from '#http/body/json';
import type { BodyBounds } from '#http/body/raw';
import type { Places } from '#http/places';
import { invalidRequest, PROBLEM_KINDS, type Problem, type ProblemKind, sendProblem } from '#http/problem';
import { requestFaults } from '#http/request-faults';
import { NAME_PATTERN } from '#protocol/topology';
import type { ForcePlan, ForceRefusal } from '../core/election/force';
import type { MemberChange } from '../core/events';
import { refusedProblem } from './append/answer';
import type { MasterPort } from './ports';

const OWN_NODE: ProblemKind = { name: 'own-node', status: 409, title: 'The master is no member of its own' };
const SUPERSEDED: ProblemKind = { name: 'superseded', status: 409, title: 'Another request came between' };
const NOT_YET: ProblemKind = { name: 'not-yet', status: 409, title: 'The force is being prepared' };

const FORCE_REFUSALS: Readonly<Record<ForceRefusal, ProblemKind>> = {
  'not-recovering': { name: 'not-recovering', status: 409, title: 'There is nothing to force' },
  standby: { name: 'standby', status: 503, title: 'This node is not the master' },
  'nothing-to-force': { name: 'nothing-to-force', status: 409, title: 'No node that was heard holds this log' },
  ambiguous: { name: 'ambiguous', status: 409, title: 'Several logs were heard of' },
  'log-exists': { name: 'log-exists', status: 409, title: 'There is a log already' },
};

/** Seconds after which a force that is being prepared may be ready. */
const FORCE_RETRY_AFTER_S = 1;

/** The parts of the routes. */
interface MemberRoutesOptions {
  readonly master: MasterPort;
  readonly logName: string;
  /** For those who wait until a change is committed. */
  readonly waits: Places;
  /** Of the bodies, which are small in any case. */
  readonly bounds: BodyBounds;
}

/** Adds the routes to `router`. */
export function addMemberRoutes(router: Router, options: MemberRoutesOptions): void {
  const { master, waits, bounds } = options;
  router.get('/members', (ctx) => {
    ctx.body = master.members();
  });
  router.get('/members/:id', (ctx, next) => {
    if (ctx.params.id === 'force') return next();
    const member = master.members().find(({ id }) => id === ctx.params.id);
    if (member === undefined) sendProblem(ctx, noMember(ctx.params.id ?? ''));
    else ctx.body = member;
    return undefined;
  });
  router.delete('/members/:id', async (ctx) => {
    const id = ctx.params.id ?? '';
    const change = await waits.within(() => master.removeMember(id));
    if (change.outcome === 'done') ctx.status = 204;
    else sendUnchanged(ctx, id, change);
  });
  const readBody = createJsonBodyReader({ ...bounds, bytesMax: Math.min(bounds.bytesMax, SMALL_BODY_BYTES_MAX) });
  addAdmitRoute(router, options, readBody);
  addForceRoutes(router, options, readBody);
}

type BodyReader = ReturnType<typeof createJsonBodyReader>;

const ADMIT = z.strictObject(
  { id: z.string({ error: 'must be a string' }).regex(NAME_PATTERN, 'must be 1 to 64 letters, digits, "-" or "_"') },
  { error: 'must be a JSON object with the id of a node' },
);

function addAdmitRoute(router: Router, { master, waits }: MemberRoutesOptions, readBody: BodyReader): void {
  router.post('/members', async (ctx) => {
    const body = await readBody(ctx);
    if ('problem' in body) return sendProblem(ctx, body.problem);
    const request = ADMIT.safeParse(body.value);
    if (!request.success) return sendProblem(ctx, invalidRequest(requestFaults(request.error, ADMIT)));
    const { id } = request.data;
    const change = await waits.within(() => master.admitMember(id));
    if (change.outcome !== 'done') return sendUnchanged(ctx, id, change);
    ctx.status = change.isNew ? 201 : 200;
    ctx.set('Location', `/members/${id}`);
    ctx.body = master.members().find((member) => member.id === id) ?? { id };
    return undefined;
  });
}

function sendUnchanged(ctx: Context, id: string, change: Exclude<MemberChange, { readonly outcome: 'done' }>): void {
  if (change.outcome === 'refused') sendProblem(ctx, refusedProblem(change));
  else if (change.outcome === 'unknown') sendProblem(ctx, noMember(id));
  else if (change.outcome === 'superseded')
    sendProblem(ctx, { kind: SUPERSEDED, detail: `another request has asked for the opposite for ${id} meanwhile` });
  else sendProblem(ctx, { kind: OWN_NODE, detail: `${id} is the master itself, and not among its members` });
}

function noMember(id: string): Problem {
  return { kind: PROBLEM_KINDS.notFound, detail: `"${id}" is not a member of this log` };
}

function addForceRoutes(router: Router, { master, logName, waits }: MemberRoutesOptions, readBody: BodyReader): void {
  const error = `must be the name of this log, ${logName}, or "new" where there is no log`;
  const schema = z.strictObject({ log: z.literal([logName, 'new'], { error }) }, { error: 'must be a JSON object' });
  router.get('/members/force', (ctx) => {
    const { [logName]: force, new: begin } = { [logName]: master.forcePlan('best'), new: master.forcePlan('new') };
    ctx.body = { log: logName, ...force, new: begin };
  });
  router.post('/members/force', async (ctx) => {
    const body = await readBody(ctx);
    if ('problem' in body) return sendProblem(ctx, body.problem);
    const request = schema.safeParse(body.value);
    if (!request.success) return sendProblem(ctx, invalidRequest(requestFaults(request.error, schema)));
    const { log } = request.data;
    sendForced(ctx, await waits.within(() => master.force(log === logName ? 'best' : 'new')), log);
    return undefined;
  });
}

function sendForced(ctx: Context, plan: ForcePlan, log: string): void {
  if (plan.state === 'ready') {
    ctx.status = 202;
    ctx.body = { forced: true, log, from: plan.from, lastSeq: plan.lastSeq, detail: plan.detail };
  } else if (plan.state === 'refused') {
    sendProblem(ctx, { kind: FORCE_REFUSALS[plan.problem], detail: plan.detail });
  } else {
    const { state, detail, from } = plan;
    const headers = { 'Retry-After': String(FORCE_RETRY_AFTER_S) };
    const said = `${detail} Nothing is forced yet: ask again.`;
    sendProblem(ctx, { kind: NOT_YET, detail: said, members: { state, from }, headers });
  }
}
