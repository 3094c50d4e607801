/**
 * Where a search can start beside an empty cluster: a log that is begun, and one of which all are
 * voters.
 */
import { Cluster } from '../cluster';
import { REAL_RULES } from '../rules';
import type { Setup } from '../setups';
import type { State } from '../state';

export type Start = 'empty' | 'young' | 'grown' | 'taken over' | 'an entry on two nodes';

/** By the real rules, under `auto`, whatever the search itself has. */
export function startAt(start: Start, setup: Setup): State {
  const cluster = new Cluster({ ...setup, mode: 'auto', logIdNamed: false }, REAL_RULES);
  return { empty: () => cluster.start(), young, grown, 'taken over': takenOver, 'an entry on two nodes': onTwoNodes }[
    start
  ](cluster);
}

/** The master is the only voter, and the first secondary has caught up. */
function young(cluster: Cluster): State {
  const begun = must(cluster.candidates.begin(cluster.start(), 0, cluster.secondaryNumbers, 'whole'));
  return must(cluster.reigns.sync(begun, 0, cluster.masters, 'all'));
}

/** Everybody is a voter and knows it, and nothing has been appended. */
function grown(cluster: Cluster): State {
  const changed = must(cluster.reigns.changeList(caughtUp(cluster, young(cluster), 0), 0, cluster.secondaryNumbers));
  return caughtUp(cluster, caughtUp(cluster, changed, 0), 0);
}

/**
 * The master has crashed with an entry that it had acknowledged: the first secondary has it, and
 * does not know that it is committed.
 */
function onTwoNodes(cluster: Cluster): State {
  const appended = must(cluster.reigns.appendEntry(grown(cluster), 0));
  const acked = must(cluster.reigns.sync(appended, 0, cluster.masters, 'all'));
  return { ...acked, nodes: acked.nodes.map((each) => ({ ...each, reign: null })) };
}

/** The standby reigns, and the list is still that of the former master. */
function takenOver(cluster: Cluster): State {
  const all = cluster.secondaryNumbers;
  const state = grown(cluster);
  const nodes = state.nodes.map((each) => ({ ...each, reign: null }));
  const taken = must(cluster.candidates.adopt({ ...state, nodes }, 1, cluster.masters, all, 'all'));
  return caughtUp(cluster, must(cluster.candidates.claim(taken, 1, all)), 1);
}

function caughtUp(cluster: Cluster, state: State, master: number): State {
  return cluster.secondaryNumbers.reduce((next, to) => cluster.reigns.sync(next, master, to, 'all') ?? next, state);
}

function must(state: State | null): State {
  if (state === null) throw new Error('the rules do not allow the start of this search');
  return state;
}
