/**
 * An operator's force: the last resort when a majority of the voters is lost for good. It begins a
 * new list, and with it a branch of the log, from the best log that is left; what only the lost
 * voters had is given up. It is never automatic, and never from nothing: first this master listens
 * for as long as a node that is up may stay silent, then it fetches what the best of those it heard
 * has, and only then begins.
 *
 *     refused ◀──nothing is missing, or nobody has a log── asked ──▶ listening ──▶ fetching ──▶ ready (begins when asked again)
 *
 * `new` asks for a log where there is none and a birth got stuck: refused while anybody who was
 * heard holds one.
 */
import type { Identity } from '#protocol/identity';
import { logIdOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { ForeignNode } from './foreign-nodes';
import type { HeardLog } from './heard-logs';

export type ForceRefusal = 'not-recovering' | 'standby' | 'nothing-to-force' | 'ambiguous' | 'log-exists';

export interface ForceFacts {
  readonly self: string;
  /** Is a majority of the voters missing, so that there is something to give up? */
  readonly isStuck: boolean;
  /** Another process has the lock of this log. */
  readonly isLockedOut: boolean;
  /**
   * Elected: its log has everything that is committed, unless another was elected while the
   * connection was lost.
   */
  readonly isReigning: boolean;
  readonly hasListened: boolean;
  readonly identity: Identity | null;
  readonly own: LogEnd;
  readonly ownSeq: number;
  readonly hasList: boolean;
  readonly heard: readonly HeardLog[];
  /** Whose log is the most up to date of those this master could take; null: nobody's. */
  readonly best: HeardLog | null;
  /** Several logs, or branches, could be taken: which one is not for this master to say. */
  readonly isAmbiguous: boolean;
  /** Who holds another log than this master. */
  readonly foreign: readonly ForeignNode[];
  /**
   * Voters whose log was not heard: nodes that are away, and former stores of nodes that are not.
   */
  readonly missing: readonly string[];
}

export type ForcePlan =
  | { readonly state: 'refused'; readonly problem: ForceRefusal; readonly detail: string }
  | { readonly state: 'listening' | 'fetching'; readonly detail: string; readonly from: string | null }
  | { readonly state: 'ready'; readonly detail: string; readonly from: string; readonly lastSeq: number };

export function planForce(facts: ForceFacts): ForcePlan {
  const { self, isStuck, isLockedOut, isReigning, hasListened, own, ownSeq, heard, best, isAmbiguous } = facts;
  if (!isStuck)
    return refuse(
      'not-recovering',
      'This master is not waiting for a majority of the voters: there is nothing to give up.',
    );
  if (isLockedOut) return refuse('standby', 'Another process has the lock of this log: ask the one that has it.');
  if (isReigning && hasListened) return ready(self, ownSeq, facts);
  if (isAmbiguous)
    return refuse(
      'ambiguous',
      `Several logs are held by those who were heard (${describe(heard)}): name one in LOG_ID first.`,
    );
  if (hasListened && !holdsLog(facts))
    return refuse(
      'nothing-to-force',
      'Nobody who was heard holds this log, and this master does not. To begin a new one, say {"log": "new"}.',
    );
  if (!hasListened)
    return { state: 'listening', from: null, detail: `Still listening who has the log. Heard: ${describe(heard)}.` };
  if (best !== null && !isAtLeastAsUpToDate(own, best.end) && isAtLeastAsUpToDate(best.end, own))
    return {
      state: 'fetching',
      from: best.node,
      detail: `Still fetching from ${best.node}, whose log is the best that was heard: it has entries up to ${best.lastSeq}, this master up to ${ownSeq}.`,
    };
  return ready(self, ownSeq, facts);
}

/** May a log begin on an operator's word? */
export function planNew(facts: ForceFacts): ForcePlan {
  const { self, isStuck, isLockedOut, hasListened, hasList, identity, own, heard, foreign } = facts;
  const holders = heard.filter(({ log }) => log !== null && log !== identity);
  if (hasList || (identity !== null && identity !== own.log))
    return refuse('log-exists', `This master belongs to a log (${idOf(identity)}) already.`);
  if (holders.length + foreign.length > 0)
    return refuse(
      'log-exists',
      `A log is held by ${describe([...holders, ...foreign.map(asHeard)])}. Save it or wipe it, or force from it, before a new one begins.`,
    );
  if (!isStuck) return refuse('not-recovering', 'This master is not waiting for a log.');
  if (isLockedOut) return refuse('standby', 'Another process has the lock of this log: ask the one that has it.');
  if (!hasListened)
    return {
      state: 'listening',
      from: null,
      detail: `Still listening whether anybody has a log. Heard: ${describe(heard)}.`,
    };
  return { state: 'ready', from: self, lastSeq: 0, detail: 'A new log would begin: nobody who was heard holds one.' };
}

function refuse(problem: ForceRefusal, detail: string): ForcePlan {
  return { state: 'refused', problem, detail };
}

function ready(from: string, lastSeq: number, { missing }: ForceFacts): ForcePlan {
  const lost =
    missing.length === 0
      ? 'Every voter was heard, so nothing more is given up.'
      : `What only ${missing.join(', ')} may have held is given up.`;
  const detail = `It would begin with the log of ${from}, entries 1 to ${lastSeq}. ${lost}`;
  return { state: 'ready', from, lastSeq, detail };
}

/**
 * Is there a log to begin from: one with a list, here or at a node that can be fetched from? A name
 * alone is none, nor is a torn first write.
 */
function holdsLog({ identity, own, hasList, best }: ForceFacts): boolean {
  if (hasList && own.log === identity) return true;
  return best !== null && best.voters.length > 0;
}

function asHeard({ id: node, log, lastSeq }: ForeignNode): Pick<HeardLog, 'node' | 'log' | 'lastSeq'> {
  return { node, log, lastSeq };
}

function describe(heard: readonly Pick<HeardLog, 'node' | 'log' | 'lastSeq'>[]): string {
  if (heard.length === 0) return 'nobody';
  return [...heard]
    .sort((a, b) => (a.node < b.node ? -1 : 1))
    .map(({ node, log, lastSeq }) => `${node} (${log === null ? 'blank' : `log ${idOf(log)}, up to ${lastSeq}`})`)
    .join(', ');
}

function idOf(identity: Identity | null): string {
  return identity === null ? 'none' : logIdOf(identity);
}
