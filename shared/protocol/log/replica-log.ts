/**
 * Keeps a node's own copy of the log. Both roles use it, and no other code changes a log.
 *
 *     append ──▶ collecting ──flush──▶ storing ──stored──▶ durable
 *                    └──────────┬─────────┴───────────────────┘
 *                               ├─ dropUnstored: a write failed; durable records stay
 *                               └─ cutFor: the log is truncated to follow another node's log
 *
 * It owns the outline (epochs and control records), the group commit, the checksum trail and the
 * commit index. All positions are indexes of records unless they say `Seq`; 0 is "nothing yet".
 * Invariants:
 *
 * - `durableIndex` ≤ `outline.lastIndex`, and they are equal exactly when `isIdle`.
 * - `commitIndex` never falls, and is learned up to `outline.lastIndex`. It may be above
 *   `durableIndex`, and after a failed write even above `outline.lastIndex`: other nodes hold
 *   the committed records.
 * - No record at or below both `durableIndex` and `commitIndex` is ever removed.
 * - Checksums are known at durable indexes only.
 *
 * Sources: Raft §5.3 (log matching, commitIndex); KIP-595 (`diverged`, and the truncation that
 * answers it).
 */
import type { LogRecord } from '../record';
import { type Trace, trace } from '../trace';
import { endOf, type MessageOf, type Sender, type WireMessage } from '../wire/messages';
import { ChecksumTrail } from './checksum-trail';
import { type Group, GroupCommit } from './group-commit';
import { isAtLeastAsUpToDate, type LogOutline, type OutlineView } from './outline';

/** An effect of a change of the log. */
export type LogEffect =
  /** Make the records durable in order; then `stored` or `storeFailed` names this generation. */
  | ({ readonly do: 'store' } & Group)
  /** Remove every record after `index`, before any later `store`. No event reports completion. */
  | { readonly do: 'truncate'; readonly index: number }
  /** The head or the commit index that readers see has changed. */
  | { readonly do: 'visible' }
  | Trace;

/** An answer to a fetch. `to` is the queue that the fetch named. */
export type FetchEffect =
  | { readonly do: 'send'; readonly to: string; readonly message: WireMessage }
  /** Send the records `header.prevIndex` + 1 … `lastIndex`, at most one batch of `limit`. */
  | {
      readonly do: 'serve';
      readonly to: string;
      readonly node: string;
      readonly header: BatchHeader;
      readonly lastIndex: number;
      readonly limit: number;
      /** Include the checksum at `header.prevIndex`; only a reigning master is asked for it. */
      readonly withChecksum: boolean;
    };

/** An `entries` message without its records. */
export type BatchHeader = Omit<MessageOf<'entries'>, 'records'>;

/** An effects list that takes at least the log's effects: a core's own list is one. */
interface LogEffects {
  push(...effects: LogEffect[]): unknown;
}

/** The result of a `diverged` answer. */
interface Cut {
  /** True: it asked for the removal of a committed record, so nothing was changed. */
  readonly isRefused: boolean;
  /** For traces: the seq at the cut, the last seq before it, and the caller's own facts. */
  readonly facts: Trace['facts'];
}

/** The state of the store when the node starts. */
interface ReplicaLogStart {
  /** Outline of the records in the store, all durable. Only the ReplicaLog changes it later. */
  readonly outline: LogOutline;
  /** Running CRC-32 of all records' bytes. */
  readonly checksum: number;
  /** The saved commit index; a store that lost records may hold fewer. */
  readonly commit: number;
}

/** One node's copy of the log. */
export class ReplicaLog {
  private readonly shape: LogOutline;
  private readonly groups: GroupCommit;
  private readonly trail: ChecksumTrail;
  private committed: number;
  private removals = 0;

  constructor({ outline, checksum, commit }: ReplicaLogStart) {
    this.shape = outline;
    this.groups = new GroupCommit(outline.lastIndex);
    this.trail = new ChecksumTrail({ index: outline.lastIndex, checksum });
    this.committed = Math.min(commit, outline.lastIndex);
  }

  /** Outline of the whole log, including records that are not durable. */
  get outline(): OutlineView {
    return this.shape;
  }

  /** Every record up to here is durable in this node's store. */
  get durableIndex(): number {
    return this.groups.durableIndex;
  }

  /** Seq of the last durable entry: up to here readers see the log. */
  get durableSeq(): number {
    return this.shape.seqAt(this.durableIndex);
  }

  /** Raft's commitIndex: index of the last record that is known to be committed; 0: none. */
  get commitIndex(): number {
    return this.committed;
  }

  /** min(commitIndex, durableIndex): the index to save. Records up to it are never truncated. */
  get durableCommitIndex(): number {
    return Math.min(this.committed, this.durableIndex);
  }

  /** Seq of the last entry that readers see as committed. */
  get commitSeq(): number {
    return this.shape.seqAt(this.durableCommitIndex);
  }

  /** Number of truncations. While it is the same, each record keeps its index. */
  get cuts(): number {
    return this.removals;
  }

  /** Bytes of the records that are not durable yet. */
  get pendingBytes(): number {
    return this.groups.pendingBytes;
  }

  /** Is every record durable? */
  get isIdle(): boolean {
    return this.groups.isIdle;
  }

  /** @returns the running CRC-32 of the records' bytes up to `index`; null where it is not known */
  checksumAt(index: number): number | null {
    return this.trail.at(index);
  }

