/**
 * The master's machine: `step(now, event) → effects`, without time, randomness or I/O of its own.
 *
 *     standby ──the lock is held──▶ claiming (candidacy.ts) ──elected──▶ reigning (reign.ts) ──a higher epoch is seen──▶ standby
 *        ▲                             │▲                                   │
 *        └──another has the lock───────┘└─ outbid, caught up: again         └─ link lost, lock lost: goes on in its epoch
 *
 * A reign outlives the link to the broker: only a higher epoch ends it. While another process has the lock it takes no appends, but
 * keeps those who wait: the other may be this process's own half-open connection, and safety comes from epochs, not from the lock.
 */

import { ChecksumTrail } from '../../../shared/protocol/checksum-trail';
import { GroupCommit } from '../../../shared/protocol/group-commit';
import { EPOCH_JUMP_MAX } from '../../../shared/protocol/limits';
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { LogRecord, Voter } from '../../../shared/protocol/record';
import { type RetryPolicy, retryDelayMs } from '../../../shared/protocol/retry-policy';
import { includesVoter } from '../../../shared/protocol/voters';
import { type EpochId, isSameEpoch, type MessageOf, type WireMessage } from '../../../shared/protocol/wire';
import { nodeCount, requiredAcks, type WriteConcern } from '../../../shared/protocol/write-concern';
import { Candidacy } from './candidacy';
import type { Append, Await, MasterEffect, MasterEvent, Remove } from './events';
import { MemberBook, type MemberState } from './member-book';
import { PublishWindow } from './publish-window';
import { type Quorum, quorumOf } from './quorum-gate';
import { noQuorum, type Refused, refused, type Situation, withoutVoters } from './refusals';
import { Reign } from './reign';

export interface MasterSettings extends Voter {
  /** Members from the start, up or not. */
  readonly secondaries: readonly string[];
  /** May a node that the settings do not name become a member by joining? */
  readonly openMembership: boolean;
  /** May it begin a log when there is none? One master of a log may. */
  readonly mayBegin: boolean;
  /** False: reigns without votes and takes appends without a quorum. */
  readonly quorumAppend: boolean;
  readonly heartbeatIntervalMs: number;
  readonly suspectAfterMs: number;
  readonly unhealthyAfterMs: number;
  /** Bytes of entries that are not yet durable here or not yet confirmed by the broker. */
  readonly inFlightBytesMax: number;
}

/** Clients that may wait at once; each costs some hundred bytes here and a socket at the edge. */
const WAITERS_MAX = 100_000;

/** Waiting for so long for votes or acks in vain, it lets another master try; and for twice as long the next time. */
const YIELD_AFTER: RetryPolicy = { delayMsMin: 5_000, delayMsMax: 20_000 };

/** Before a publish that the broker did not take is tried again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

type Phase =
  | { readonly name: 'standby' }
  | { readonly name: 'claiming'; readonly candidacy: Candidacy }
  | { readonly name: 'reigning'; readonly reign: Reign };

/** What was known when the process started. */
export interface MasterStart {
  readonly outline: LogOutline;
  readonly promised: EpochId & { readonly freshBroker?: true };
  /** Running checksum of the log's end. */
  readonly checksum: number;
}

export class MasterMachine {
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  /** Where this node's HTTP edge is, as others are told; '' until it listens. */
  httpUrl = '';
  private readonly window = new PublishWindow();
  private readonly book: MemberBook;
  private readonly trail: ChecksumTrail;
  private readonly self: Voter;
  private phase: Phase = { name: 'standby' };
  private promised: EpochId;
  /** Members that there shall be; the list in the log follows, step by step. */
  private wanted: readonly string[];
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  private commitIndex = 0;
  private connected = false;
  private lockedOut = false;
  private blocked = false;
  private freshBroker = false;
  private forced = false;
  private stopping = false;
  /** Who reigns, as last heard while this one does not. */
  private holder: { readonly node: string; readonly httpUrl: string } | null = null;
  private nextAnnounceAt = 0;
  /** When to give the lock up, unless it gets on by then; null: nothing is waited for. */
  private yieldAt: number | null = null;
  private progress: number | null = null;
  private yields = 0;
  private republishAt: number | null = null;
  private failedPublishes = 0;
  private readOnly: boolean | null = null;
  private now = 0;

