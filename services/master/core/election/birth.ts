/**
 * When a log begins. A log is born once: whoever begins a second one beside it makes two histories
 * of one name, and what was acknowledged in the first looks lost. So a master with an empty store
 * begins a log only where it can know that there is none.
 *
 * Who could hold the log that this master does not know of? Its acknowledged entries are on the
 * disks of nodes, and the broker remembers it by its entries exchange, which is declared by a
 * master that reigns and by nobody before. Hence:
 *
 * - *Nobody who was heard holds a log*, whatever its name, is asked in every mode, when those who are connected have had the time to answer. A
 *   node that holds one says so in every message; once one was heard of, the broker is believed no more.
 * - `auto` trusts the broker's memory: it begins only where the broker knows of no log. The broker is told when the first list is durable here,
 *   so a master that is stopped on its way finds a broker that knows nothing, or a log of its own. A broker may have lost its data, so even then
 *   m − 1 of the secondaries must have answered this very claim, and be blank. A second log then needs that this master's disk and the
 *   broker's data are lost, and m − 1 nodes that are blank answer while those who know better are away: nodes that never had the log (it is
 *   *young*), or that lost it too. `LOG_ID` closes that.
 * - A store in memory ends with its process, and a log whose nodes are all in memory ends when all have restarted. So a master in memory begins
 *   anew on any broker when every secondary has answered, is in memory too, and is blank. Where the settings name nobody, nobody else had it.
 * - `new` is an operator's word that there is no log to be waited for: it listens for a while, and begins unless somebody holds one.
 * - With a log's id in `LOG_ID`, and for a standby, nothing begins: `never`.
 *
 * Blank means: no members record. A first write that was torn behind its first record is begun
 * again, under the id that this record gave; but only by the store that the record names, or one
 * that has fetched no more than the first records of a log would begin it a second time.
 */
import type { Voter } from '#protocol/record';
import { sameVoter } from '#protocol/voters';
import { majority, nodeCount } from '#protocol/write-concern';

export type BirthMode = 'auto' | 'new' | 'never';

/** What a node has said that has promised the claim. */
export interface Answer {
  /** It holds a log, or has followed one. */
  readonly holdsLog: boolean;
  readonly inMemory: boolean;
}

export interface BirthFacts {
  readonly mode: BirthMode;
  /** The own log has no members record. */
  readonly isBlank: boolean;
  /** The own store ends with the process. */
  readonly inMemory: boolean;
  /** The broker knows of no log, nor has anybody spoken of one since this process began. */
  readonly freshBroker: boolean;
  /** Members that the settings name. */
  readonly secondaries: readonly string[];
  /** Who has promised this claim, by node. */
  readonly answered: ReadonlyMap<string, Answer>;
  /** Somebody was heard, by whatever message and name, who holds a log that is not this one. */
  readonly someoneHoldsALog: boolean;
  /** So long that every node which is up must have been heard. */
  readonly hasListened: boolean;
  /**
   * Whoever is connected has had the time to answer this claim: the first answers are not all there
   * are.
   */
  readonly hasSettled: boolean;
  /** An operator has asked for a new log, there being none. */
  readonly isForced: boolean;
  /** False: QUORUM_APPEND=false, where one node is enough. */
  readonly needsVotes: boolean;
}

export function mayBegin(facts: BirthFacts): boolean {
  const { mode, isBlank, inMemory, freshBroker, secondaries, someoneHoldsALog, hasListened, isForced } = facts;
  if (!isBlank || someoneHoldsALog) return false;
  if (isForced || mode === 'new') return hasListened;
  // Where the settings name nobody, nobody has to be heard.
  if (mode === 'never' || (secondaries.length > 0 && !facts.hasSettled)) return false;
  if (freshBroker) return blankSecondaries(facts).length >= blanksNeeded(facts);
  const blank = blankSecondaries(facts);
  return inMemory && blank.length === secondaries.length && blank.every((node) => facts.answered.get(node)?.inMemory);
}

/**
 * Of a log without a list: did this very store begin it, as its first record says, so that its
 * first write was torn?
 */
export function isTornBirth(founder: Voter | null, self: Voter): boolean {
  return founder !== null && sameVoter(founder, self);
}

/**
 * Secondaries that must have answered, and be blank, before a log begins on a broker that knows of
 * none: with this node a majority.
 */
export function blanksNeeded({ secondaries, needsVotes }: Pick<BirthFacts, 'secondaries' | 'needsVotes'>): number {
  return needsVotes ? majority(nodeCount(secondaries.length)) - 1 : 0;
}

function blankSecondaries({ secondaries, answered }: BirthFacts): readonly string[] {
  return secondaries.filter((node) => answered.get(node)?.holdsLog === false);
}
