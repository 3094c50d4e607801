/**
 * Decides whether a master may begin a log. If two logs begin under one name, the entries that were
 * acknowledged in the first look lost. So a master with an empty store begins a log only where it
 * can know that there is none.
 *
 * A log leaves traces in two places. Its acknowledged entries are on the disks of nodes. The broker
 * has its entries exchange, which only a reigning master declares. The rules are:
 *
 * - In every mode, no node that was heard may hold a log, under any name. Connected nodes get the
 *   time to answer first. A node that holds a log says so in every message. Once one was heard, a
 *   broker that knows of no log is no longer evidence.
 * - `auto`: the broker must know of no log. The exchange is declared once the first configuration
 *   is durable here, so a master that stops in between finds a broker that knows of no log, or a
 *   log of its own. The broker may have lost its data, so m − 1 secondaries must also have answered
 *   this claim and be blank. A second log then needs three things at once: this master's disk is
 *   lost, the broker's data is lost, and m − 1 blank nodes answer while the nodes with the log are
 *   away. These nodes never had the log (it is *young*) or lost it too. `LOG_ID` excludes the case.
 * - In memory, a log ends when all of its nodes have restarted. A master in memory begins a log on
 *   any broker once every secondary has answered, is in memory and is blank. If the settings name
 *   no secondary, no other node had the log.
 * - `new`: an operator states that there is no log. The master listens for a while, and begins
 *   unless a node holds a log.
 * - `never` (a log id in `LOG_ID`, or a standby): the master begins no log.
 *
 * Blank means that the log has no members record. If the first write was torn after its first
 * record, the log is begun again under the id in that record. Only the store that the record names
 * may do so: a store that has fetched only the first records of a log would begin it a second time.
 */
import type { Voter } from '#protocol/record';
import { sameVoter } from '#protocol/voters';
import { majority, nodeCount } from '#protocol/write-concern';

/** The cases in which a master may begin a log: see the rules above. */
export type BirthMode = 'auto' | 'new' | 'never';

/** The facts that a node reports when it has promised this claim. */
export interface Answer {
  /** The node holds a log, or has followed one. */
  readonly holdsLog: boolean;
  readonly inMemory: boolean;
}

/** The facts that decide whether a log may begin. */
export interface BirthFacts {
  readonly mode: BirthMode;
  /** This node's log has no members record. */
  readonly isBlank: boolean;
  /** This node's store ends with the process. */
  readonly inMemory: boolean;
  /** The broker knows of no log, and no node has reported one since this process started. */
  readonly freshBroker: boolean;
  /** Members that the settings name. */
  readonly secondaries: readonly string[];
  /** The answers of the nodes that have promised this claim, by node. */
  readonly answered: ReadonlyMap<string, Answer>;
  /** A node was heard, by any message and under any name, that holds another log than this one. */
  readonly someoneHoldsALog: boolean;
  /** This node has listened so long that every node that is up was heard. */
  readonly hasListened: boolean;
  /** Connected nodes have had the time to answer this claim: more answers may follow the first. */
  readonly hasSettled: boolean;
  /** An operator has ordered a new log because there is none. */
  readonly isForced: boolean;
  /** False with QUORUM_APPEND=false, where one node is enough. */
  readonly needsVotes: boolean;
}

/** May this node begin a log now? */
export function mayBegin(facts: BirthFacts): boolean {
  const { mode, isBlank, inMemory, freshBroker, secondaries, someoneHoldsALog, hasListened, isForced } = facts;
  if (!isBlank || someoneHoldsALog) return false;
  if (isForced || mode === 'new') return hasListened;
  // If the settings name no secondary, there is no answer to wait for.
  if (mode === 'never' || (secondaries.length > 0 && !facts.hasSettled)) return false;
  if (freshBroker) return blankSecondaries(facts).length >= blanksNeeded(facts);
  const blank = blankSecondaries(facts);
  return inMemory && blank.length === secondaries.length && blank.every((node) => facts.answered.get(node)?.inMemory);
}

/**
 * Was the first write of a log without a configuration torn in this store? It was if the first
 * record names this store as the founder.
 * @param founder the store that the first record names; null: the log has no such record
 */
export function isTornBirth(founder: Voter | null, self: Voter): boolean {
  return founder !== null && sameVoter(founder, self);
}

/**
 * Number of blank secondaries that must have answered before a log begins on a broker that knows of
 * no log. With this node they are a majority. 0 if no votes are needed.
 */
export function blanksNeeded({ secondaries, needsVotes }: Pick<BirthFacts, 'secondaries' | 'needsVotes'>): number {
  return needsVotes ? majority(nodeCount(secondaries.length)) - 1 : 0;
}

function blankSecondaries({ secondaries, answered }: BirthFacts): readonly string[] {
  return secondaries.filter((node) => answered.get(node)?.holdsLog === false);
}
