/**
 * One master's reign: from its first record, the *epoch* record, to the end of it. It gives seqs,
 * makes groups durable and only then publishes them, counts acks, moves the commit index, and
 * answers whoever is met.
 *
 *     opening ──the epoch record is committed──▶ open ──a higher epoch is seen──▶ over (`end`)
 *
 * Commit is Raft's (§5.4.2): a majority of the voters holds the record and it is of this epoch; by
 * it everything older is committed. The voters are those of the newest list in the log, committed
 * or not (thesis §4.1).
 */

import { generatedId } from '#protocol/entry';
import type { BatchHeader, ReplicaLog } from '#protocol/log/replica-log';
import {
  type Control,
  controlRecord,
  entryRecords,
  type LogRecord,
  type MembersControl,
  type Voter,
} from '#protocol/record';
import { trace } from '#protocol/trace';
import { majorityIndex, sameVoter } from '#protocol/voters';
import type { EpochId, Sender } from '#protocol/wire/messages';
import { majority, nodeCount, requiredAcks } from '#protocol/write-concern';
import type { Answer, Append, ChangeMember, MasterEffect, NewEntry } from '../events';
import { PendingChanges } from './pending-changes';
import type { PendingIds } from './pending-ids';
import type { PublishWindow } from './publish-window';
import { type Waiter, Waiters } from './waiters';

/** What the members hold: indexes that their newest stores have acknowledged. */
export interface Positions {
  /** 0 for another store of the node than its newest. */
  indexOf(voter: Voter): number;
  /** Members that hold the record at `index`. */
  holdersOf(index: number): readonly string[];
  /** Highest first: the k-th of them is held by k members. */
  descendingIndexes(): readonly number[];
}

/** What a reign works on; all of it outlives the reign. */
export interface ReignParts {
  readonly log: ReplicaLog;
  readonly window: PublishWindow;
  /** What the members hold, by their acks. */
  readonly positions: Positions;
  /** Takes the ids that clients give. */
  readonly pending: PendingIds;
}

export class Reign {
  readonly waiters = new Waiters();
  private isOpen = false;
  /** Index of the epoch record; 0 until it is in the log. */
  private openingIndex = 0;
  /**
   * Index of the list that this reign begins a log or a branch with; 0: it goes on with the one
   * there was.
   */
  private foundingIndex = 0;
  private readonly changes = new PendingChanges();
  /**
   * Requests whose timeout passed before their record was durable: answered when it is, so that the
   * answer is true.
   */
  private readonly expired = new Set<number>();

  constructor(
    readonly id: EpochId,
    private readonly self: Voter,
    private readonly parts: ReignParts,
    private readonly start: {
      /** An operator has given the lost majority up: a new list begins with this node alone. */
      readonly forced: boolean;
      /** Takes appends before its first record is committed (QUORUM_APPEND=false). */
      readonly withoutQuorum: boolean;
    },
  ) {}

  /** The log's commit index, which a reign moves. */
  get commitIndex(): number {
    return this.parts.log.commitIndex;
  }

  /**
   * Is it durable which log this is? Before, nobody may be told: a log that a crash takes back
   * would bind whoever heard of it.
   */
  get isFounded(): boolean {
    return this.foundingIndex <= this.parts.log.durableIndex;
  }

  /** What every message of this reign says of itself. */
  get sender(): Sender {
    return { ...this.id, log: this.parts.log.outline.identity };
  }

  /** May it take appends, as far as the reign itself goes? */
  get open(): boolean {
    return this.isOpen;
  }

  /** Number of nodes: n. */
  get nodes(): number {
    return nodeCount(this.members.length);
  }

  /**
   * Puts the epoch record into the log, and the list that it begins with, when there is none or it
   * was forced. Again after a failed write.
   */
  begin(members: readonly string[], out: MasterEffect[]): void {
    if (this.openingIndex !== 0 && this.openingIndex <= this.parts.log.outline.lastIndex) return;
    const former = this.parts.log.outline.newestConfiguration().members;
    const { node, store } = this.self;
    const { forced } = this.start;
    const opening = { control: 'epoch', reign: this.id.reign, node, store } as const;
    this.openingIndex = this.write(forced && former !== null ? { ...opening, forced } : opening);
    const voters = [this.self];
    if (former === null) this.foundingIndex = this.write({ control: 'members', voters, members });
    else if (forced) this.foundingIndex = this.write({ ...former, voters, members, forced: true });
    this.parts.log.flush(out);
  }

