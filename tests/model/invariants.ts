/**
 * What must be true in every state and of every step. A broken rule comes with the circumstances
 * under which it broke, so that a search can tell the fewest of them that suffice: they are what
 * the documents must name as an exception, or a fault of the rules.
 */
import { extendsLog, isForeign, isPrefixOf, logIdOf } from '#protocol/identity';
import { commonLength, type Log } from './log';
import type { Step } from './shape';
import { FLAGS, type Flag, type Folder, identityOf, type State } from './state';

type Rule =
  | 'foreign cut'
  | 'cut below commit'
  | 'commit back'
  | 'too few copies'
  | 'lost'
  | 'superseded'
  | 'branches'
  | 'two logs';

export interface Broken {
  readonly rule: Rule | 'stuck';
  readonly what: string;
  readonly circumstances: readonly Circumstance[];
}

/** `young`: of the log that the loss is about, some node was never a voter. */
export type Circumstance = Flag | 'young';

/**
 * `copies`: how many nodes hold an entry when it is acknowledged. `isExcused`: so much may be lost
 * that only those rules are checked which nothing excuses, neither a force nor any number of lost
 * disks.
 */
export function brokenBy(
  before: State,
  { state: after, fromOutside }: Step,
  copies: number,
  isExcused = false,
): Broken | null {
  const cut = fromOutside ? null : brokenByCut(before, after);
  if (cut !== null) return cut;
  for (const ack of after.acked) {
    if (before.acked.includes(ack)) continue;
    const held = after.nodes.filter(({ log }) => log.contains(ack)).length;
    if (held < copies) return broken('too few copies', after, ack, `${held} nodes hold ${ack}`);
  }
  return isExcused ? null : brokenAcks(after);
}

function brokenByCut(before: State, after: State): Broken | null {
  for (const [at, was] of before.nodes.entries()) {
    const is = after.nodes[at];
    if (is === undefined || is === was) continue;
    const common = commonLength(was.log, is.log);
    if (common < was.log.length) {
      if (!isPrefixOf(was.log.identity, identityOf(is)))
        return broken('foreign cut', after, null, `${was.log} became ${is.log}`);
      if (common < was.commit)
        return broken('cut below commit', after, null, `${was.log} (commit ${was.commit}) became ${is.log}`);
    }
    if (is.commit < was.commit) return broken('commit back', after, null, `${was.commit} to ${is.commit}`);
    if (is.log.path.some(({ identity }) => !isPrefixOf(identity, is.log.identity)))
      return broken('foreign cut', after, null, `${is.log} mixes logs`);
  }
  return null;
}

function brokenAcks(state: State): Broken | null {
  for (const ack of state.acked) {
    if (!state.nodes.some(({ log }) => log.contains(ack))) return broken('lost', state, ack, `${ack} is on no node`);
    for (const { log, reign } of state.nodes) {
      if (reign === null || reign.commit < reign.opening || log.contains(ack)) continue;
      if (isForeign(log.identity, ack.identity)) continue;
      // An old master may not know yet that it is deposed; the newest one has everything, and
      // nobody commits anything else in its place.
      const isNewest = state.nodes.every((each) => !isLater(each, log, reign.epoch));
      if (isNewest || reign.commit >= ack.length) return broken('superseded', state, ack, `${ack} is not in ${log}`);
    }
  }
  for (const [at, one] of state.acked.entries()) {
    for (const other of state.acked.slice(at + 1)) {
      if (one.contains(other) || other.contains(one)) continue;
      const isOneLog =
        one.identity !== null && other.identity !== null && logIdOf(one.identity) === logIdOf(other.identity);
      return broken(isOneLog ? 'branches' : 'two logs', state, older(one, other), `${one} and ${other}`);
    }
  }
  return null;
}

/** Does that node follow a later reign of this log, or a later branch of it? */
function isLater(node: Folder, log: Log, epoch: number): boolean {
  const identity = identityOf(node);
  return identity === log.identity ? node.promise > epoch : identity !== null && extendsLog(identity, log.identity);
}

function older(a: Log, b: Log): Log {
  return (a.record?.entry ?? 0) < (b.record?.entry ?? 0) ? a : b;
}

export function broken(rule: Broken['rule'], state: State, ack: Log | null, what: string): Broken {
  const circumstances: Circumstance[] = (Object.keys(FLAGS) as Flag[]).filter((flag) => state.flags & FLAGS[flag]);
  const logId = (ack ?? state.acked[0])?.path[1]?.identity;
  if (logId == null ? state.grownUp.length === 0 : !state.grownUp.includes(logId)) circumstances.push('young');
  return { rule, what, circumstances };
}
