/**
 * Decides what an operator's force would do. A force is the last resort when a majority of the
 * voters is lost for good (Kafka: unclean leader election). It begins a new configuration, and with
 * it a branch of the log, from the best log that is left. Entries that only the lost voters had are
 * lost.
 *
 *     asked ──no voter is missing, or no node holds a log──▶ refused
 *     asked ──▶ listening ──▶ fetching ──▶ ready (begins when asked again)
 *
 * A force is never automatic. The master first listens for the longest time that a node that is up
 * may be silent. Then it fetches the best log that it heard, and only then begins.
 *
 * `new` begins a log where there is none and a birth is stuck. It is refused while a node that was
 * heard holds a log.
 */
import type { Identity } from '#protocol/identity';
import { logIdOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { ForeignNode } from './foreign-nodes';
import type { HeardLog } from './heard-logs';

/** Why a force is refused; clients see it as the problem's name. */
export type ForceRefusal = 'not-recovering' | 'standby' | 'nothing-to-force' | 'ambiguous' | 'log-exists';

/** The facts that a force is decided by. */
export interface ForceFacts {
  /** Name of this node. */
  readonly self: string;
  /** Is a majority of the voters missing? */
  readonly isStuck: boolean;
  /** Another process has the lock of this log. */
  readonly isLockedOut: boolean;
  /**
   * This master was elected. Its log has every committed entry, unless another master was elected
   * while the connection was lost.
   */
  readonly isReigning: boolean;
  /** This node has listened so long that every node that is up was heard. */
  readonly hasListened: boolean;
  /** The log that this node belongs to; null: it is blank. */
  readonly identity: Identity | null;
  /** End of this node's log. */
  readonly own: LogEnd;
  /** Seq of the last entry in this node's log; 0: none. */
  readonly ownSeq: number;
  /** This node's log has a configuration. */
  readonly hasList: boolean;
  readonly heard: readonly HeardLog[];
  /** The most up-to-date log of those that this master could take; null: none. */
  readonly best: HeardLog | null;
  /** Several logs or branches could be taken, and only an operator can choose one. */
  readonly isAmbiguous: boolean;
  /** Nodes that hold another log than this master. */
  readonly foreign: readonly ForeignNode[];
  /** Voters whose log was not heard: nodes that are away, and former stores of other nodes. */
  readonly missing: readonly string[];
}

/**
 * What a force would do now. `detail` is a sentence for the operator, `from` the node whose log is
 * taken (null: not known yet), `lastSeq` the seq of its last entry (0: none).
 */
export type ForcePlan =
  | { readonly state: 'refused'; readonly problem: ForceRefusal; readonly detail: string }
  | { readonly state: 'listening' | 'fetching'; readonly detail: string; readonly from: string | null }
  | { readonly state: 'ready'; readonly detail: string; readonly from: string; readonly lastSeq: number };

/** Decides what a forced configuration would begin with. */
export function planForce(facts: ForceFacts): ForcePlan {
  const { self, isStuck, isLockedOut, isReigning, hasListened, own, ownSeq, heard, best, isAmbiguous } = facts;
  if (!isStuck)
    return refuse(
      'not-recovering',
      'This master is not waiting for a majority of the voters, so there is nothing to force.',
    );
  if (isLockedOut) return refuse('standby', LOCKED_OUT);
  if (isReigning && hasListened) return ready(self, ownSeq, facts);
  if (isAmbiguous)
    return refuse(
      'ambiguous',
      `The nodes that were heard hold several logs (${describe(heard)}). Name one in LOG_ID first.`,
    );
  if (hasListened && !holdsLog(facts))
    return refuse(
      'nothing-to-force',
      'Neither this master nor a node that was heard holds this log. To begin a new one, send {"log": "new"}.',
    );
  if (!hasListened)
    return {
      state: 'listening',
      from: null,
      detail: `Still listening for nodes with the log. Heard: ${describe(heard)}.`,
    };
  if (best !== null && !isAtLeastAsUpToDate(own, best.end) && isAtLeastAsUpToDate(best.end, own))
    return {
      state: 'fetching',
      from: best.node,
      detail: `Still fetching from ${best.node}, which has the best log that was heard: entries up to ${best.lastSeq}; this master has entries up to ${ownSeq}.`,
    };
  return ready(self, ownSeq, facts);
}

/** Decides whether a log may begin on an operator's order. */
export function planNew(facts: ForceFacts): ForcePlan {
  const { self, isStuck, isLockedOut, hasListened, hasList, identity, own, heard, foreign } = facts;
  const holders = heard.filter(({ log }) => log !== null && log !== identity);
  if (hasList || (identity !== null && identity !== own.log))
    return refuse('log-exists', `This master already belongs to a log (${idOf(identity)}).`);
  if (holders.length + foreign.length > 0)
    return refuse(
      'log-exists',
      `There is a log on ${describe([...holders, ...foreign.map(asHeard)])}. Save it, wipe it, or force from it before you begin a new one.`,
    );
  if (!isStuck) return refuse('not-recovering', 'This master is not waiting for a log.');
  if (isLockedOut) return refuse('standby', LOCKED_OUT);
  if (!hasListened)
    return {
      state: 'listening',
      from: null,
      detail: `Still listening for nodes with a log. Heard: ${describe(heard)}.`,
    };
  return { state: 'ready', from: self, lastSeq: 0, detail: 'A new log would begin: no node that was heard holds one.' };
}

const LOCKED_OUT = 'Another process has the lock of this log: send the request to that process.';

function refuse(problem: ForceRefusal, detail: string): ForcePlan {
  return { state: 'refused', problem, detail };
}

function ready(from: string, lastSeq: number, { missing }: ForceFacts): ForcePlan {
  const lost =
    missing.length === 0
      ? 'Every voter was heard, so no other entries are lost.'
      : `Entries that only ${missing.join(', ')} may hold are lost.`;
  const detail = `It would begin with the log of ${from}, entries 1 to ${lastSeq}. ${lost}`;
  return { state: 'ready', from, lastSeq, detail };
}

/**
 * Is there a log with a configuration, here or on a node that can be fetched from? An identity
 * without records is no log, nor is a torn first write.
 */
function holdsLog({ identity, own, hasList, best }: ForceFacts): boolean {
  if (hasList && own.log === identity) return true;
  return best !== null && best.voters.length > 0;
}

function asHeard({ id: node, log, lastSeq }: ForeignNode): Pick<HeardLog, 'node' | 'log' | 'lastSeq'> {
  return { node, log, lastSeq };
}

function describe(heard: readonly Pick<HeardLog, 'node' | 'log' | 'lastSeq'>[]): string {
  if (heard.length === 0) return 'no node';
  return [...heard]
    .sort((a, b) => (a.node < b.node ? -1 : 1))
    .map(({ node, log, lastSeq }) => `${node} (${log === null ? 'blank' : `log ${idOf(log)}, up to ${lastSeq}`})`)
    .join(', ');
}

function idOf(identity: Identity | null): string {
  return identity === null ? 'none' : logIdOf(identity);
}
