/**
 * The master's machine: `step(context, event) → effects`, without time, randomness or I/O of its own.
 *
 *     waiting ──lock held, topology stands──▶ claiming ──a majority of voters grants──▶ reigning ──a higher epoch is seen──▶ claiming
 *        ▲                                       │▲                                        │
 *        └──────────── another has the lock ─────┘└─ outbid: one epoch higher              └─ link lost: goes on in its epoch
 *
 * A claim is durable before it is sent; a reign opens with a record of its own (reign.ts). A reign outlives the link to the broker:
 * only a higher epoch ends it. Losing the lock closes it for appends, for who has it may be this process's own half-open connection.
 */
import { GroupCommit } from '../../../shared/protocol/group-commit';
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { LogRecord, Voter } from '../../../shared/protocol/record';
import { type RetryPolicy, retryDelayMs } from '../../../shared/protocol/retry-policy';
import type { EpochId, MessageOf, WireMessage } from '../../../shared/protocol/wire';
import { nodeCount, requiredAcks, type WriteConcern } from '../../../shared/protocol/write-concern';
import { AckTracker } from './ack-tracker';
import type { MissingNode } from './append';
import { Election } from './election';
import type { Append, Await, MasterEffect, MasterEvent } from './events';
import { FailureDetector, type Transition } from './failure-detector';
import { PublishWindow } from './publish-window';
import { type Quorum, quorumOf } from './quorum-gate';
import { noQuorum, type Refused, refused, type Situation } from './refusals';
import { Reign } from './reign';

export interface MasterSettings extends Voter {
  /** Members from the start, up or not. */
  readonly secondaries: readonly string[];
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

/** Before a publish that the broker did not take is tried again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

type Phase =
  | { readonly name: 'waiting' }
  | { readonly name: 'claiming'; readonly election: Election; promised: boolean; nextClaimAt: number }
  | { readonly name: 'reigning'; readonly reign: Reign };

/** What was known when the process started. */
export interface MasterStart {
  readonly outline: LogOutline;
  readonly promised: EpochId;
}

interface Heard {
  httpUrl: string | null;
  replyTo: string | null;
}

export class MasterMachine {
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  /** Where this node's HTTP edge is, as others are told; '' until it listens. */
  httpUrl = '';
  private readonly window = new PublishWindow();
  private readonly tracker = new AckTracker();
  private readonly detector: FailureDetector;
  private readonly heard = new Map<string, Heard>();
  private readonly self: Voter;
  private phase: Phase = { name: 'waiting' };
  private promised: EpochId;
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  private commitIndex = 0;
  private connected = false;
  private lockedOut = false;
  private blocked = false;
  private freshBroker = false;
  private stopping = false;
  private nextAnnounceAt = 0;
  private republishAt: number | null = null;
  private failedPublishes = 0;
  private readOnly: boolean | null = null;
  private now = 0;

  constructor(
    private readonly settings: MasterSettings,
    { outline, promised }: MasterStart,
  ) {
    this.self = { node: settings.node, store: settings.store };
    this.outline = outline;
    this.groups = new GroupCommit(outline.lastIndex);
    this.promised = promised;
    this.detector = new FailureDetector(settings);
    this.membersChanged();
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
    return this.outline.membersBefore().members?.members ?? this.settings.secondaries;
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
    return this.outline.seqAt(this.commitIndex);
  }

  get phaseName(): 'standby' | 'recovering' | 'reigning' {
    if (this.lockedOut) return 'standby';
    return this.phase.name === 'reigning' && this.phase.reign.open ? 'reigning' : 'recovering';
  }

  get link(): { readonly connected: boolean; readonly blocked: boolean } {
    return { connected: this.connected, blocked: this.blocked };
  }