  constructor(
    private readonly settings: MasterSettings,
    { outline, promised, checksum }: MasterStart,
  ) {
    this.trail = new ChecksumTrail({ index: outline.lastIndex, checksum });
    this.self = { node: settings.node, store: settings.store };
    this.outline = outline;
    this.groups = new GroupCommit(outline.lastIndex);
    this.promised = { epoch: promised.epoch, reign: promised.reign };
    this.freshBroker = promised.freshBroker === true && outline.lastIndex === 0;
    this.book = new MemberBook(settings);
    this.wanted = union(this.members, settings.secondaries);
    this.book.setMembers(this.members);
  }

  step(now: number, event: MasterEvent): MasterEffect[] {
    this.now = now;
    const out: MasterEffect[] = [];
    this.handle(event, out);
    if (this.phase.name === 'reigning') this.commitIndex = this.phase.reign.commitIndex;
    this.traceReadOnly(out);
    return out;
  }

  /** The members of the newest list, or those of the settings before there is one. */
  get members(): readonly string[] {
    return this.outline.newestList().members?.members ?? this.settings.secondaries;
  }

  get epoch(): EpochId {
    return this.phase.name === 'reigning' ? this.phase.reign.id : this.promised;
  }

  /** Seq up to which readers see the log: everything durable here. */
  get head(): number {
    return this.outline.seqAt(this.groups.durableIndex);
  }

  /** Seq up to which it is known to be committed. */
  get commit(): number {
    return this.outline.seqAt(Math.min(this.commitIndex, this.groups.durableIndex));
  }

  get phaseName(): 'standby' | 'recovering' | 'reigning' {
    if (this.lockedOut) return 'standby';
    return this.phase.name === 'reigning' && this.phase.reign.open ? 'reigning' : 'recovering';
  }

  get link(): { readonly connected: boolean; readonly blocked: boolean } {
    return { connected: this.connected, blocked: this.blocked };
  }

  get quorum(): Quorum {
    return quorumOf(this.members.length, this.book.aliveCount, this.settings.quorumAppend);
  }

  /** Who reigns instead of this one, as far as it was heard. */
  get reigningElsewhere(): { readonly node: string; readonly httpUrl: string } | null {
    return this.lockedOut ? this.holder : null;
  }

  /** Epoch in which an operator last forced a list; null: that never happened to this log. */
  get forcedEpoch(): number | null {
    return this.outline.forcedEpoch;
  }

  /** Requests that wait for their write concern. */
  get waiting(): number {
    return this.phase.name === 'reigning' ? this.phase.reign.waiters.size : 0;
  }

  get inFlightBytes(): number {
    return this.groups.pendingBytes + this.window.retainedBytes;
  }

  /** The record with this client's id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null {
    return this.phase.name === 'reigning' ? this.phase.reign.pendingRecord(id) : null;
  }

  /** What a write concern resolves to when that is more than there are nodes; null: it can be met. */
  unsatisfiable(writeConcern: WriteConcern): { readonly w: number; readonly nodes: number } | null {
    if (this.phaseName !== 'reigning') return null;
    const nodes = nodeCount(this.members.length);
    const w = requiredAcks(writeConcern, nodes);
    return w > nodes ? { w, nodes } : null;
  }

  member(now: number, id: string): MemberState & { readonly voter: boolean } {
    const state = this.book.stateOf(now, id);
    const voters = this.outline.newestList().members?.voters ?? [];
    const voter = includesVoter(voters, { node: id, store: this.book.tracker.storeOf(id) });
    return { ...state, acked: Math.min(state.acked, this.head), voter };
  }