  /** Is the record before the batch (Raft's prevLogIndex, prevLogTerm) the last one of this log? */
  isFollowedBy({ prevIndex, prevEpoch, prevReign }: Omit<BatchHeader, keyof Sender>): boolean {
    const { index, epoch, reign } = this.shape.last;
    return prevIndex === index && prevEpoch === epoch && prevReign === reign;
  }

  /** Appends a record. Throws when it does not follow the last one in index, epoch and seq. */
  append(record: LogRecord): void {
    this.shape.append(record);
    this.groups.add(record);
  }

  /** Appends records that become durable together or not at all. Throws as `append` does. */
  appendUnit(records: readonly LogRecord[]): void {
    for (const record of records) this.shape.append(record);
    this.groups.addUnit(records);
  }

  /** Hands the next group to the store, unless one is under way or every record is durable. */
  flush(out: LogEffects): void {
    const group = this.groups.take();
    if (group !== null) out.push({ do: 'store', ...group });
  }

  /**
   * The group under way is durable.
   * @param checksum running CRC-32 at its last record
   * @returns its records; empty for a late completion, which changes nothing
   */
  recordStored(generation: number, checksum: number): readonly LogRecord[] {
    const records = this.groups.stored(generation);
    if (records.length === 0) return records;
    const { durableIndex } = this;
    const { lastIndex } = this.shape;
    if (durableIndex > lastIndex) throw new Error(`durable up to ${durableIndex}, and the log ends at ${lastIndex}`);
    this.trail.record(durableIndex, checksum);
    return records;
  }

  /** Is a completion or a failure of this generation still awaited? */
  isCurrent(generation: number): boolean {
    return this.groups.isCurrent(generation);
  }

  /** A write failed: removes the records that are not durable. */
  dropUnstored(): void {
    this.truncateAfter(this.durableIndex);
  }

  /**
   * Every record up to `index` is committed; an index beyond the end counts as the end.
   * @returns false when that was known
   */
  recordCommit(index: number): boolean {
    const known = Math.min(index, this.shape.lastIndex);
    if (known <= this.committed) return false;
    this.committed = known;
    return true;
  }

  /**
   * Truncates this log so that it can agree with one that answered `diverged`: the follower's half
   * of KIP-595's truncation. A truncation below the commit index is refused and changes nothing.
   * Otherwise `out` gets a trace and the effects for the store and the readers.
   * @param about further facts for the trace
   * @returns null when there is nothing to truncate, or a write is under way
   */
  cutFor(ends: MessageOf<'diverged'>, about: Trace['facts'], out: LogEffects): Cut | null {
    const { lastIndex, lastSeq, identity } = this.shape;
    const index = this.shape.cutFor(ends);
    if (!this.isIdle || index >= lastIndex) return null;
    const facts = { afterSeq: this.shape.seqAt(index), lastSeq, ...about };
    if (index < this.committed) return { isRefused: true, facts };
    const event = ends.log === identity ? 'log.truncated' : 'log.truncated-to-branch';
    this.truncateAfter(index);
    out.push(trace('warn', event, facts), { do: 'truncate', index }, { do: 'visible' });
    return { isRefused: false, facts };
  }

  /** Header of a batch that follows `prevIndex` and is sent by `sender`. */
  header(prevIndex: number, sender: Sender): BatchHeader {
    const [prevEpoch, prevReign] = [this.shape.epochAt(prevIndex) ?? 0, this.shape.reignAt(prevIndex)];
    return { type: 'entries', ...sender, prevIndex, prevEpoch, prevReign, commit: this.committed };
  }

  /**
   * Answers a fetch: with durable records, or with the position where the two logs part (the
   * leader's half of KIP-595).
   * @param asked `to`: the queue for the answer; `sender`, `store`: those of this node
   * @returns null when the fetch expects another store, or a log that goes further than this one's
   *   durable end: a log that has lost records is no evidence of what is committed
   */
  answerFetch(
    fetch: MessageOf<'fetch'>,
    asked: { readonly to: string; readonly sender: Sender; readonly store: string },
  ): FetchEffect | null {
    const { to, sender, store } = asked;
    if (fetch.expects !== undefined && !this.meets(fetch.expects, store)) return null;
    const { node, from, lastEpoch: epoch, lastReign: reign, limit, withChecksum = false } = fetch;
    const prevIndex = from - 1;
    const parting = this.shape.partingPoint({ index: prevIndex, epoch, reign });
    if (parting !== null) return { do: 'send', to, message: { type: 'diverged', ...sender, ...parting } };
    const { durableIndex: lastIndex } = this;
    return { do: 'serve', to, node, header: this.header(prevIndex, sender), lastIndex, limit, withChecksum };
  }

  toString(): string {
    return `${this.shape} commit ${this.committed} ${this.groups}`;
  }

  /** Has this store the log that the candidate expects, durably and as far as its end was named? */
  private meets(expected: NonNullable<MessageOf<'fetch'>['expects']>, store: string): boolean {
    const { shape, durableIndex: index } = this;
    const durable = { index, epoch: shape.epochAt(index) ?? 0, reign: shape.reignAt(index), log: shape.identity };
    return store === expected.store && isAtLeastAsUpToDate(durable, endOf(expected));
  }

  private truncateAfter(index: number): void {
    if (index < this.durableCommitIndex)
      throw new Error(`a truncation after ${index} would remove committed records up to ${this.durableCommitIndex}`);
    this.removals += 1;
    this.shape.truncateAfter(index);
    this.groups.dropAfter(index);
    this.trail.truncateAfter(index);
  }
}
