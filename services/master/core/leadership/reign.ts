/**
 * Runs one reign of a master (Raft: the leader's part of one term). It gives entries their seqs,
 * makes them durable before they are published, counts acks, moves the commit index, and answers
 * clients.
 *
 *     opening ──the epoch record is committed──▶ open ──a higher epoch is seen──▶ over (`end`)
 *
 * A record is committed by Raft's rule (§5.4.2): it is of this epoch and a majority of the voters
 * holds it; every record before it is then committed too. The voters are those of the newest
 * configuration in the log, committed or not (thesis §4.1).
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

/** The positions of the members: the indexes that their newest stores have acknowledged. */
interface Positions {
  /** Index that this store holds; 0: nothing yet, or not the node's newest store. */
  indexOf(voter: Voter): number;
  /** Members that hold the record at `index`. */
  holdersOf(index: number): readonly string[];
  /** Indexes held by the members, highest first: the k-th is held by k members. */
  descendingIndexes(): readonly number[];
}

/** The parts that a reign works on. All of them outlive the reign. */
interface ReignParts {
  readonly log: ReplicaLog;
  readonly window: PublishWindow;
  readonly positions: Positions;
  /** Receives the ids that clients chose. */
  readonly pending: PendingIds;
}

/** One reign. Positions are indexes of records unless they say `seq`; 0 is "nothing yet". */
export class Reign {
  readonly waiters = new Waiters();
  private isOpen = false;
  /** Index of the epoch record; 0 until it is in the log. */
  private openingIndex = 0;
  /**
   * Index of the configuration with which this reign begins a log or a branch; 0: it continues with
   * the configuration in the log.
   */
  private foundingIndex = 0;
  private readonly changes = new PendingChanges();
  /**
   * Requests whose timeout passed before their record was durable. They are answered once it is, so
   * that the answer does not report an entry that a failed write removes.
   */
  private readonly expired = new Set<number>();

  constructor(
    readonly id: EpochId,
    private readonly self: Voter,
    private readonly parts: ReignParts,
    private readonly start: {
      /** An operator has given up the lost majority: this node is the only voter at first. */
      readonly forced: boolean;
      /** Accepts appends before the epoch record is committed (QUORUM_APPEND=false). */
      readonly withoutQuorum: boolean;
    },
  ) {}

  /** Raft's commitIndex of the log. */
  get commitIndex(): number {
    return this.parts.log.commitIndex;
  }

  /**
   * Is the reign's first configuration durable? Before, the reign is not announced: a crash could
   * remove the log or branch, and nodes that heard of it would be bound to it.
   */
  get isFounded(): boolean {
    return this.foundingIndex <= this.parts.log.durableIndex;
  }

  /** The epoch, the reign and the log, as every message of this reign names them. */
  get sender(): Sender {
    return { ...this.id, log: this.parts.log.outline.identity };
  }

  /** May the reign accept appends? The gates (gates.ts) may still refuse them. */
  get open(): boolean {
    return this.isOpen;
  }

  /** Number of nodes: n. */
  get nodes(): number {
    return nodeCount(this.members.length);
  }

  /**
   * Appends the epoch record, and a configuration if the log has none or the reign is forced. After
   * a failed write the caller calls it again.
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
   * Gives the entries their seqs and appends them; their client waits for the last one. The caller
   * has passed the gates. Throws when there is no entry.
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

  /**
   * A write failed: records after `index` are not in the log.
   * @returns the clients that waited for such a record; they wait no longer
   */
  dropAfter(index: number): Waiter[] {
    const dropped = this.waiters.drain(index);
    for (const { request } of dropped) this.expired.delete(request);
    return dropped;
  }

  /**
   * Makes a client wait for an entry that is in the log, and for all entries before it.
   * @returns false when there is no such entry
   */
  await(wait: Pick<Waiter, 'request' | 'first' | 'seq' | 'id' | 'writeConcern'>, out: MasterEffect[]): boolean {
    const index = this.parts.log.outline.indexOf(wait.seq);
    if (index === null) return false;
    this.waiters.add({ ...wait, repeated: true, index, needed: requiredAcks(wait.writeConcern, this.nodes) });
    this.release(out);
    return true;
  }

  /** The client's timeout has passed. */
  timeOut(request: number, out: MasterEffect[]): void {
    const waiter = this.waiters.get(request);
    if (waiter === null) return;
    if (waiter.index > this.parts.log.durableIndex) this.expired.add(request);
    else this.giveUp(waiter, out);
  }

