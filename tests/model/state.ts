/**
 * What the model keeps of a cluster: each node's folder, the reigns that are on, what the broker
 * remembers, and what clients were promised.
 *
 * There is no "up" or "down": every action names the nodes that take part in it, and a node that is
 * down is one that takes part in none. What a process forgets when it stops is its reign alone;
 * everything else is in its folder.
 */
import { type Identity, longerOf } from '#protocol/identity';
import { Log, renamed } from './log';

export interface Reign {
  readonly epoch: number;
  readonly id: string;
  /** Index of its epoch record: the reign is open when this is committed. */
  readonly opening: number;
  /** Commit index in memory; the folder has it when the master has stopped well. */
  readonly commit: number;
}

export interface Folder {
  readonly store: string;
  readonly log: Log;
  /** The longest identity that it has followed; outlives the records. */
  readonly seen: Identity | null;
  readonly commit: number;
  readonly promise: number;
  readonly promisedReign: string;
  /** Of a blank node: the log that its promise binds it in. Null: none, or its own. */
  readonly promisedLog: Identity | null;
}

export interface ModelNode extends Folder {
  /** Folders that this node has had, so that new stores and reigns get new names. */
  readonly life: number;
  readonly reign: Reign | null;
}

/** What has happened that a promise may depend on. Never cleared. */
export const FLAGS = {
  /**
   * At some moment more than a minority of the nodes had lost what they held and were not voters
   * again.
   */
  majorityLost: 1,
  brokerLost: 2,
  forced: 4,
  /** An operator has asked for a new log. */
  newAsked: 8,
  /** A node got an older state of its own folder, and nobody noticed. */
  rolledBack: 16,
  /** A node got a folder of a log that is none of this cluster's. */
  strangeFolder: 32,
  /** A node that had lost its folder got that very folder back. */
  folderReturned: 64,
  anyLost: 128,
  /** A log had begun and was used, and the broker had not been told of it yet. */
  brokerUntold: 256,
} as const;

export type Flag = keyof typeof FLAGS;

export interface State {
  readonly nodes: readonly ModelNode[];
  readonly brokerKnows: boolean;
  /** Acknowledged with w >= m: each as the log that ends with the entry. */
  readonly acked: readonly Log[];
  readonly entries: number;
  readonly flags: number;
  /** Nodes, by bit, that have lost their folder and are not voters with the new one yet. */
  readonly lost: number;
  readonly losses: number;
  /** Log ids of which every node has been a voter, by a list that was committed. */
  readonly grownUp: readonly string[];
  readonly shelf: { readonly node: number; readonly folder: Folder } | null;
}

export function blankFolder(store: string): Folder {
  return { store, log: Log.EMPTY, seen: null, commit: 0, promise: 0, promisedReign: '', promisedLog: null };
}

/** Which log a node holds, or has followed; null: it is blank. */
export function identityOf(node: Folder): Identity | null {
  return longerOf(node.log.identity, node.seen);
}

export function withNode(state: State, at: number, change: Partial<ModelNode>): State {
  const nodes = state.nodes.slice();
  nodes[at] = { ...node(state, at), ...change };
  return { ...state, nodes };
}

export function node(state: State, at: number): ModelNode {
  const found = state.nodes[at];
  if (found === undefined) throw new Error(`there is no node ${at}`);
  return found;
}

/** Writes a state as text, the same for all states that differ only in which secondary is which. */
export class Encoder {
  private readonly firstSecondary: number;
  private readonly renamings: { order: readonly number[]; names: Map<string, string>; memo: Map<Log, Log> }[];

  constructor(
    private readonly names: readonly string[],
    mastersCount: number,
  ) {
    this.firstSecondary = mastersCount;
    const secondaries = names.slice(mastersCount);
    this.renamings = permutations(secondaries.length).map((order) => ({
      order,
      names: new Map(order.map((from, to) => [secondaries[from] ?? '', secondaries[to] ?? ''])),
      memo: new Map(),
    }));
  }

  key(state: State): string {
    let best = '';
    for (const renaming of this.renamings) {
      if (!isSorted(state, renaming.order, this.firstSecondary)) continue;
      const text = this.encode(state, renaming);
      if (best === '' || text < best) best = text;
    }
    return best;
  }

  private encode(state: State, { order, names, memo }: Encoder['renamings'][number]): string {
    const first = this.firstSecondary;
    const folder = (f: Folder) =>
      `${f.store},${renamed(f.log, names, memo).id},${f.seen === f.log.identity ? '' : f.seen},${f.commit},${f.promise}${f.promisedReign}${f.promisedLog === null ? '' : `/${f.promisedLog}`}`;
    let lost = state.lost & ((1 << first) - 1);
    let text = '';
    for (let at = 0; at < this.names.length; at += 1) {
      const from = at < first ? at : first + (order[at - first] ?? 0);
      if (at >= first && state.lost & (1 << from)) lost |= 1 << at;
      const node = state.nodes[from];
      if (node === undefined) continue;
      const reign = node.reign === null ? '' : `r${node.reign.epoch}.${node.reign.commit}`;
      text += `${folder(node)},${node.life}${reign};`;
    }
    const acked = state.acked.map((log) => renamed(log, names, memo).id).sort((a, b) => a - b);
    text += `${acked};${state.brokerKnows ? 'k' : ''}${state.entries}f${state.flags}l${lost}n${state.losses};${state.grownUp}`;
    if (state.shelf !== null) {
      const { node } = state.shelf;
      text += `;${node < first ? node : first + order.indexOf(node - first)}:${folder(state.shelf.folder)}`;
    }
    return text;
  }
}

/**
 * Only orders by what a secondary shows of itself are tried: it is the same whatever the
 * secondaries are called.
 */
function isSorted(state: State, order: readonly number[], first: number): boolean {
  for (let at = 1; at < order.length; at += 1) {
    const a = state.nodes[first + (order[at - 1] ?? 0)];
    const b = state.nodes[first + (order[at] ?? 0)];
    if (a !== undefined && b !== undefined && rank(a) > rank(b)) return false;
  }
  return true;
}

function rank({ log, commit, promise, life }: ModelNode): number {
  return ((log.length * 16 + commit) * 16 + promise) * 16 + life;
}

function permutations(size: number): number[][] {
  if (size === 0) return [[]];
  return permutations(size - 1).flatMap((rest) =>
    Array.from({ length: size }, (_, at) => [...rest.slice(0, at), size - 1, ...rest.slice(at)]),
  );
}
