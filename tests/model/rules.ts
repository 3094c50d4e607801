/**
 * The rules that the model runs on. Those that the product has as pure functions are these
 * functions; the others are written down here, one each, as the design says them. A planted change
 * replaces one of them, and the search must find what that breaks.
 */
import { isTornBirth, mayBegin } from '#master/core/election/birth';
import { type HeardLog, HeardLogs } from '#master/core/election/heard-logs';
import { nextConfiguration } from '#master/core/members/configuration-change';
import { extendsLog, type Identity, isForeign, isPrefixOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import { sameVoter } from '#protocol/voters';
import { saidEnd } from '#protocol/wire/messages';
import type { Log } from './log';
import { type Folder, identityOf, type Reign } from './state';

interface Candidate {
  readonly log: Log;
  readonly identity: Identity | null;
}

export const REAL_RULES = {
  mayBegin,
  isTornBirth,
  nextList: nextConfiguration,
  isForeign,
  /** Is a voter of a list this very node, with the store that it has now? */
  sameVoter,

  /** May a node follow a master with this identity, as far as the identities go? */
  mayFollow(node: Identity | null, master: Identity | null): boolean {
    return isPrefixOf(node, master);
  },

  /**
   * Has a node promised not to follow this reign any more? An epoch binds within its log, and a
   * later branch is above all of them.
   */
  isBound(node: Folder, master: Identity | null, { epoch, id }: Pick<Reign, 'epoch' | 'id'>): boolean {
    const own = identityOf(node);
    if (own === null ? master !== node.promisedLog : extendsLog(master ?? '', own)) return false;
    return node.promise > epoch || (node.promise === epoch && node.promisedReign !== id);
  },

  /** Beside the promise: does this voter vote for the candidate? */
  grants(voter: Folder, candidate: Candidate): boolean {
    if (!isPrefixOf(identityOf(voter), candidate.identity)) return false;
    const { log } = candidate;
    return isAtLeastAsUpToDate(endOf(log), endOf(voter.log)) && log.length >= voter.commit;
  },

  /**
   * May a claimant take the log of a node that it has heard? `adoptable`: the later one of which it
   * has heard enough.
   */
  mayAdopt(claimant: Folder, source: Folder, adoptable: Identity | null, isNamed: boolean): boolean {
    const [own, theirs] = [identityOf(claimant), identityOf(source)];
    if (theirs === null || theirs !== source.log.identity) return false;
    return theirs === own || (isPrefixOf(own, theirs) && (isNamed || theirs === adoptable));
  },

  /**
   * Does the only voter hear of more of its log than it has? It lacks what it once had, then, and
   * becomes another store.
   */
  isRolledBack(own: Log, bestHeard: () => HeardLog | null): boolean {
    const best = own.list?.voters.length === 1 ? bestHeard() : null;
    return best !== null && !isAtLeastAsUpToDate(endOf(own), best.end);
  },

  /**
   * Where a follower cuts to agree with its master: null where it says that its log differs, and
   * cuts nothing.
   */
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
};

export type Rules = typeof REAL_RULES;

/** What a master knows that has heard these nodes: the product's own book of it. */
export function heardLogs(nodes: readonly { readonly name: string; readonly folder: Folder }[]): HeardLogs {
  const heard = new HeardLogs(Number.POSITIVE_INFINITY);
  for (const { name, folder } of nodes) {
    const { log, store, promise: epoch, promisedReign: reign } = folder;
    const claim = { granted: false, claimed: epoch, storeKind: 'disk' } as const;
    const voters = [...(log.list?.voters ?? [])];
    const end = saidEnd(endOf(log), log.length);
    heard.record(0, {
      type: 'vote',
      epoch,
      reign,
      log: identityOf(folder),
      node: name,
      store,
      ...claim,
      ...end,
      voters,
    });
  }
  return heard;
}

/** Is there more of this log in `a` than in `b`? */
export function isAhead(a: Log, b: Log): boolean {
  return isAtLeastAsUpToDate(endOf(a), endOf(b)) && !isAtLeastAsUpToDate(endOf(b), endOf(a));
}

export function endOf({ length, lastEpoch, lastReign, identity }: Log): LogEnd {
  return { index: length, epoch: lastEpoch, reign: lastReign, log: identity };
}