  /** The client has disconnected: it gets no answer. */
  forget(request: number): void {
    this.waiters.remove(request);
    this.expired.delete(request);
  }

  /** The records are durable: they may be published, counted and read. */
  recordStored(records: readonly LogRecord[], out: MasterEffect[]): void {
    if (this.members.length > 0) this.parts.window.add(records);
    // No members: drop the backlog. Otherwise a later member would receive a batch after a gap.
    else this.parts.window.clear();
    this.advance(out);
    for (const request of [...this.expired]) {
      const waiter = this.waiters.get(request);
      if (waiter !== null && waiter.index > this.parts.log.durableIndex) continue;
      this.expired.delete(request);
      if (waiter !== null) this.giveUp(waiter, out);
    }
  }

  /** Header of a batch that follows `prevIndex`. */
  header(prevIndex: number): BatchHeader {
    return this.parts.log.header(prevIndex, this.sender);
  }

  /** Only a record of this epoch is committed by counting its holders (Raft §5.4.2). */
  mayCount(index: number): boolean {
    return this.parts.log.outline.epochAt(index) === this.id.epoch;
  }

  /**
   * Does a write concern of so many nodes wait for the commit? It does from a majority on, because
   * such an answer must survive every election.
   */
  needsCommit(required: number): boolean {
    return required >= majority(this.nodes);
  }

  /**
   * Moves the commit index as far as the voters' positions allow. Then it opens the reign if it
   * can, and answers the clients and the operators whose conditions are met.
   */
  advance(out: MasterEffect[]): void {
    const { log } = this.parts;
    const committed = this.committable();
    if (this.mayCount(committed) && log.recordCommit(committed)) out.push({ do: 'visible' });
    const openedBy = this.start.withoutQuorum ? log.durableIndex : log.commitIndex;
    if (!this.isOpen && this.openingIndex > 0 && openedBy >= this.openingIndex) {
      this.isOpen = true;
      const { epoch, reign } = this.id;
      out.push(trace('info', 'leader.elected', { epoch, reign, log: `${log.outline}` }));
    }
    this.release(out);
    const { index, members } = log.outline.newestConfiguration();
    if (members !== null && index <= log.commitIndex) this.changes.finish(members.members, out);
  }

  /** May the configuration change now? One change at a time, after the last is committed. */
  get canChangeConfiguration(): boolean {
    return this.isOpen && this.parts.log.outline.newestConfiguration().index <= this.commitIndex;
  }

  /** Appends a configuration. The caller then updates the members and calls `recount`. */
  appendConfiguration(list: MembersControl, out: MasterEffect[]): void {
    this.write(list);
    const voters = list.voters.map(({ node }) => node);
    out.push(trace('info', 'configuration.changed', { members: list.members, voters }));
    this.parts.log.flush(out);
  }

  /**
   * The number of nodes may have changed: resolves the write concern of every waiting client again,
   * to at most all nodes.
   */
  recount(): void {
    this.waiters.recount((writeConcern) => Math.min(requiredAcks(writeConcern, this.nodes), this.nodes));
  }

  /** Nodes known to hold the record at `index`. */
  holdersOf(index: number): string[] {
    const own = index <= this.parts.log.durableIndex ? [this.self.node] : [];
    return [...own, ...this.parts.positions.holdersOf(index)];
  }

  /** The change is answered once a configuration with it is committed. */
  awaitChange(change: ChangeMember, out: MasterEffect[]): void {
    this.changes.add(change, this.members.includes(change.node), out);
  }

  /** Ends the reign. Every waiting client is told that its entry may or may not be kept. */
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

  /** Answers every client whose write concern is met. */
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

  /** Index that a majority of the newest configuration's voters holds; 0 without one. */
  private committable(): number {
    const { log, positions } = this.parts;
    const { members } = log.outline.newestConfiguration();
    if (members === null) return 0;
    const held = (voter: Voter): number => (sameVoter(voter, this.self) ? log.durableIndex : positions.indexOf(voter));
    return Math.min(majorityIndex(members.voters, held), log.durableIndex);
  }

  /** Members of the newest configuration; empty without one. */
  private get members(): readonly string[] {
    return this.parts.log.outline.newestConfiguration().members?.members ?? [];
  }
}
