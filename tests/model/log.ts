/**
 * Logs as the model sees them: paths in one tree. A record is a child of the record before it, so
 * two logs agree exactly as far as their paths are the same objects, and a log that two nodes hold
 * costs nothing to keep or to compare.
 *
 * An entry is a number, an epoch record opens a reign, a list is the real `MembersControl`.
 */
import { branchOf, type Identity } from '#protocol/identity';
import type { MembersControl, Voter } from '#protocol/record';

export interface ModelRecord {
  readonly epoch: number;
  readonly reign: string;
  /** One of them is set; an epoch record has neither. */
  readonly list: MembersControl | null;
  /** Entries are numbered from 1; 0: a control record. */
  readonly entry: number;
  /**
   * Of an epoch record: whose reign it opens, and whether a force opened it, which begins a branch.
   */
  readonly by?: Voter;
  readonly forced?: boolean;
}

export class Log {
  private static made = 0;
  private readonly children = new Map<string, Log>();

  readonly id = Log.made++;
  readonly length: number;
  /** The logs that this one goes on from, by their length; the last is this one. */
  readonly path: readonly Log[];
  readonly identity: Identity | null;
  readonly list: MembersControl | null;
  readonly listIndex: number;
  /** Every node that was a voter in one of its lists. */
  readonly everVoters: ReadonlySet<string>;

  private constructor(
    readonly parent: Log | null,
    readonly record: ModelRecord | null,
  ) {
    this.length = parent === null ? 0 : parent.length + 1;
    this.path = [...(parent?.path ?? []), this];
    const list = record?.list ?? null;
    this.list = list ?? parent?.list ?? null;
    this.listIndex = list === null ? (parent?.listIndex ?? 0) : this.length;
    this.everVoters = list === null ? (parent?.everVoters ?? new Set()) : withNames(parent, list.voters);
    this.identity = parent?.identity ?? record?.reign ?? null;
    if (record?.forced && this.identity !== null) this.identity = branchOf(this.identity, record.reign);
  }

  static readonly EMPTY = new Log(null, null);

  /** Who began the log, as its first record says. */
  get founder(): Voter | null {
    return this.path[1]?.record?.by ?? null;
  }

  get lastEpoch(): number {
    return this.record?.epoch ?? 0;
  }

  get lastReign(): string {
    return this.record?.reign ?? '';
  }

  append(record: ModelRecord): Log {
    const key = `${record.epoch} ${record.reign} ${record.entry} ${record.forced ? '!' : ''}${record.list === null ? '' : listKey(record.list)}`;
    let child = this.children.get(key);
    if (child === undefined) {
      child = new Log(this, record);
      this.children.set(key, child);
    }
    return child;
  }

  /** The first `length` records of it. */
  prefix(length: number): Log {
    return this.path[length] ?? this;
  }

  contains(other: Log): boolean {
    return this.path[other.length] === other;
  }

  toString(): string {
    const text = this.path.slice(1).map(({ record }) => {
      if (record === null) return '';
      if (record.entry > 0) return `x${record.entry}`;
      if (record.list === null) return `${record.forced ? '!' : ''}e${record.epoch}`;
      return `${record.list.forced ? '!' : ''}{${record.list.voters.map(({ node, store }) => node + (store === '0' ? '' : `'${store}`)).join(' ')}}`;
    });
    return text.length === 0 ? '-' : text.join(' ');
  }
}

function listKey({ voters, members, forced }: MembersControl): string {
  return `${voters.map(({ node, store }) => `${node}${store}`).join()} of ${members.join()}${forced ? '!' : ''}`;
}

/** How many records the two have in common. */
export function commonLength(a: Log, b: Log): number {
  let length = Math.min(a.length, b.length);
  while (length > 0 && a.path[length] !== b.path[length]) length -= 1;
  return length;
}

/** The log with its nodes renamed; `memo` belongs to this renaming. */
export function renamed(log: Log, names: ReadonlyMap<string, string>, memo: Map<Log, Log>): Log {
  if (log.parent === null || log.record === null) return log;
  let result = memo.get(log);
  if (result === undefined) {
    const { list } = log.record;
    const name = (node: string) => names.get(node) ?? node;
    const renamedList = list && {
      ...list,
      voters: list.voters.map(({ node, store }) => ({ node: name(node), store })).sort(byName),
    };
    result = renamed(log.parent, names, memo).append({ ...log.record, list: renamedList });
    memo.set(log, result);
  }
  return result;
}

/**
 * Order among voters means nothing, and is made the same, so that equal lists are equal records.
 */
export function byName(a: Voter, b: Voter): number {
  return a.node < b.node ? -1 : a.node > b.node ? 1 : a.store < b.store ? -1 : a.store > b.store ? 1 : 0;
}

function withNames(parent: Log | null, voters: readonly Voter[]): ReadonlySet<string> {
  return new Set([...(parent?.everVoters ?? []), ...voters.map(({ node }) => node)]);
}