  get quorum(): Quorum {
    return quorumOf(this.members.length, this.detector.aliveCount(), this.settings.quorumAppend);
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

  /** Requests that wait for their write concern. */
  get waiting(): number {
    return this.phase.name === 'reigning' ? this.phase.reign.waiters.size : 0;
  }

  get inFlightBytes(): number {
    return this.groups.pendingBytes + this.window.retainedBytes;
  }

  member(now: number, id: string): MissingNode & { readonly acked: number; readonly httpUrl: string | null } {
    const lastSeenMs = this.detector.silentMs(now, id);
    const acked = Math.min(this.tracker.appliedOf(id), this.head);
    return { id, status: this.detector.statusOf(id), lastSeenMs, acked, httpUrl: this.heard.get(id)?.httpUrl ?? null };
  }

  /** Nodes known to hold the entry, and whether it is committed; null for a seq that is not visible. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.groups.durableIndex) return null;
    const acks = [this.self.node, ...this.tracker.holdersOf(index)];
    return { acks, committed: index <= this.commitIndex };
  }

  /** Why no append is taken now; null: it would be. */
  refusal(now: number): Refused | null {
    const situation = this.situation(now);
    if (this.stopping) return refused('shutting-down', 'This master is stopping.', situation);
    if (this.lockedOut) return refused('standby', 'Another process reigns: it has the lock of this log.', situation);
    if (this.phase.name !== 'reigning' || !this.phase.reign.open) {
      return refused('recovering', `Not ready yet: waiting for ${this.waitingFor}.`, situation);
    }
    if (!situation.quorum.ok) return noQuorum(situation, nodeCount(this.members.length));
    if (this.blocked)
      return refused('overloaded', 'The broker has blocked its publishers: its memory or disk alarm is on.', situation);
    if (this.inFlightBytes >= this.settings.inFlightBytesMax) {
      return refused('overloaded', `${this.inFlightBytes} bytes are in flight, which is the limit.`, situation);
    }
    if (this.waiting >= WAITERS_MAX)
      return refused('overloaded', `${WAITERS_MAX} requests are waiting, which is the limit.`, situation);
    return null;
  }

  /** What would end the recovery, as words after "waiting for". */
  get waitingFor(): string {
    if (this.phase.name === 'waiting') return this.connected ? 'the lock of this log' : 'the broker';
    if (this.phase.name === 'reigning')
      return `a majority to hold the first record of epoch ${this.phase.reign.id.epoch}`;
    const { election } = this.phase;
    const ahead = election.mostUpToDate;
    if (ahead !== null)
      return `the log of ${ahead.node}, which is ahead (index ${ahead.last.index} of epoch ${ahead.last.epoch})`;
    const { votes, from } = election.missing;
    if (from.length > 0) return `${votes} more ${votes === 1 ? 'vote' : 'votes'} from ${from.join(', ')}`;
    const silent = this.members.filter((node) => !election.hasHeard(node));
    return `word from ${silent.join(', ')}, who may have the log that this node lacks`;
  }

  toString(): string {
    const phase = this.phase.name === 'claiming' ? `claiming (${this.phase.election})` : this.phase.name;
    return `${this.self.node} ${phase} e${this.epoch.epoch} ${this.outline} commit ${this.commitIndex} ${this.groups} ${this.window} [${this.tracker}]`;
  }

  private handle(event: MasterEvent, out: MasterEffect[]): void {
    switch (event.type) {
      case 'append':
        return this.append(event, out);
      case 'await':
        return this.await(event, out);
      case 'giveUp':
        if (this.phase.name !== 'reigning') return undefined;
        return event.why === 'gone'
          ? this.phase.reign.forget(event.request)
          : this.phase.reign.timeOut(event.request, out);
      case 'stored':
        return this.stored(event.generation, out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event, out);
      case 'up':
        return this.up(event, out);
      case 'down':
        return this.down();
      case 'locked':
        this.lockedOut = true;
        this.connected = true;
        out.push(trace('info', 'another process has the lock', {}));
        return undefined;
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
        return this.tick(event.reign, out);
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
    const answer =
      this.refusal(this.now) ??
      refused('recovering', 'The entry is not in the log any more.', this.situation(this.now));
    out.push({ do: 'answer', request: event.request, answer });
  }

  private stored(generation: number, out: MasterEffect[]): void {
    const records = this.groups.stored(generation);
    if (records.length === 0) return;
    const group = this.groups.take();
    if (group !== null) out.push({ do: 'store', ...group });
    out.push({ do: 'visible' });
    if (this.phase.name !== 'reigning') return;
    this.phase.reign.recordStored(records, out);
    this.publish(this.phase.reign, out);
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
    if (this.phase.name !== 'reigning') return;
    for (const { request } of this.phase.reign.dropAfter(durableIndex)) {
      const answer = refused('storage', `The entry could not be stored: ${event.what}.`, this.situation(this.now));
      out.push({ do: 'answer', request, answer });
    }
    this.membersChanged();
  }

  private up(event: Extract<MasterEvent, { type: 'up' }>, out: MasterEffect[]): void {
    this.connected = true;
    this.lockedOut = false;
    this.freshBroker ||= event.freshBroker;
    if (this.phase.name === 'reigning') {
      this.announce(out);
      this.publish(this.phase.reign, out);
    } else if (this.phase.name === 'claiming') this.sendClaim(out);
    else this.claim(event.reign, out);
  }

  private down(): void {
    this.connected = false;
    this.blocked = false;
    this.republishAt = null;
    this.failedPublishes = 0;
    this.window.restart();
  }

  /** Promises itself an epoch above every one it knows; the claim goes out when the promise is durable. */
  private claim(reign: string, out: MasterEffect[]): void {
    const epoch = Math.max(this.promised.epoch, this.highestSeen, this.outline.lastEpoch) + 1;
    const id = { epoch, reign };
    const voters = this.outline.membersBefore().members?.voters ?? [];
    const election = new Election(id, this.self, this.outline.last, voters);
    this.promised = id;
    this.phase = { name: 'claiming', election, promised: false, nextClaimAt: this.now };
    out.push({ do: 'savePromise', ...id });
    out.push(
      trace('info', 'claims the mastership', { epoch, log: `${this.outline}`, voters: voters.map(({ node }) => node) }),
    );
  }

  private promiseSaved({ epoch, reign }: EpochId, out: MasterEffect[]): void {
    if (
      this.phase.name !== 'claiming' ||
      this.phase.election.claim.epoch !== epoch ||
      this.phase.election.claim.reign !== reign
    )
      return;
    this.phase.promised = true;
    this.sendClaim(out);
    this.maybeReign(out);
  }

  private sendClaim(out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming' || !this.phase.promised || !this.connected) return;
    this.phase.nextClaimAt = this.now + this.settings.heartbeatIntervalMs;
    out.push({ do: 'control', message: this.claimMessage(this.phase.election) });
  }

  private claimMessage({ claim }: Election): WireMessage {
    const { index, epoch } = this.outline.last;
    return { type: 'claim', ...claim, ...this.self, lastIndex: index, lastEpoch: epoch };
  }

  private maybeReign(out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming' || !this.phase.promised) return;
    const { election } = this.phase;
    const { outline, groups, window, tracker } = this;
    const beginsAnew =
      this.outline.lastIndex === 0 && (this.freshBroker || election.nobodyHasALog(this.settings.secondaries));
    if (!election.won && !beginsAnew && this.settings.quorumAppend) return;
    this.tracker.reset();
    this.window.clear();
    const reign = new Reign(election.claim, this.self, { outline, groups, window, tracker }, this.commitIndex);
    this.phase = { name: 'reigning', reign };
    reign.begin(this.settings.secondaries, out);
    this.membersChanged();
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
    if (!('node' in message) || !this.members.includes(message.node)) return;
    if (message.type === 'announce' || message.type === 'claim') return;
    const { node } = message;
    const transition =
      message.type === 'leave' ? this.detector.recordLeft(this.now, node) : this.detector.recordHeard(this.now, node);
    if (transition !== null) this.statusChanged(transition, out);
    const heard = this.heardOf(node);
    heard.replyTo = replyTo ?? heard.replyTo;
    if ('httpUrl' in message) heard.httpUrl = message.httpUrl;
    if (message.type === 'join') this.joined(message, out);
    if (message.type === 'vote') this.voted(message, replyTo, out);
    if (
      message.epoch > this.epoch.epoch ||
      (message.epoch === this.epoch.epoch && message.reign !== this.epoch.reign)
    ) {
      this.outbid(message.epoch, out);
      return;
    }
    if (message.epoch < this.epoch.epoch) this.tell(replyTo, message.type, out);
    else if (this.phase.name === 'reigning') this.follow(message, replyTo, this.phase.reign, out);
  }

  /** A message of a member that follows this reign. */
  private follow(message: WireMessage, replyTo: string | null, reign: Reign, out: MasterEffect[]): void {
    if (message.type === 'fetch' && replyTo !== null) this.serve(message, replyTo, reign, out);
    if (message.type === 'join') this.tell(replyTo, message.type, out);
    if (message.type !== 'ack' && message.type !== 'heartbeat') return;
    if (!this.tracker.recordAck(message)) return;
    reign.advance(out);
    this.changeList(reign, out);
  }

  private joined(message: MessageOf<'join'>, out: MasterEffect[]): void {
    const { node, store, lastIndex, lastEpoch } = message;
    const isNewStore = this.tracker.recordJoin(message);
    out.push(
      trace(isNewStore ? 'warn' : 'info', isNewStore ? 'joins with another store' : 'joins', {
        peer: node,
        store,
        lastIndex,
        lastEpoch,
      }),
    );
    out.push({ do: 'ensureMember', node });
  }

  private voted(vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    if (this.phase.name !== 'claiming') return;
    this.phase.election.recordVote(vote, replyTo);
    out.push(trace('debug', 'a vote', { peer: vote.node, granted: vote.granted, epoch: vote.claimed }));
    this.maybeReign(out);
  }

  /** Tells one that does not follow yet what there is to follow: the reign, or the claim. */
  private tell(replyTo: string | null, about: WireMessage['type'], out: MasterEffect[]): void {
    if (replyTo === null) return;
    if (this.phase.name === 'reigning')
      out.push({ do: 'send', to: replyTo, message: this.announcement(this.phase.reign) });
    else if (this.phase.name === 'claiming' && this.phase.promised && about !== 'vote') {
      out.push({ do: 'send', to: replyTo, message: this.claimMessage(this.phase.election) });
    }
  }

  /** Somebody follows a higher epoch, or another reign of this one: whatever goes on here is over. The next tick claims above it. */
  private outbid(epoch: number, out: MasterEffect[]): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.phase.name === 'reigning') {
      out.push(trace('warn', 'deposed', { epoch: this.phase.reign.id.epoch, seen: epoch }));
      this.phase.reign.end('deposed', out);
      this.window.clear();
    }
    if (this.phase.name !== 'waiting') this.phase = { name: 'waiting' };
  }