  /**
   * Gives the entries their seqs. The caller has checked that it may. Their client waits for the
   * last one.
   */
  append({ request, entries, ts, writeConcern, deferFlush: holds = false }: Append, out: MasterEffect[]): void {
    const records = this.records(entries, ts);
    const last = records.at(-1);
    if (last === undefined) throw new Error(`request ${request} appends nothing`);
    this.parts.log.appendUnit(records);
    const { index, seq } = last;
    const needed = requiredAcks(writeConcern, this.nodes);
    const first = seq - records.length + 1;
    this.waiters.add({ request, index, seq, id: last.id ?? '', first, repeated: false, writeConcern, needed });
    if (!holds) this.parts.log.flush(out);
  }

  /** A write failed, so nothing after `index` is in the log: who waited for it is taken out. */
  dropAfter(index: number): Waiter[] {
    const dropped = this.waiters.drain(index);
    for (const { request } of dropped) this.expired.delete(request);
    return dropped;
  }

  /**
   * Waits for an entry that is in the log, and for all before it; false when there is no such
   * entry.
   */
  await(wait: Pick<Waiter, 'request' | 'first' | 'seq' | 'id' | 'writeConcern'>, out: MasterEffect[]): boolean {
    const index = this.parts.log.outline.indexOf(wait.seq);
    if (index === null) return false;
    this.waiters.add({ ...wait, repeated: true, index, needed: requiredAcks(wait.writeConcern, this.nodes) });
    this.release(out);
    return true;
  }

  /** The client's own bound has passed. */
  timeOut(request: number, out: MasterEffect[]): void {
    const waiter = this.waiters.get(request);
    if (waiter === null) return;
    if (waiter.index > this.parts.log.durableIndex) this.expired.add(request);
    else this.giveUp(waiter, out);
  }

  forget(request: number): void {
    this.waiters.remove(request);
    this.expired.delete(request);
  }

  /** These records are durable: they may be published, counted and read. */
  recordStored(records: readonly LogRecord[], out: MasterEffect[]): void {
    if (this.members.length > 0) this.parts.window.add(records);
    // Nobody is there to take what still waits, and what comes later would follow it with a hole.
    else this.parts.window.clear();
    this.advance(out);
    for (const request of [...this.expired]) {
      const waiter = this.waiters.get(request);
      if (waiter !== null && waiter.index > this.parts.log.durableIndex) continue;
      this.expired.delete(request);
      if (waiter !== null) this.giveUp(waiter, out);
    }
  }

  /** What a batch after `prevIndex` says beside its records. */
  header(prevIndex: number): BatchHeader {
    return this.parts.log.header(prevIndex, this.sender);
  }

  /** Only a record of this epoch is committed by counting who holds it (Raft §5.4.2). */
  mayCount(index: number): boolean {
    return this.parts.log.outline.epochAt(index) === this.id.epoch;
  }

  /**
   * Does a concern of so many nodes wait for the commit? From a majority on: what the client is
   * told then survives every election.
   */
  needsCommit(required: number): boolean {
    return required >= majority(this.nodes);
  }

  /**
   * Moves the commit index as far as the voters' positions allow, answers whoever that meets, and
   * changes the list when one is due.
   */
  advance(out: MasterEffect[]): void {
    const { log } = this.parts;
    const committed = this.committable();
    if (this.mayCount(committed) && log.recordCommit(committed)) out.push({ do: 'visible' });
    const openedBy = this.start.withoutQuorum ? log.durableIndex : log.commitIndex;
    if (!this.isOpen && this.openingIndex > 0 && openedBy >= this.openingIndex) {
      this.isOpen = true;
      const { epoch, reign } = this.id;
      out.push(trace('info', 'reigns', { epoch, reign, log: `${log.outline}` }));
    }
    this.release(out);
    const { index, members } = log.outline.newestConfiguration();
    if (members !== null && index <= log.commitIndex) this.changes.finish(members.members, out);
  }

  /** Is a change of the list safe now? One at a time, each after the last is committed. */
  get canChangeConfiguration(): boolean {
    return this.isOpen && this.parts.log.outline.newestConfiguration().index <= this.commitIndex;
  }