  /** Nodes known to hold the entry, and whether it is committed; null for a seq that is not visible. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.groups.durableIndex) return null;
    const acks = [this.self.node, ...this.book.tracker.holdersOf(index)];
    return { acks, committed: index <= this.commitIndex };
  }

  /** Why no append is taken now; null: it would be. */
  refusal(now: number): Refused | null {
    const { quorum } = this;
    if (this.stopping) return refused('shutting-down', 'This master is stopping.', this.situation(now));
    if (this.lockedOut)
      return refused(
        'standby',
        `${this.holder?.node ?? 'Another process'} reigns: it has the lock of this log.`,
        this.situation(now),
      );
    if (this.phase.name !== 'reigning' || !this.phase.reign.open) {
      if (this.isBeginning && !quorum.ok) return noQuorum(this.situation(now), nodeCount(this.members.length));
      return refused('recovering', `Not ready yet: waiting for ${this.waitingFor}.`, this.situation(now));
    }
    // Blocked, the secondaries fall silent too: then the broker is what an operator has to look after.
    if (this.blocked) {
      return refused(
        'overloaded',
        'The broker has blocked its publishers: its memory or disk alarm is on.',
        this.situation(now),
      );
    }
    if (!quorum.ok) return noQuorum(this.situation(now), nodeCount(this.members.length));
    if (!this.hasVoters) return withoutVoters(this.voters, this.situation(now));
    if (this.inFlightBytes >= this.settings.inFlightBytesMax) {
      return refused(
        'overloaded',
        `${this.inFlightBytes} bytes are in flight, which is the limit.`,
        this.situation(now),
      );
    }
    if (this.waiting >= WAITERS_MAX)
      return refused('overloaded', `${WAITERS_MAX} requests are waiting, which is the limit.`, this.situation(now));
    return null;
  }

  /** There is no log yet, nor any word of one: nothing has to be recovered, only nodes are missing to begin it with. */
  get isBeginning(): boolean {
    return this.phase.name === 'claiming' && this.phase.candidacy.isBeginning;
  }

  /** What would end the recovery, as words after "waiting for". */
  get waitingFor(): string {
    if (this.phase.name === 'claiming') return this.phase.candidacy.waitingFor;
    if (this.phase.name === 'reigning') {
      const { open, id } = this.phase.reign;
      if (!open) return `a majority to hold the first record of epoch ${id.epoch}`;
      return `a majority of the voters (${this.voters.join(', ')}) to hold the newest record`;
    }
    return this.connected ? 'the lock of this log' : 'the broker';
  }

  toString(): string {
    const phase = this.phase.name === 'claiming' ? `claiming (${this.phase.candidacy})` : this.phase.name;
    const { node } = this.self;
    return `${node} ${phase} e${this.epoch.epoch} ${this.outline} commit ${this.commitIndex} ${this.groups} ${this.window} [${this.book.tracker}]`;
  }

  private handle(event: MasterEvent, out: MasterEffect[]): void {
    switch (event.type) {
      case 'append':
        return this.append(event, out);
      case 'flush':
        if (this.phase.name === 'reigning') this.phase.reign.flush(out);
        return undefined;
      case 'await':
        return this.await(event, out);
      case 'giveUp':
        if (this.phase.name !== 'reigning') return undefined;
        return event.why === 'gone'
          ? this.phase.reign.forget(event.request)
          : this.phase.reign.timeOut(event.request, out);
      case 'stored':
        return this.stored(event, out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event, out);
      case 'up':
        return this.up(event, out);
      case 'down':
        return this.down();
      case 'locked':
        return this.locked(out);
      case 'blocked':
        this.blocked = event.blocked;
        return undefined;
      case 'confirmed':
        return this.confirmed(event.publish, out);
      case 'unconfirmed':
        return this.unconfirmed(event.publish, event.random, out);
      case 'wire':
        return this.receive(event.message, event.replyTo, out);
      case 'tick':
        return this.tick(event, out);
      case 'remove':
        return this.remove(event, out);
      case 'force':
        return this.force(out);
      case 'shutdown':
        this.stopping = true;
        if (this.phase.name === 'reigning') this.phase.reign.end('shutting-down', out);
        return undefined;
    }
  }

  private append(event: Append, out: MasterEffect[]): void {
    const { request } = event;
    const unsatisfiable = this.unsatisfiable(event.writeConcern);
    const refusal = this.refusal(this.now);
    if (unsatisfiable !== null)
      out.push({ do: 'answer', request, answer: { outcome: 'unsatisfiable', ...unsatisfiable } });
    else if (refusal !== null) out.push({ do: 'answer', request, answer: refusal });
    else if (this.phase.name === 'reigning') this.phase.reign.append(event, out);
  }

  private await(event: Await, out: MasterEffect[]): void {
    const found = this.phase.name === 'reigning' && !this.stopping && this.phase.reign.await(event, out);
    if (found) return;
    const refusal =
      this.refusal(this.now) ??
      refused('recovering', 'The entry is not in the log any more.', this.situation(this.now));
    out.push({ do: 'answer', request: event.request, answer: { ...refusal, stored: 'unknown' } });
  }

