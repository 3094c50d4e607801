/**
 * Computes majorities of voters. A configuration changes by one voter at a time, so that any majority
 * of the old one and any majority of the new one have a voter in common (Raft thesis §4.1).
 */
import type { Voter } from './record';
import { majority } from './write-concern';

/** Whether both are the same node with the same store. */
export function sameVoter(a: Voter, b: Voter): boolean {
  return a.node === b.node && a.store === b.store;
}

/** Whether the list contains this node with this store. */
export function includesVoter(voters: readonly Voter[], voter: Voter): boolean {
  return voters.some((each) => sameVoter(each, voter));
}

/**
 * Whether the voters for which `holds` returns true are a majority of the list. Never for an empty
 * list.
 */
export function isMajority(voters: readonly Voter[], holds: (voter: Voter) => boolean): boolean {
  return voters.length > 0 && voters.filter(holds).length >= majority(voters.length);
}

/**
 * The highest index that a majority of the list holds, where `indexOf` gives what a voter holds; 0
 * for an empty list.
 */
export function majorityIndex(voters: readonly Voter[], indexOf: (voter: Voter) => number): number {
  if (voters.length === 0) return 0;
  const descending = voters.map(indexOf).sort((a, b) => b - a);
  return descending[majority(voters.length) - 1] ?? 0;
}
