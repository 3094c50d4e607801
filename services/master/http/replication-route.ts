/**
 * Serves `GET /messages/:seq/replication`: the nodes that hold the entry. With `w` or `timeoutMs`
 * the request waits, as an append does, and fails as an append does.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import type { Places } from '#http/places';
import { invalidRequest, sendProblem } from '#http/problem';
import { readsQuery } from '#http/query';
import { noSuchEntry, seqParameter } from '#http/reading/routes';
import { HttpClient } from '#http/wait-signal';
import type { WriteConcern } from '#protocol/write-concern';
import { committedAt, problemOfOutcome } from './append/answer';
import type { MasterPort } from './ports';
import { parseWaitQuery } from './wait-query';

/** The parts of the route. `defaultWriteConcern` applies to a request with only `timeoutMs`. */
interface ReplicationOptions {
  readonly master: MasterPort;
  readonly defaultWriteConcern: WriteConcern;
  /** For those who wait. */
  readonly waits: Places;
  /** Longest wait. */
  readonly waitMsMax: number;
}

/** Adds the route to `router`. */
export function addReplicationRoute(router: Router, options: ReplicationOptions): void {
  router.get(
    '/messages/:seq/replication',
    readsQuery((ctx) => sendReplication(ctx, options)),
  );
}

async function sendReplication(ctx: Context, options: ReplicationOptions): Promise<void> {
  const { master, defaultWriteConcern, waits, waitMsMax } = options;
  const seq = seqParameter(ctx.params.seq);
  const query = parseWaitQuery(ctx.query);
  if ('faults' in query) return sendProblem(ctx, invalidRequest(query.faults));
  if (query.writeConcern === null && query.timeoutMs === null) return sendState(ctx, master, seq, null);
  const { writeConcern } = query;
  const timeoutMs = Math.min(query.timeoutMs ?? waitMsMax, waitMsMax);
  const request = { seq, writeConcern: writeConcern ?? defaultWriteConcern, timeoutMs };
  const outcome = await waits.within(() => master.awaitConcern(request, new HttpClient(ctx.res)));
  if (outcome === null) throw noSuchEntry(seq, master.reader.position());
  if (outcome.outcome === 'acknowledged') return sendState(ctx, master, seq, outcome.w);
  // Nothing was to be stored, so nothing is said about it, but for an entry whose fate is open.
  const { members = {}, ...problem } = problemOfOutcome(outcome, committedAt(master));
  const { stored, ...others } = members;
  return sendProblem(ctx, { ...problem, members: stored === false ? others : members });
}

/** @param w number of nodes that the request waited for; null: it did not wait */
function sendState(ctx: Context, master: MasterPort, seq: number, w: number | null): void {
  const state = master.replication(seq);
  if (state === null) throw noSuchEntry(seq, master.reader.position());
  ctx.body = { seq, acks: state.acks, committed: state.committed, w: w ?? state.acks.length };
}
