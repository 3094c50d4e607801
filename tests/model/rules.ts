/**
 * The rules that the model runs on. Those that the product has as pure functions are these functions; the others are written down here, one
 * each, as the design says them. A planted change replaces one of them, and the search must find what that breaks.
 */
import { mayBegin } from '../../services/master/core/birth';
import { nextList } from '../../services/master/core/list-change';
import { type Identity, isForeign, isPrefixOf } from '../../shared/protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '../../shared/protocol/log-outline';
import type { Voter } from '../../shared/protocol/record';
import { isMajority, sameVoter } from '../../shared/protocol/voters';
import type { Log } from './log';
import { type Folder, identityOf } from './state';

export interface Candidate {
  readonly log: Log;
  readonly identity: Identity | null;
}

export const REAL_RULES = {
  mayBegin,
  nextList,
  isForeign,
  /** Is a voter of a list this very node, with the store that it has now? */
  sameVoter,

  /** May a node follow a master with this identity, as far as the identities go? */
  mayFollow(node: Identity | null, master: Identity | null): boolean {
    return isPrefixOf(node, master);
  },

  /** Beside the promise: does this voter vote for the candidate? */
  grants(voter: Folder, candidate: Candidate): boolean {
    if (!isPrefixOf(identityOf(voter), candidate.identity)) return false;
    const { log } = candidate;
    return isAtLeastAsUpToDate(endOf(log), endOf(voter.log)) && log.length >= voter.commit;
  },

  /** May a claimant take the log of a node that it has heard? */
  mayAdopt(claimant: Folder, source: Folder, isHeard: (voter: Voter) => boolean, isNamed: boolean): boolean {
    const { list } = source.log;
    if (list === null || isForeign(identityOf(claimant), source.log.identity)) return false;
    if (claimant.log.list !== null) return isPrefixOf(identityOf(claimant), source.log.identity);
    return isNamed || isMajority(list.voters, isHeard);
  },

  /** Where a follower cuts to agree with its master: null where it says that its log differs, and cuts nothing. */
  cutTo(node: Folder, common: number): number | null {
    return common < node.commit ? null : common;
  },

  /** Does a node hold what it says for this master: is its ack one? */
  counts(node: Folder, master: Log, reign: string): boolean {
    return node.promisedReign === reign && isPrefixOf(identityOf(node), master.identity);
  },

  /** From which log a force may begin a branch. */
  mayForce(best: Log): boolean {
    return best.list !== null;
  },

  /** Whose log a force may take before it begins a branch: never one that knows less than the own. */
  mayTakeForForce(own: Folder, other: Folder): boolean {
    return other.log.list !== null && isPrefixOf(identityOf(own), other.log.identity);
  },
};

export type Rules = typeof REAL_RULES;

function endOf({ length, lastEpoch, lastReign, identity }: Log): LogEnd {
  return { index: length, epoch: lastEpoch, reign: lastReign, log: identity };
}
