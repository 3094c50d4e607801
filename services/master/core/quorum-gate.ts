/**
 * May the master take appends? Only while a majority of the nodes is believed to be alive, itself
 * among them: without one, what it took could not be committed, and a client would rather hear so
 * at once. Reads and requests that already wait are not concerned.
 *
 * The gate is a kindness, not the safety: what is acknowledged with w ≥ m is safe by the commit
 * rule alone.
 */
import { majority, nodeCount } from '#protocol/write-concern';

export interface Quorum {
  /** Nodes that must be alive, the master included. */
  readonly required: number;
  /** Nodes that are not Unhealthy, the master included. */
  readonly alive: number;
  readonly ok: boolean;
}

/** @param enforced false: the gate is always open (QUORUM_APPEND=false) */
export function quorumOf(members: number, aliveMembers: number, enforced: boolean): Quorum {
  const required = majority(nodeCount(members));
  const alive = nodeCount(aliveMembers);
  return { required, alive, ok: !enforced || alive >= required };
}
