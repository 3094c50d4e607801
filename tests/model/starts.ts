/** Where a search can start beside an empty cluster: a log that is begun, and one of which all are voters. */
import { Cluster } from './cluster';
import { REAL_RULES } from './rules';
import type { Setup } from './setups';
import type { State } from './state';

export type Start = 'empty' | 'young' | 'grown' | 'taken over';

/** By the real rules, under `auto`, whatever the search itself has. */
export function startAt(start: Start, setup: Setup): State {
  const cluster = new Cluster({ ...setup, mode: 'auto', logIdNamed: false }, REAL_RULES);
  return { empty: () => cluster.start(), young, grown, 'taken over': takenOver }[start](cluster);
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
