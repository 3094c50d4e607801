/**
 * `GET /messages/:seq/replication`: who holds the entry now; with `w` or `timeoutMs` it waits, as
 * an append does, until the concern is met, and answers as an append does when it is not.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { invalidRequest, sendProblem } from '#http/problem';
import { noSuchEntry, seqParameter } from '#http/reading/routes';
import { HttpClient } from '#http/wait-signal';
import type { WriteConcern } from '#protocol/write-concern';
import { problemOfOutcome } from './append/answer';
import type { MasterPort } from './ports';
import { parseWaitQuery } from './wait-query';

export interface ReplicationOptions {
  readonly master: MasterPort;
  readonly defaultWriteConcern: WriteConcern;
}

export function addReplicationRoute(router: Router, options: ReplicationOptions): void {
  router.get('/messages/:seq/replication', (ctx) => sendReplication(ctx, options));
}

async function sendReplication(ctx: Context, { master, defaultWriteConcern }: ReplicationOptions): Promise<void> {
  const seq = seqParameter(ctx.params.seq);
  const query = parseWaitQuery(ctx.query);
  if ('faults' in query) return sendProblem(ctx, invalidRequest(query.faults));
  if (query.writeConcern === null && query.timeoutMs === null) return sendState(ctx, master, seq, null);
  const { writeConcern, timeoutMs } = query;
  const request = { seq, writeConcern: writeConcern ?? defaultWriteConcern, timeoutMs };
  const outcome = await master.awaitConcern(request, new HttpClient(ctx.res));
  if (outcome === null) throw noSuchEntry(seq, master.reader.position());
  if (outcome.outcome === 'acknowledged') return sendState(ctx, master, seq, outcome.w);
  // Nothing was to be stored, so nothing is said about it, but for an entry whose fate is open.
  const { members = {}, ...problem } = problemOfOutcome(outcome);
  const { stored, ...others } = members;
  return sendProblem(ctx, { ...problem, members: stored === false ? others : members });
}

/** @param w what was waited for; null: as many as there are */
function sendState(ctx: Context, master: MasterPort, seq: number, w: number | null): void {
  const state = master.replication(seq);
  if (state === null) throw noSuchEntry(seq, master.reader.position());
  ctx.body = { seq, acks: state.acks, committed: state.committed, w: w ?? state.acks.length };
}
