/**
 * What happens to a cluster from outside: disks are lost, exchanged and set back, and the broker
 * forgets. A node must be down for that, so its reign is over.
 */
import type { MembersControl } from '#protocol/record';
import { Log } from '../log';
import { type Shape, STRANGE_ENTRY, type Step } from '../shape';
import { blankFolder, FLAGS, type Folder, type ModelNode, node, type State, withNode } from '../state';

export function accidents(cluster: Shape, state: State): Step[] {
  const steps: Step[] = [];
  const { most } = cluster.setup;
  const outside = (what: string, next: State) => steps.push({ what, state: next, fromOutside: true });
  if (most.brokerLosses && state.brokerKnows && (state.flags & FLAGS.brokerLost) === 0)
    outside('the broker loses its data', { ...state, brokerKnows: false, flags: state.flags | FLAGS.brokerLost });
  if (state.shelf !== null) {
    const { node: at, folder } = state.shelf;
    const back = lose(cluster, state, at, folder);
    outside(`${cluster.names[at]} gets the folder back that it lost`, {
      ...back,
      flags: back.flags | FLAGS.folderReturned,
      shelf: null,
    });
  }
  if (state.losses >= most.losses) return steps;
  for (let at = 0; at < cluster.names.length; at += 1) {
    if (at > 0 && at < cluster.masters) continue;
    const own = node(state, at);
    const name = cluster.names[at];
    if (own.log.length > 0) {
      const gone = lose(cluster, state, at, blankFolder(`${own.life + 1}`));
      outside(`${name} loses its disk`, gone);
      if (most.returns && state.shelf === null)
        outside(`${name}'s folder is taken away`, { ...gone, shelf: { node: at, folder: folderOf(own) } });
    }
    if (most.rollbacks) rollbacks(cluster, state, at, outside);
    const mayBeStrange = most.strangeFolders === 'anybody' || (most.strangeFolders === 'secondaries' && at > 0);
    if (mayBeStrange && (state.flags & FLAGS.strangeFolder) === 0) {
      const strange = strangeLog(cluster.members);
      const folder = {
        ...blankFolder('z'),
        log: strange,
        seen: 'z',
        commit: strange.length,
        promise: 1,
        promisedReign: 'z',
      };
      const swapped = lose(cluster, state, at, folder);
      outside(`${name} gets the folder of another log`, { ...swapped, flags: swapped.flags | FLAGS.strangeFolder });
    }
  }
  return steps;
}

/** Every earlier state of a node's folder, as a prefix of its log. */
function rollbacks(cluster: Shape, state: State, at: number, outside: (what: string, next: State) => void): void {
  const own = node(state, at);
  for (let length = 0; length < own.log.length; length += 1) {
    const log = own.log.prefix(length);
    const older: Folder = {
      store: own.store,
      log,
      seen: log.identity,
      commit: Math.min(own.commit, length),
      promise: log.lastEpoch,
      promisedReign: log.lastReign,
      promisedLog: null,
    };
    const rolled = lose(cluster, state, at, older);
    outside(`${cluster.names[at]} is set back to ${log}`, { ...rolled, flags: rolled.flags | FLAGS.rolledBack });
  }
}

function lose(cluster: Shape, state: State, at: number, folder: Folder): State {
  const { life } = node(state, at);
  const lost = state.lost | (1 << at);
  const tooMany = bits(lost) > cluster.nodes - cluster.majority;
  const flags = state.flags | FLAGS.anyLost | (tooMany ? FLAGS.majorityLost : 0);
  return withNode({ ...state, lost, flags, losses: state.losses + 1 }, at, {
    ...folder,
    life: life + 1,
    reign: null,
  });
}

/** A log of another cluster whose nodes have the same names. */
function strangeLog(members: readonly string[]): Log {
  const record = { epoch: 1, reign: 'z', entry: 0, list: null };
  const list: MembersControl = { control: 'members', members, voters: [{ node: 'M', store: 'z' }] };
  const entry = { ...record, entry: STRANGE_ENTRY };
  return Log.EMPTY.append(record)
    .append({ ...record, list })
    .append(entry)
    .append(entry);
}

function folderOf({ store, log, seen, commit, promise, promisedReign, promisedLog }: ModelNode): Folder {
  return { store, log, seen, commit, promise, promisedReign, promisedLog };
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
