/**
 * Which stores may be lost: never more than a minority of the voters of any list that may be in
 * force, or what was promised with w ≥ m would not have to survive (S4). A voter is lost when its
 * node has another store by now. And when a log may begin, or be taken, beside the one there is.
 */
import { blanksNeeded } from '#master/core/election/birth';
import { logIdOf } from '#protocol/identity';
import type { LogRecord, MembersControl, Voter } from '#protocol/record';
import type { World } from '../model/world';

/**
 * May the present store of this node be lost? One that is no voter yet may become one in the moment
 * it is lost, or with a store that is lost already when its ack is late; so it counts as if it
 * were. And while one is lost, a new master that does not know it yet may drop the former one from
 * the list: then the rest of the list has to bear the next loss, too. (Two stores lost within the
 * moment of a list change can leave a list that only an operator's force mends; so it is with
 * Raft's changes of one server at a time.)
 *
 * @param arriving what is on the disk that would take its place: its lists are in force again, too
 */
export function mayLose(world: World, node: string, arriving: readonly LogRecord[] = []): boolean {
  const masters = world.options.masters;
  return [...listsInForce(world), ...newestLists(arriving)].every((list) => {
    const concerned = concernedBy(world, list, node);
    const lost = concerned.filter((voter) => isLost(world, voter)).length;
    const rest = lost === 0 ? concerned : concerned.filter((voter) => !masters.includes(voter.node));
    return [concerned, rest].every((voters) => lost + 1 <= Math.floor((voters.length - 1) / 2));
  });
}

/** What would be gone beside what is. */
export interface Losses {
  readonly disks?: readonly string[];
  readonly brokerData?: boolean;
  /** A disk of another log would be put in. */
  readonly strangeDisk?: boolean;
  /** What is on a disk that would be put in. */
  readonly arriving?: readonly LogRecord[];
}

/**
 * Could another log take appends while those who hold this one are away? That takes as many blank
 * secondaries as an append needs, and a master that may lead them: one that is blank and may begin,
 * at a broker that knows of no log; or one that holds another log, or finds it at somebody's.
 */
export function mayBeginBeside(world: World, { disks = [], brokerData = false, strangeDisk = false }: Losses): boolean {
  const { masters, secondaries, inMemory = false } = world.options;
  const founder = masters[0] ?? '';
  const blank = secondaries.filter((node) => disks.includes(node) || isBlank(world, node)).length;
  if (blank < blanksNeeded({ secondaries, needsVotes: true }) || logsOf(world).size === 0) return false;
  if (strangeDisk || logsOf(world).size > 1) return true;
  const isUnknown = brokerData || !world.broker.knowsLog || (inMemory && blank === secondaries.length);
  return isUnknown && (disks.includes(founder) || isBlank(world, founder));
}

/** Ids of all logs that some disk holds or belongs to. */
export function logsOf(world: World): ReadonlySet<string> {
  const logs = new Set<string>();
  for (const node of world.disks.keys()) {
    const log = logAt(world, node);
    if (log !== null) logs.add(log);
  }
  return logs;
}

/** Id of the log that the node's disk belongs to; null: blank. */
export function logAt(world: World, node: string): string | null {
  const { platter, promised } = world.diskOf(node);
  const [first] = platter;
  if (first?.control?.control === 'epoch') return first.control.reign;
  return promised.identity === null ? null : logIdOf(promised.identity);
}

/** Does it hold no list, and belong to no log? */
function isBlank(world: World, node: string): boolean {
  const { platter, promised } = world.diskOf(node);
  return promised.identity === null && !platter.some(({ control }) => control?.control === 'members');
}

/**
 * The voters of a list, and who may become one: this node, and members that have lost a store, with
 * the store that they lost.
 */
function concernedBy(world: World, { voters, members }: MembersControl, node: string): Voter[] {
  const all = [...voters];
  for (const other of new Set([...members, node])) {
    if (voters.some((voter) => voter.node === other && (other !== node || !isLost(world, voter)))) continue;
    const { store, lostStores } = world.diskOf(other);
    const former = [...lostStores].at(-1);
    if (other === node) all.push({ node, store });
    else if (former !== undefined) all.push({ node: other, store: former });
  }
  return all;
}

function isLost(world: World, { node, store }: Voter): boolean {
  return world.diskOf(node).lostStores.has(store);
}

/** Of every log the newest two lists: the newest may be cut again. */
function listsInForce(world: World): MembersControl[] {
  const lists: MembersControl[] = [];
  for (const { view, platter } of world.disks.values()) {
    for (const log of view === platter ? [platter] : [view, platter]) lists.push(...newestLists(log));
  }
  return lists;
}

function newestLists(log: readonly LogRecord[]): MembersControl[] {
  const lists: MembersControl[] = [];
  for (let at = log.length - 1; at >= 0 && lists.length < 2; at -= 1) {
    const control = log[at]?.control;
    if (control?.control === 'members') lists.push(control);
  }
  return lists;
}
