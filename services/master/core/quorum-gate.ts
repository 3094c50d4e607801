/**
 * Decides whether enough nodes are alive to accept appends: a majority, the master included.
 * Without one an entry could not be committed, so the client is refused at once instead of waiting.
 * Reads and waiting requests are not affected.
 *
 * Safety does not depend on this gate. An entry that is acknowledged with w ≥ m is safe by the
 * commit rule alone.
 */
import { majority, nodeCount } from '#protocol/write-concern';

/** The result of the gate. Counts are numbers of nodes. */
export interface Quorum {
  /** Nodes that must be alive, the master included. */
  readonly required: number;
  /** Nodes that are alive, the master included. */
  readonly alive: number;
  readonly ok: boolean;
}

/**
 * Computes the gate.
 * @param members number of members, up or not
 * @param aliveMembers number of members that are Healthy or Suspected
 * @param enforced false: the gate is always open (QUORUM_APPEND=false)
 */
export function quorumOf(members: number, aliveMembers: number, enforced: boolean): Quorum {
  const required = majority(nodeCount(members));
  const alive = nodeCount(aliveMembers);
  return { required, alive, ok: !enforced || alive >= required };
}