  private stored({ generation, checksum }: Extract<MasterEvent, { type: 'stored' }>, out: MasterEffect[]): void {
    const records = this.groups.stored(generation);
    if (records.length === 0) return;
    this.trail.record(this.groups.durableIndex, checksum);
    const group = this.groups.take();
    if (group !== null) out.push({ do: 'store', ...group });
    out.push({ do: 'visible' });
    if (this.phase.name === 'reigning') {
      this.phase.reign.recordStored(records, out);
      this.publish(this.phase.reign, out);
    } else if (this.phase.name === 'claiming') {
      this.phase.candidacy.recordStored(this.now, out);
    }
  }

  private publish(reign: Reign, out: MasterEffect[]): void {
    if (this.connected && !this.lockedOut && this.republishAt === null) reign.publish(out);
  }

  private storeFailed(event: Extract<MasterEvent, { type: 'storeFailed' }>, out: MasterEffect[]): void {
    if (!this.groups.isCurrent(event.generation)) return;
    const { durableIndex } = this.groups;
    out.push(trace('error', 'the store failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      if (this.phase.name === 'reigning') this.phase.reign.end('shutting-down', out);
      out.push({ do: 'halt', why: event.what });
      return;
    }
    this.groups.dropAfter(durableIndex);
    this.outline.truncateAfter(durableIndex);
    this.book.setMembers(this.members);
    if (this.phase.name === 'claiming') this.phase = { name: 'standby' };
    if (this.phase.name !== 'reigning') return;
    this.phase.reign.recount();
    for (const { request } of this.phase.reign.dropAfter(durableIndex)) {
      const answer = refused('storage', `The entry could not be stored: ${event.what}.`, this.situation(this.now));
      out.push({ do: 'answer', request, answer });
    }
  }

  private up(event: Extract<MasterEvent, { type: 'up' }>, out: MasterEffect[]): void {
    this.connected = true;
    this.lockedOut = false;
    this.holder = null;
    this.freshBroker ||= event.freshBroker;
    if (this.phase.name === 'reigning') {
      this.announce(out);
      this.publish(this.phase.reign, out);
    } else if (this.phase.name === 'claiming') this.phase.candidacy.sendClaim(this.now, out);
    else this.claim(event.reign, out);
  }

  private down(): void {
    this.connected = false;
    this.blocked = false;
    this.yieldAt = null;
    this.republishAt = null;
    this.failedPublishes = 0;
    this.window.restart();
  }

  private locked(out: MasterEffect[]): void {
    this.lockedOut = true;
    this.connected = true;
    if (this.phase.name === 'claiming') this.phase = { name: 'standby' };
    out.push(trace('info', 'stands by: another process has the lock', {}));
  }

  /**
   * Promises itself an epoch above every one it knows; the claim goes out when the promise is durable. It names the end of a log that is
   * durable: who was elected for records that a failed write takes back could lack what is committed.
   */
  private claim(reign: string, out: MasterEffect[]): void {
    if (!this.groups.isIdle) return;
    const epoch = Math.max(this.promised.epoch, this.highestSeen, this.outline.lastEpoch) + 1;
    const claim = { epoch, reign };
    const { self, freshBroker, forced } = this;
    const { secondaries, mayBegin, quorumAppend: needsVotes, heartbeatIntervalMs } = this.settings;
    const options = { claim, self, secondaries, mayBegin, freshBroker, needsVotes, forced, heartbeatIntervalMs };
    this.promised = claim;
    this.phase = { name: 'claiming', candidacy: new Candidacy(this, options) };
    out.push({ do: 'savePromise', ...claim, freshBroker });
    out.push(trace('info', 'claims the mastership', { epoch, log: `${this.outline}` }));
  }

  private promiseSaved(promised: EpochId, out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming' || !isSameEpoch(this.phase.candidacy.claim, promised)) return;
    this.phase.candidacy.recordPromised(this.now, out);
    this.judge(out);
  }

  private judge(out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming') return;
    const { verdict } = this.phase.candidacy;
    if (verdict === 'reign') this.reign(this.phase.candidacy.claim, out);
    if (verdict === 'again') this.phase = { name: 'standby' };
  }

  private reign(id: EpochId, out: MasterEffect[]): void {
    const { outline, groups, window, forced } = this;
    const { tracker } = this.book;
    tracker.reset();
    window.clear();
    const reign = new Reign(
      id,
      this.self,
      { outline, groups, window, tracker },
      { commitIndex: this.commitIndex, forced, withoutQuorum: !this.settings.quorumAppend },
    );
    this.phase = { name: 'reigning', reign };
    this.forced = false;
    this.freshBroker = false;
    this.wanted = union(this.members, this.settings.secondaries);
    reign.begin(this.wanted, out);
    this.book.setMembers(this.members);
    this.announce(out);
  }

  private confirmed(publish: number, out: MasterEffect[]): void {
    if (!this.window.recordConfirm(publish)) return;
    this.failedPublishes = 0;
    if (this.phase.name === 'reigning') this.publish(this.phase.reign, out);
  }

  private unconfirmed(publish: number, random: number, out: MasterEffect[]): void {
    if (!this.window.recordFailure(publish) || !this.connected) return;
    this.failedPublishes += 1;
    this.republishAt = this.now + retryDelayMs(REPUBLISH, this.failedPublishes, random);
    out.push(trace('warn', 'the broker did not take a batch', { attempt: this.failedPublishes }));
  }

  private receive(message: WireMessage, replyTo: string | null, out: MasterEffect[]): void {
    if (message.type === 'announce') this.hearHolder(message, out);
    else if (message.type === 'entries' || message.type === 'diverged') this.receiveLog(message, out);
    else if (message.type !== 'claim') this.receiveFrom(message, replyTo, out);
  }

  /** While another reigns: who, and in which epoch. A reign of this node's that was cut off from the lock is over then. */
  private hearHolder({ node, httpUrl, epoch }: MessageOf<'announce'>, out: MasterEffect[]): void {
    if (!this.lockedOut || node === this.self.node) return;
    this.holder = { node, httpUrl };
    if (epoch > this.epoch.epoch) this.outbid(epoch, out);
  }

  private receiveLog(message: MessageOf<'entries' | 'diverged'>, out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming') return;
    this.phase.candidacy.receive(this.now, message, this.commitIndex, out);
    // What was cut may have been known by its checksum.
    this.trail.truncateAfter(this.outline.lastIndex);
    this.judge(out);
  }

  private receiveFrom(
    message: Exclude<WireMessage, MessageOf<'announce' | 'claim' | 'entries' | 'diverged'>>,
    replyTo: string | null,
    out: MasterEffect[],
  ): void {
    if (message.epoch > this.epoch.epoch + EPOCH_JUMP_MAX) return;
    if (!this.members.includes(message.node)) {
      // A node that follows this reign already and finds a queue has no reason to join; it only beats.
      if (message.type === 'join' || message.type === 'heartbeat') this.stranger(message.node, out);
      return;
    }
    this.book.recordHeard(this.now, message, out);
    if (message.type === 'join') this.joined(message, out);
    const { epoch } = this;
    if (message.epoch > epoch.epoch || (message.epoch === epoch.epoch && message.reign !== epoch.reign))
      this.outbid(message.epoch, out);
    else if (message.type === 'vote') this.voted(message, replyTo, out);
    else if (message.epoch < epoch.epoch) this.tell(replyTo, out);
    else if (this.phase.name === 'reigning') this.follow(message, replyTo, this.phase.reign, out);
  }

  /** A message of a member that follows this reign. */
  private follow(message: WireMessage, replyTo: string | null, reign: Reign, out: MasterEffect[]): void {
    if (message.type === 'fetch' && replyTo !== null) this.serve(message, replyTo, reign, out);
    if (message.type === 'join') this.tell(replyTo, out);
    if (message.type !== 'ack' && message.type !== 'heartbeat') return;
    this.book.recordStore(message);
    if (message.type === 'heartbeat') this.book.compare(message, this.trail.at(message.index), out);
    if (!this.book.agrees(message.node) || !this.book.tracker.recordAck(message)) return;
    reign.advance(out);
    this.changeList(reign, out);
  }

  private joined(message: MessageOf<'join'>, out: MasterEffect[]): void {
    this.book.recordJoin(message, out);
    if (this.connected && !this.lockedOut) out.push({ do: 'ensureMember', node: message.node });
  }

  private stranger(node: string, out: MasterEffect[]): void {
    if (!this.settings.openMembership || this.phase.name !== 'reigning' || this.wanted.includes(node)) return;
    if (node === this.self.node) return;
    this.wanted = [...this.wanted, node];
    out.push(trace('info', 'a new node wants to be a member', { peer: node }));
    this.changeList(this.phase.reign, out);
  }

  private voted(vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming') return;
    this.phase.candidacy.recordVote(this.now, vote, replyTo, out);
    out.push(trace('debug', 'a vote', { peer: vote.node, granted: vote.granted, epoch: vote.claimed }));
    this.judge(out);
  }

  /** Tells one that does not follow yet what there is to follow: the reign, or the claim. */
  private tell(replyTo: string | null, out: MasterEffect[]): void {
    if (replyTo === null) return;
    if (this.phase.name === 'reigning')
      out.push({ do: 'send', to: replyTo, message: this.announcement(this.phase.reign) });
    else if (this.phase.name === 'claiming') this.phase.candidacy.tell(replyTo, out);
  }

  /** Somebody follows a higher epoch, or another reign of this one: whatever goes on here is over. The next tick claims above it. */
  private outbid(epoch: number, out: MasterEffect[]): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.phase.name === 'reigning') {
      out.push(trace('warn', 'deposed', { epoch: this.phase.reign.id.epoch, seen: epoch }));
      this.phase.reign.end('deposed', out);
      this.window.clear();
    }
    this.phase = { name: 'standby' };
  }

  private serve(fetch: MessageOf<'fetch'>, to: string, reign: Reign, out: MasterEffect[]): void {
    const prevIndex = fetch.from - 1;
    const parting = this.outline.partingPoint({ index: prevIndex, epoch: fetch.lastEpoch });
    if (parting !== null) {
      const message = { type: 'diverged', ...reign.id, endEpoch: parting.epoch, endIndex: parting.index } as const;
      out.push({ do: 'send', to, message });
      return;
    }
    const { node, limit, withChecksum = false } = fetch;
    const { durableIndex: lastIndex } = this.groups;
    out.push({ do: 'serve', to, node, header: reign.header(prevIndex), lastIndex, limit, withChecksum });
  }

  private tick({ reign, random }: Extract<MasterEvent, { type: 'tick' }>, out: MasterEffect[]): void {
    this.book.tick(this.now, out);
    if (!this.connected || this.lockedOut) return;
    if (this.phase.name === 'claiming') {
      this.phase.candidacy.tick(this.now, out);
      this.judge(out);
    }
    if (this.phase.name === 'standby') this.claim(reign, out);
    if (this.phase.name === 'claiming') {
      // A catch-up gets on, or ends the claim by itself.
      this.yieldInVain(this.phase.candidacy.isCatchingUp ? this.now : 0, random, out);
    } else if (this.phase.name === 'reigning') {
      this.tickReign(this.phase.reign, out);
      const { open, commitIndex } = this.phase.reign;
      const isCommitted = open && commitIndex >= this.groups.durableIndex;
      // Voters that are there and slow will ack in the end.
      this.yieldInVain(isCommitted || this.hasVoters ? null : commitIndex, random, out);
    }
  }

  /**
   * A voter that waits for the lock, or who alone may begin a log, could be elected or could commit where this one cannot: while it waits it
   * neither votes nor acks. As long as too few nodes are alive, it could not either.
   *
   * @param progress changes with whatever shows that this master gets on; null: nothing is waited for
   */
  private yieldInVain(progress: number | null, random: number, out: MasterEffect[]): void {
    if (progress === null) this.yields = 0;
    const isAlone = !quorumOf(this.members.length, this.book.aliveCount, true).ok;
    if (progress === null || progress !== this.progress || isAlone) this.yieldAt = null;
    this.progress = progress;
    if (progress === null || isAlone) return;
    this.yieldAt ??= this.now + retryDelayMs(YIELD_AFTER, this.yields + 1, random);
    if (this.now < this.yieldAt) return;
    this.yields += 1;
    this.yieldAt = null;
    this.connected = false;
    const facts = { epoch: this.epoch.epoch, waitingFor: this.waitingFor };
    out.push({ do: 'yield' }, trace('info', 'gives the lock up for a while', facts));
  }

  private tickReign(reign: Reign, out: MasterEffect[]): void {
    if (!reign.open) reign.begin(this.wanted, out);
    if (this.now >= this.nextAnnounceAt) this.announce(out);
    if (this.republishAt !== null && this.now >= this.republishAt) {
      this.republishAt = null;
      for (const node of this.members) out.push({ do: 'ensureMember', node });
      this.publish(reign, out);
    }
    this.changeList(reign, out);
  }

  private changeList(reign: Reign, out: MasterEffect[]): void {
    const former = this.members;
    if (!reign.changeList({ members: this.wanted, isAlive: (node) => this.book.isAlive(node) }, out)) return;
    this.book.setMembers(this.members);
    for (const node of this.members) if (!former.includes(node)) out.push({ do: 'ensureMember', node });
  }

  private remove({ request, node }: Remove, out: MasterEffect[]): void {
    const refusal = this.phaseName === 'reigning' ? null : this.refusal(this.now);
    if (refusal !== null || this.phase.name !== 'reigning') {
      out.push({
        do: 'removal',
        request,
        outcome: refusal ?? refused('recovering', 'Not ready yet.', this.situation(this.now)),
      });
      return;
    }
    if (!this.members.includes(node)) {
      out.push({ do: 'removal', request, outcome: { outcome: 'unknown' } });
      return;
    }
    this.wanted = this.wanted.filter((each) => each !== node);
    this.phase.reign.awaitRemoval({ request, node });
    out.push(trace('warn', 'an operator removes a member', { peer: node }));
    this.changeList(this.phase.reign, out);
    this.phase.reign.advance(out);
  }

  /** Is a majority of the voters missing, so that an operator may give it up? */
  get canForce(): boolean {
    return this.phase.name === 'claiming' || !this.hasVoters;
  }

  /** An operator says that a majority of the voters is gone for good. */
  private force(out: MasterEffect[]): void {
    if (!this.canForce) return;
    if (this.phase.name === 'reigning') this.phase.reign.end('deposed', out);
    this.window.clear();
    this.forced = true;
    this.phase = { name: 'standby' };
    out.push(
      trace('error', 'an operator forces a new list: what only the lost voters had is given up', {
        epoch: this.promised.epoch,
      }),
    );
  }

  private announce(out: MasterEffect[]): void {
    if (this.phase.name !== 'reigning' || !this.connected || this.lockedOut) return;
    this.nextAnnounceAt = this.now + this.settings.heartbeatIntervalMs;
    out.push({ do: 'control', message: this.announcement(this.phase.reign) });
  }

  private announcement(reign: Reign): WireMessage {
    const { self, head, httpUrl, groups } = this;
    const { durableIndex: headIndex } = groups;
    const positions = { headIndex, head, commit: reign.commitIndex };
    const members = [...this.members];
    const message = { type: 'announce', ...reign.id, node: self.node, ...positions, members, httpUrl } as const;
    const checksum = this.trail.at(headIndex);
    return checksum === null ? message : { ...message, checksum };
  }

  /** Nodes that have a vote, in the newest list. */
  private get voters(): readonly string[] {
    return this.outline.newestList().members?.voters.map(({ node }) => node) ?? [];
  }

  /** Could what is appended now be committed? While the list changes its voters need not be the members that are alive. */
  private get hasVoters(): boolean {
    if (this.phase.name !== 'reigning' || !this.settings.quorumAppend) return true;
    return this.phase.reign.hasVotersAlive((node) => this.book.isAlive(node));
  }

  private situation(now: number): Situation {
    return { quorum: this.quorum, missing: this.book.missing(now) };
  }

  private traceReadOnly(out: MasterEffect[]): void {
    if (this.phaseName !== 'reigning') return;
    const { required, alive, ...quorum } = this.quorum;
    const ok = quorum.ok && this.hasVoters;
    if (this.readOnly === !ok) return;
    this.readOnly = !ok;
    const facts = { required, alive, voters: this.voters };
    out.push(trace(ok ? 'info' : 'warn', ok ? 'takes appends' : 'read-only: no quorum', facts));
  }
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}

function trace(
  level: 'debug' | 'info' | 'warn' | 'error',
  what: string,
  facts: Readonly<Record<string, unknown>>,
): MasterEffect {
  return { do: 'trace', level, what, facts };
}