  /** The caller then has the members follow the list, and counts the waiters again. */
  appendConfiguration(list: MembersControl, out: MasterEffect[]): void {
    this.write(list);
    const voters = list.voters.map(({ node }) => node);
    out.push(trace('info', 'list changes', { members: list.members, voters }));
    this.parts.log.flush(out);
  }

  /**
   * The number of nodes may have changed: whoever waits is counted again, with at most all of them.
   */
  recount(): void {
    this.waiters.recount((writeConcern) => Math.min(requiredAcks(writeConcern, this.nodes), this.nodes));
  }

  /** Nodes known to hold the record at `index`. */
  holdersOf(index: number): string[] {
    const own = index <= this.parts.log.durableIndex ? [this.self.node] : [];
    return [...own, ...this.parts.positions.holdersOf(index)];
  }

  /** Answered when a list that says so is committed. */
  awaitChange(change: ChangeMember, out: MasterEffect[]): void {
    this.changes.add(change, this.members.includes(change.node), out);
  }

  /** Every waiter gets the same answer. */
  end(problem: 'shutting-down' | 'deposed', out: MasterEffect[]): void {
    for (const waiter of this.waiters.drain(0)) this.leaveUnresolved(waiter, { problem, stored: 'unknown' }, out);
    this.expired.clear();
    this.changes.end(problem, out);
  }

  private records(entries: readonly NewEntry[], ts: string): LogRecord[] {
    const { outline } = this.parts.log;
    const { epoch, reign } = this.id;
    const first = outline.lastSeq + 1;
    const numbered = entries.map(({ message, id }, at) => {
      const seq = first + at;
      return { seq, epoch, id: id ?? generatedId(reign, seq), ts, message };
    });
    const records = entryRecords(outline.lastIndex + 1, numbered);
    for (const [at, record] of records.entries()) {
      const id = entries[at]?.id ?? null;
      if (id !== null) this.parts.pending.add(id, record);
    }
    return records;
  }

  private write(control: Control): number {
    const { lastIndex, lastSeq } = this.parts.log.outline;
    const record = controlRecord({ index: lastIndex + 1, epoch: this.id.epoch, seq: lastSeq }, control);
    this.parts.log.append(record);
    return record.index;
  }

  /** Answers every waiter whose concern is met. */
  release(out: MasterEffect[]): void {
    if (this.waiters.size === 0) return;
    const durable = this.parts.log.durableIndex;
    const indexes = this.parts.positions.descendingIndexes();
    const met = this.waiters.release((needed) => {
      const held = needed <= 1 ? durable : Math.min(durable, indexes[needed - 2] ?? 0);
      return this.needsCommit(needed) ? Math.min(held, this.commitIndex) : held;
    });
    for (const { request, repeated, first, seq, needed, index } of met) {
      this.expired.delete(request);
      const acks = this.holdersOf(index);
      out.push({
        do: 'answer',
        request,
        answer: { outcome: 'acknowledged', repeated, first, seq, w: needed, acks },
      });
    }
  }

  private giveUp(waiter: Waiter, out: MasterEffect[]): void {
    this.waiters.remove(waiter.request);
    this.leaveUnresolved(waiter, { problem: 'write-concern-timeout', stored: true }, out);
  }

  private leaveUnresolved(
    { request, repeated, first, seq, id, needed: w, index }: Waiter,
    why: Pick<Extract<Answer, { outcome: 'unresolved' }>, 'problem' | 'stored'>,
    out: MasterEffect[],
  ): void {
    const acks = this.holdersOf(index);
    out.push({
      do: 'answer',
      request,
      answer: { outcome: 'unresolved', ...why, repeated, first, seq, id, w, acks },
    });
  }

  /** Index that a majority of the voters of the newest list holds; 0 without a list. */
  private committable(): number {
    const { log, positions } = this.parts;
    const { members } = log.outline.newestConfiguration();
    if (members === null) return 0;
    const held = (voter: Voter): number => (sameVoter(voter, this.self) ? log.durableIndex : positions.indexOf(voter));
    return Math.min(majorityIndex(members.voters, held), log.durableIndex);
  }

  /** Members of the newest list; none before there is one. */
  private get members(): readonly string[] {
    return this.parts.log.outline.newestConfiguration().members?.members ?? [];
  }
}