  private serve(fetch: MessageOf<'fetch'>, to: string, reign: Reign, out: MasterEffect[]): void {
    const prevIndex = fetch.from - 1;
    const parting = this.outline.partingPoint({ index: prevIndex, epoch: fetch.lastEpoch });
    if (parting !== null) {
      out.push({
        do: 'send',
        to,
        message: { type: 'diverged', ...reign.id, endEpoch: parting.epoch, endIndex: parting.index },
      });
      return;
    }
    const { node, limit } = fetch;
    out.push({ do: 'serve', to, node, header: reign.header(prevIndex), lastIndex: this.groups.durableIndex, limit });
  }

  private tick(reign: string, out: MasterEffect[]): void {
    for (const transition of this.detector.tick(this.now)) this.statusChanged(transition, out);
    if (!this.connected || this.lockedOut) return;
    if (this.phase.name === 'waiting') this.claim(reign, out);
    else if (this.phase.name === 'claiming' && this.now >= this.phase.nextClaimAt) this.sendClaim(out);
    else if (this.phase.name === 'reigning') this.tickReign(this.phase.reign, out);
  }

  private tickReign(reign: Reign, out: MasterEffect[]): void {
    if (!reign.open) reign.begin(this.settings.secondaries, out);
    if (this.now >= this.nextAnnounceAt) this.announce(out);
    if (this.republishAt !== null && this.now >= this.republishAt) {
      this.republishAt = null;
      for (const node of this.members) out.push({ do: 'ensureMember', node });
      this.publish(reign, out);
    }
    this.changeList(reign, out);
  }

