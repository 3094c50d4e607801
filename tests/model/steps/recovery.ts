/**
 * Can a cluster go on by itself? All nodes and the broker are up and hear each other, no operator
 * helps and nothing more is lost: some master must come to reign, with every entry that was
 * acknowledged, and take another one.
 */
import { Cluster } from '../cluster';
import { isAhead } from '../rules';
import { identityOf, node, type State } from '../state';

/** The same cluster without the bounds of the search. */
export function unbounded({ setup, rules }: Cluster): Cluster {
  const most = { ...setup.most, epochs: Number.POSITIVE_INFINITY, entries: Number.POSITIVE_INFINITY };
  return new Cluster({ ...setup, most }, rules);
}

/** `cluster` is an unbounded one. */
export function recovers(cluster: Cluster, state: State): boolean {
  const stopped = {
    ...state,
    nodes: state.nodes.map((each) => (each.reign === null ? each : { ...each, reign: null })),
  };
  for (let at = 0; at < cluster.masters; at += 1) if (recoversWith(cluster, stopped, at)) return true;
  return false;
}

function recoversWith(cluster: Cluster, start: State, at: number): boolean {
  let state = start;
  for (let round = 0; round < 6; round += 1) {
    const next = stepTowardsReign(cluster, state, at);
    if (next === null) return false;
    state = next;
    if (node(state, at).reign !== null) return serves(cluster, state, at);
  }
  return false;
}

function stepTowardsReign(cluster: Cluster, state: State, at: number): State | null {
  const all = cluster.secondaryNumbers;
  const own = node(state, at);
  const { candidates } = cluster;
  if (own.log.list === null) {
    const begun = candidates.begin(state, at, all, 'whole');
    if (begun !== null) return begun;
  }
  const sources = all.filter((each) => isAhead(node(state, each).log, own.log) || own.log.list === null);
  for (const source of sources) {
    const adopted = candidates.adopt(state, at, source, all, 'all');
    if (adopted !== null) return adopted;
  }
  const known = all.filter((each) => !cluster.rules.isForeign(identityOf(node(state, each)), identityOf(own)));
  return candidates.claim(state, at, known);
}

function serves(cluster: Cluster, start: State, at: number): boolean {
  const all = cluster.secondaryNumbers;
  const catchUp = (state: State) => all.reduce((next, to) => cluster.reigns.sync(next, at, to, 'all') ?? next, state);
  let state = catchUp(start);
  for (let change = 0; change < 2 * cluster.nodes; change += 1) {
    const next = cluster.reigns.changeList(state, at, all);
    if (next === null) break;
    state = catchUp(next);
  }
  const appended = cluster.reigns.appendEntry(state, at);
  if (appended === null) return false;
  const done = catchUp(appended);
  const { log } = node(done, at);
  return done.acked.length > start.acked.length && done.acked.every((ack) => log.contains(ack));
}
