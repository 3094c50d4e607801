/**
 * Majorities of voters. A voters list changes by one voter at a time, so that any majority of the
 * old list and any of the new one share a voter (Raft thesis §4.1).
 */
import type { Voter } from './record';
import { majority } from './write-concern';

export function sameVoter(a: Voter, b: Voter): boolean {
  return a.node === b.node && a.store === b.store;
}

export function includesVoter(voters: readonly Voter[], voter: Voter): boolean {
  return voters.some((each) => sameVoter(each, voter));
}

/** Do the voters for which `holds` is true make a majority of the list? An empty list has none. */
export function isMajority(voters: readonly Voter[], holds: (voter: Voter) => boolean): boolean {
  return voters.length > 0 && voters.filter(holds).length >= majority(voters.length);
}

/**
 * The highest index that a majority of the list holds, given what each holds; 0 for an empty list.
 */
export function majorityIndex(voters: readonly Voter[], indexOf: (voter: Voter) => number): number {
  if (voters.length === 0) return 0;
  const descending = voters.map(indexOf).sort((a, b) => b - a);
  return descending[majority(voters.length) - 1] ?? 0;
}