  private changeList(reign: Reign, out: MasterEffect[]): void {
    const members = [...new Set([...this.members, ...this.settings.secondaries])];
    const isAlive = (node: string): boolean => this.detector.statusOf(node) !== 'Unhealthy';
    if (!reign.changeList({ members, isAlive }, out)) return;
    for (const node of members) if (!this.heard.has(node)) out.push({ do: 'ensureMember', node });
    this.membersChanged();
  }

  private announce(out: MasterEffect[]): void {
    if (this.phase.name !== 'reigning' || !this.connected || this.lockedOut) return;
    this.nextAnnounceAt = this.now + this.settings.heartbeatIntervalMs;
    out.push({ do: 'control', message: this.announcement(this.phase.reign) });
  }

  private announcement(reign: Reign): WireMessage {
    const { self, head, httpUrl, groups } = this;
    const positions = { headIndex: groups.durableIndex, head, commit: reign.commitIndex };
    return { type: 'announce', ...reign.id, node: self.node, ...positions, members: [...this.members], httpUrl };
  }

  private membersChanged(): void {
    this.tracker.setMembers(this.members);
    this.detector.setMembers(this.members);
  }

  private heardOf(node: string): Heard {
    const known = this.heard.get(node) ?? { httpUrl: null, replyTo: null };
    this.heard.set(node, known);
    return known;
  }

  private situation(now: number): Situation {
    const missing = this.members.map((id) => this.member(now, id)).filter(({ status }) => status !== 'Healthy');
    return { quorum: this.quorum, missing: missing.map(({ id, status, lastSeenMs }) => ({ id, status, lastSeenMs })) };
  }

  private statusChanged({ node, from, to, silentMs }: Transition, out: MasterEffect[]): void {
    out.push(trace(to === 'Healthy' ? 'info' : 'warn', `becomes ${to}`, { peer: node, from, silentMs }));
  }

  private traceReadOnly(out: MasterEffect[]): void {
    if (this.phaseName !== 'reigning') return;
    const { ok, required, alive } = this.quorum;
    if (this.readOnly === !ok) return;
    this.readOnly = !ok;
    out.push(trace(ok ? 'info' : 'warn', ok ? 'takes appends' : 'read-only: no quorum', { required, alive }));
  }
}

function trace(
  level: 'debug' | 'info' | 'warn' | 'error',
  what: string,
  facts: Readonly<Record<string, unknown>>,
): MasterEffect {
  return { do: 'trace', level, what, facts };
}
