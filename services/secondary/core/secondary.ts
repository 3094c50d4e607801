/**
 * A secondary's machine: `step(now, event) → effects`, without time, randomness or I/O of its own.
 *
 *     unchecked ──a batch or an answer fits the end of the own log──▶ synced
 *         ▲  └──`diverged`: the tail that parts is cut, and it asks again
 *         └───────────── a higher epoch is promised ─────────────────────┘
 *
 * While unchecked nothing is appended and nothing is acked: first the own log is compared with the new master's. A higher epoch is
 * taken from claims and announcements only, which the reigning master repeats; a batch of an unknown one is dropped and
 * fetched later, so that a stray message in the queue deposes nobody.
 *
 * A delivery is settled as soon as its records are durable, or buffered, or known. To hold those that cannot be
 * placed could fill the prefetch window and stop everything.
 */
import { ChecksumTrail } from '../../../shared/protocol/checksum-trail';
import { GroupCommit } from '../../../shared/protocol/group-commit';
import { BATCH_RECORDS_MAX, EPOCH_JUMP_MAX } from '../../../shared/protocol/limits';
import { isAtLeastAsUpToDate, type LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import { type RetryPolicy, retryDelayMs } from '../../../shared/protocol/retry-policy';
import { type EpochId, isSameEpoch, type MessageOf, type WireMessage } from '../../../shared/protocol/wire';
import { DivergenceSearch } from './divergence-search';
import type { SecondaryEffect, SecondaryEvent, Tag } from './events';
import { GapRepair } from './gap-repair';
import { ReorderBuffer } from './reorder-buffer';

export interface SecondarySettings extends Voter {
  readonly heartbeatIntervalMs: number;
  readonly gapTimeoutMs: number;
}

/** Raft's durable state beside the log: the epoch promised and who has this node's vote in it. */
export interface PromisedEpoch extends EpochId {
  readonly votedFor: string | null;
}

/** What was known when the process started. */
export interface SecondaryStart {
  readonly outline: LogOutline;
  readonly promised: PromisedEpoch;
  /** Running checksum of the log's end. */
  readonly checksum: number;
}

export interface Counters {
  /** Records that came again. */
  duplicates: number;
  /** Holes that opened. */
  gaps: number;
  fetches: number;
  /** Batches of an epoch that is over. */
  staleEpoch: number;
  /** Batches of an epoch that nobody announced yet. */
  unknownEpoch: number;
  /** Well-formed messages that contradict the log. */
  misfits: number;
}

/** A delivery whose append failed comes again; not at once, or a full disk would make the broker spin. */
const REDELIVERY: RetryPolicy = { delayMsMin: 50, delayMsMax: 5_000 };

/** Announcements missed before the master counts as having been away. */
const SILENT_INTERVALS = 3;

interface Unsettled {
  readonly tag: Tag;
  readonly index: number;
  readonly fail: boolean;
}

/** What the reigning master said last. */
interface Heard {
  readonly at: number;
  readonly head: number;
  readonly headIndex: number;
  readonly httpUrl: string;
  readonly node: string;
}

export class SecondaryMachine {
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  readonly buffer = new ReorderBuffer();
  readonly counters: Counters = { duplicates: 0, gaps: 0, fetches: 0, staleEpoch: 0, unknownEpoch: 0, misfits: 0 };
  /** Where this node's HTTP edge is, as the master is told; '' until it listens. */
  httpUrl = '';
  private readonly trail: ChecksumTrail;
  /** Looks for the first record that is not the master's; null: the logs agree, as far as known. */
  private search: DivergenceSearch | null = null;
  private readonly gap: GapRepair;
  private readonly self: Voter;
  private promised: PromisedEpoch;
  private promiseIsDurable = true;
  /** Where to send the vote once the promise is durable; null: the promise came from an announcement. */
  private voteFor: { readonly claim: MessageOf<'claim'>; readonly replyTo: string | null } | null = null;
  private synced: boolean;
  private commitIndex = 0;
  private unsettled: Unsettled[] = [];
  /** Failed appends since the last one that became durable; what needed none says nothing about the store. */
  private failures = 0;
  private connected = false;
  private lockedOut = false;
  private consuming = false;
  private paused = false;
  private inHand = 0;
  private master: Heard | null = null;
  /** Seq that has to be applied before this node calls itself ready; null until the first announcement after connecting. */
  private readyAt: number | null = null;
  private isReady = false;
  private searchIsOver = false;
  private nextSearchAt = 0;
  private nextBeatAt = 0;
  private nextFenceAt = 0;
  private now = 0;

  constructor(
    private readonly settings: SecondarySettings,
    { outline, promised, checksum }: SecondaryStart,
  ) {
    this.trail = new ChecksumTrail({ index: outline.lastIndex, checksum });
    this.self = { node: settings.node, store: settings.store };
    this.outline = outline;
    this.groups = new GroupCommit(outline.lastIndex);
    this.promised = promised;
    this.synced = promised.epoch > 0 && outline.lastEpoch === promised.epoch;
    this.gap = new GapRepair(settings.gapTimeoutMs);
  }

  step(now: number, event: SecondaryEvent): SecondaryEffect[] {
    this.now = now;
    const out: SecondaryEffect[] = [];
    this.handle(event, out);
    this.lookForHoles(event.type === 'tick' ? event.random : null, out);
    return out;
  }

  /** Seq of the last entry that readers see. */
  get applied(): number {
    return this.outline.seqAt(this.groups.durableIndex);
  }

  get commit(): number {
    return this.outline.seqAt(Math.min(this.commitIndex, this.groups.durableIndex));
  }

  get epoch(): number {
    return this.promised.epoch;
  }

  /** The master's head as last announced, never below what is applied here. */
  get head(): number {
    return Math.max(this.master?.head ?? 0, this.applied);
  }

  get masterUrl(): string | null {
    return this.master?.httpUrl ?? null;
  }

  get status(): 'ok' | 'catching-up' | 'joining' | 'disconnected' | 'passive' | 'differs' {
    if (this.search !== null) return 'differs';
    if (this.lockedOut) return 'passive';
    if (!this.connected) return 'disconnected';
    if (this.master === null || !this.synced) return 'joining';
    return this.isReady ? 'ok' : 'catching-up';
  }

  /** Seq of the first entry that is not the master's; 0 while it is looked for, null when the logs agree. */
  get differsAt(): number | null {
    if (this.search === null) return null;
    return this.search.found === null ? 0 : this.outline.seqAt(this.search.found);
  }

  get ready(): boolean {
    return this.isReady && this.connected && this.search === null;
  }

  get isConnected(): boolean {
    return this.connected;
  }

  toString(): string {
    const state = `${this.synced ? 'synced' : 'unchecked'}${this.consuming ? ' consuming' : ''}`;
    return `${this.self.node} ${state} e${this.promised.epoch} ${this.outline} commit ${this.commitIndex} ${this.groups} ${this.buffer} ${this.gap}`;
  }

  private handle(event: SecondaryEvent, out: SecondaryEffect[]): void {
    switch (event.type) {
      case 'up':
        this.connected = true;
        this.lockedOut = false;
        this.join(out);
        return undefined;
      case 'down':
        return this.down();
      case 'locked':
        this.lockedOut = true;
        out.push(trace('error', 'another process runs under this node id', { node: this.self.node }));
        return undefined;
      case 'entriesMissing':
        this.consuming = false;
        if (this.connected) this.join(out);
        return undefined;
      case 'control':
        return this.control(event.message, event.replyTo, event.fail, out);
      case 'delivery':
        return this.delivery(event, out);
      case 'stored':
        return this.stored(event, out);
      case 'checksum':
        this.search?.recordOurs(event.index, event.checksum);
        return this.continueSearch(out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event, out);
      case 'tick':
        this.inHand = event.inHand;
        if (this.search !== null && this.connected && this.now >= this.nextSearchAt) this.continueSearch(out);
        return this.beat(out);
      case 'pause':
        return this.pause(event.paused, out);
      case 'shutdown':
        if (this.connected) this.send({ type: 'leave', ...this.epochId, node: this.self.node }, out);
        return undefined;
    }
  }

  private get epochId(): EpochId {
    return { epoch: this.promised.epoch, reign: this.promised.reign };
  }

  /** Up to where this node holds the log of the epoch it follows; 0 while that is not checked. */
  private get heldIndex(): number {
    return this.synced && this.promiseIsDurable && this.search === null ? this.groups.durableIndex : 0;
  }

  private down(): void {
    this.connected = false;
    this.consuming = false;
    this.unsettled = this.unsettled.map((each) => ({ ...each, tag: null }));
    this.master = null;
    this.readyAt = null;
    this.isReady = false;
  }

  private pause(paused: boolean, out: SecondaryEffect[]): void {
    if (paused === this.paused) return;
    this.paused = paused;
    if (paused) {
      this.consuming = false;
      this.unsettled = this.unsettled.map((each) => ({ ...each, tag: null }));
      out.push({ do: 'stopConsuming' });
    } else this.consume(out);
  }

  private control(message: WireMessage, replyTo: string | null, fail: boolean, out: SecondaryEffect[]): void {
    if (message.epoch > this.promised.epoch + EPOCH_JUMP_MAX) {
      this.counters.misfits += 1;
      return undefined;
    }
    switch (message.type) {
      case 'claim':
        return this.vote(message, replyTo, out);
      case 'announce':
        return this.announced(message, out);
      case 'entries':
        if (this.search !== null) return this.searched(message, out);
        return this.paused ? undefined : this.entries(message, { tag: null, fail }, out);
      case 'diverged':
        return this.diverged(message, out);
      case 'fetch':
        return this.serve(message, replyTo, out);
      case 'ack':
      case 'heartbeat':
      case 'join':
      case 'leave':
      case 'vote':
        this.counters.misfits += 1;
        return undefined;
    }
  }

  private vote(claim: MessageOf<'claim'>, replyTo: string | null, out: SecondaryEffect[]): void {
    if (claim.epoch <= this.promised.epoch) {
      if (this.promiseIsDurable) this.sendVote(claim, replyTo, out);
      return;
    }
    const theirs = { index: claim.lastIndex, epoch: claim.lastEpoch };
    const granted = isAtLeastAsUpToDate(theirs, this.outline.last);
    this.promise({ epoch: claim.epoch, reign: claim.reign, votedFor: granted ? voterKey(claim) : null }, out);
    this.voteFor = { claim, replyTo };
  }

  private sendVote(claim: MessageOf<'claim'>, replyTo: string | null, out: SecondaryEffect[]): void {
    if (replyTo === null || !this.connected) return;
    const granted = isSameEpoch(claim, this.promised) && this.promised.votedFor === voterKey(claim);
    const { index, epoch } = this.outline.last;
    const voters = this.outline.newestList().members?.voters ?? [];
    const vote = {
      type: 'vote',
      ...this.epochId,
      ...this.self,
      granted,
      claimed: claim.epoch,
      lastIndex: index,
      lastEpoch: epoch,
    } as const;
    out.push({ do: 'send', to: replyTo, message: { ...vote, voters: [...voters] } });
    out.push(trace('info', granted ? 'votes' : 'refuses its vote', { peer: claim.node, epoch: claim.epoch }));
  }

  /** Follows a higher epoch from now on; nothing of it is done before the promise is durable. */
  private promise(promised: PromisedEpoch, out: SecondaryEffect[]): void {
    this.promised = promised;
    this.promiseIsDurable = false;
    this.voteFor = null;
    this.synced = false;
    this.master = null;
    // The head announced before may have been cut with its epoch.
    this.readyAt = null;
    this.buffer.clear();
    out.push({ do: 'savePromise', ...promised });
  }

  private promiseSaved({ epoch, reign }: EpochId, out: SecondaryEffect[]): void {
    if (!isSameEpoch({ epoch, reign }, this.promised)) return;
    this.promiseIsDurable = true;
    out.push(trace('info', 'follows an epoch', { epoch, log: `${this.outline}` }));
    if (this.voteFor !== null) this.sendVote(this.voteFor.claim, this.voteFor.replyTo, out);
    else if (this.connected) this.join(out);
    this.voteFor = null;
  }

  private announced(message: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    if (message.epoch > this.promised.epoch) {
      this.promise({ epoch: message.epoch, reign: message.reign, votedFor: null }, out);
      return;
    }
    if (!isSameEpoch(message, this.promised)) return this.fence(out);
    if (!this.promiseIsDurable) return;
    const silentMs = this.master === null ? Number.POSITIVE_INFINITY : this.now - this.master.at;
    if (silentMs > SILENT_INTERVALS * this.settings.heartbeatIntervalMs) this.gap.hurry(this.now);
    const { head, headIndex, httpUrl, node } = message;
    this.master = { at: this.now, head, headIndex, httpUrl, node };
    this.readyAt ??= head;
    this.commitIndex = Math.max(this.commitIndex, this.synced ? Math.min(message.commit, this.outline.lastIndex) : 0);
    this.compare(message, out);
    this.becomeReady(out);
    this.consume(out);
    out.push({ do: 'visible' });
  }

  /** Compares the logs where both are known: what differs at one index is not the same log, and nothing more is built on it. */
  private compare({ headIndex, checksum }: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    const ours = this.trail.at(headIndex);
    if (
      !this.synced ||
      headIndex > this.groups.durableIndex ||
      ours === null ||
      checksum === undefined ||
      ours === checksum ||
      this.search !== null
    )
      return;
    this.search = new DivergenceSearch(headIndex);
    this.consuming = false;
    out.push({ do: 'stopConsuming' }, trace('error', "this log is not the master's: stops applying", { headIndex }));
    this.continueSearch(out);
  }

  private searched({ prevIndex, prevChecksum }: MessageOf<'entries'>, out: SecondaryEffect[]): void {
    if (prevChecksum === undefined) return;
    this.search?.recordTheirs(prevIndex, prevChecksum);
    this.continueSearch(out);
  }

  /** Asks for what the search wants next; a lost answer is asked for again at the next tick that is due. */
  private continueSearch(out: SecondaryEffect[]): void {
    if (this.search === null) return;
    const { asking: index, found } = this.search;
    if (found !== null && !this.searchIsOver) {
      this.searchIsOver = true;
      const facts = { seq: this.outline.seqAt(found), index: found, epoch: this.promised.epoch };
      out.push(trace('error', "the first entry that differs from the master's", facts));
    }
    if (index === null) return;
    this.nextSearchAt = this.now + this.settings.heartbeatIntervalMs;
    if (this.search.wantsOurs) out.push({ do: 'lookUpChecksum', index });
    const range = {
      from: index + 1,
      lastEpoch: this.outline.epochAt(index) ?? 0,
      limit: 1,
      withChecksum: true,
    } as const;
    this.send({ type: 'fetch', ...this.epochId, node: this.self.node, ...range }, out);
  }

  /** Whoever still speaks for an epoch that is over is told which one is followed here, at most once an interval. */
  private fence(out: SecondaryEffect[]): void {
    this.counters.staleEpoch += 1;
    if (this.now < this.nextFenceAt || !this.connected) return;
    this.nextFenceAt = this.now + this.settings.heartbeatIntervalMs;
    this.send(this.heartbeat(), out);
  }

  private delivery(
    { message, tag, fail }: Extract<SecondaryEvent, { type: 'delivery' }>,
    out: SecondaryEffect[],
  ): void {
    if (message.type === 'entries' && this.search === null) return this.entries(message, { tag, fail }, out);
    out.push({ do: 'settle', tag });
    if (message.type === 'entries') return;
    this.counters.misfits += 1;
    out.push(trace('warn', 'a message that does not belong into the entries queue', { type: message.type }));
  }

  private entries(batch: MessageOf<'entries'>, source: Omit<Unsettled, 'index'>, out: SecondaryEffect[]): void {
    if (batch.epoch > this.promised.epoch) this.counters.unknownEpoch += 1;
    else if (!isSameEpoch(batch, this.promised)) this.fence(out);
    else {
      const appended = this.place(batch, source.tag === null, out);
      if (appended) this.unsettled.push({ ...source, index: this.outline.lastIndex });
      this.flush(out);
      if (appended) return;
    }
    this.settleKnown(source, out);
  }

  /** Appends what follows the log, buffers what is beyond it. Returns true when something was appended. */
  private place(batch: MessageOf<'entries'>, fetched: boolean, out: SecondaryEffect[]): boolean {
    const { lastIndex, lastEpoch } = this.outline;
    const fitsTheEnd = batch.prevIndex === lastIndex && batch.prevEpoch === lastEpoch;
    if (!this.synced && this.promiseIsDurable && fitsTheEnd) this.becomeSynced(out);
    if (!this.synced || batch.prevIndex > lastIndex) {
      this.buffer.put(batch);
      return false;
    }
    let appended = this.append(batch, out);
    for (
      let next = this.buffer.take(this.outline.lastIndex);
      next !== null;
      next = this.buffer.take(this.outline.lastIndex)
    ) {
      appended = this.append(next, out) || appended;
    }
    if (appended) this.gap.recordProgress(this.now, fetched);
    return appended;
  }

  private append(batch: MessageOf<'entries'>, out: SecondaryEffect[]): boolean {
    const known = Math.min(this.outline.lastIndex - batch.prevIndex, batch.records.length);
    const fresh = batch.records.slice(known);
    this.counters.duplicates += known;
    const [first] = fresh;
    const agrees =
      this.outline.epochAt(batch.prevIndex) === batch.prevEpoch &&
      batch.records.slice(0, known).every(({ index, epoch }) => this.outline.epochAt(index) === epoch);
    const follows = first === undefined || this.outline.isFollowedBy(first);
    if (!agrees || !follows) {
      this.counters.misfits += 1;
      out.push(trace('warn', 'a batch contradicts the log', { prevIndex: batch.prevIndex, log: `${this.outline}` }));
      return false;
    }
    for (const record of fresh) {
      this.outline.append(record);
      this.groups.add(record);
    }
    this.commitIndex = Math.max(this.commitIndex, Math.min(batch.commit, this.outline.lastIndex));
    return fresh.length > 0;
  }

  private becomeSynced(out: SecondaryEffect[]): void {
    this.synced = true;
    out.push(trace('info', 'the log agrees with the master', { epoch: this.promised.epoch, log: `${this.outline}` }));
    this.ack(out);
    this.consume(out);
  }

  /** The delivery taught nothing new: it is settled, and acked again, for the ack of its first coming may have been lost. */
  private settleKnown({ tag, fail }: Omit<Unsettled, 'index'>, out: SecondaryEffect[]): void {
    if (tag === null) return;
    if (fail) return this.requeue(tag, out);
    out.push({ do: 'settle', tag });
    if (this.groups.isIdle) this.ack(out);
  }

  private stored(
    { generation, checksum, random }: Extract<SecondaryEvent, { type: 'stored' }>,
    out: SecondaryEffect[],
  ): void {
    const records = this.groups.stored(generation);
    if (records.length === 0) return;
    this.trail.record(this.groups.durableIndex, checksum);
    out.push({ do: 'visible' });
    const failed = this.settleStored(random, out);
    if (!failed) this.ack(out);
    this.becomeReady(out);
    this.flush(out);
  }

  /** Settles what is durable now. Returns true when an injected error struck one of them. */
  private settleStored(random: number, out: SecondaryEffect[]): boolean {
    let failed = false;
    let count = 0;
    for (const { tag, index, fail } of this.unsettled) {
      if (index > this.groups.durableIndex) break;
      count += 1;
      failed ||= fail;
      if (tag === null) continue;
      if (fail) this.requeue(tag, out, random);
      else out.push({ do: 'settle', tag });
    }
    this.unsettled.splice(0, count);
    if (!failed && count > 0) this.failures = 0;
    return failed;
  }

  private requeue(tag: number, out: SecondaryEffect[], random = 0.5): void {
    this.failures += 1;
    out.push({ do: 'requeue', tag, afterMs: retryDelayMs(REDELIVERY, this.failures, random) });
  }

  private storeFailed(event: Extract<SecondaryEvent, { type: 'storeFailed' }>, out: SecondaryEffect[]): void {
    if (!this.groups.isCurrent(event.generation)) return;
    const { durableIndex } = this.groups;
    out.push(trace('error', 'the store failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      out.push({ do: 'halt', why: event.what });
      return;
    }
    this.groups.dropAfter(durableIndex);
    this.outline.truncateAfter(durableIndex);
    this.failures += 1;
    const afterMs = retryDelayMs(REDELIVERY, this.failures, event.random);
    for (const { tag } of this.unsettled) if (tag !== null) out.push({ do: 'requeue', tag, afterMs });
    this.unsettled = [];
    this.gap.holdOff(this.now + afterMs);
  }

  /** The logs part: cuts what the new master's log does not have, and asks again from there (KIP-595). */
  private diverged({ endEpoch, endIndex, ...sender }: MessageOf<'diverged'>, out: SecondaryEffect[]): void {
    if (!this.promiseIsDurable || !isSameEpoch(sender, this.promised)) return;
    if (this.search !== null) {
      const { asking } = this.search;
      if (asking !== null) this.search.recordTheirs(asking, null);
      return this.continueSearch(out);
    }
    if (this.synced || !this.groups.isIdle) return;
    const cut = this.outline.cutFor({ endEpoch, endIndex });
    if (cut >= this.outline.lastIndex) return;
    if (cut < this.commitIndex) {
      throw new Error(`epoch ${sender.epoch} would cut at ${cut}, below the commit index ${this.commitIndex}: ${this}`);
    }
    const facts = { afterSeq: this.outline.seqAt(cut), lastSeq: this.outline.lastSeq, epoch: sender.epoch };
    out.push(trace('warn', 'cuts entries that were never committed', facts));
    this.outline.truncateAfter(cut);
    this.groups.dropAfter(cut);
    this.trail.truncateAfter(cut);
    out.push({ do: 'truncate', index: cut }, { do: 'visible' });
    this.gap.recordProgress(this.now, true);
  }

  private serve(fetch: MessageOf<'fetch'>, to: string | null, out: SecondaryEffect[]): void {
    if (to === null || !isSameEpoch(fetch, this.promised) || !this.promiseIsDurable) return;
    if (fetch.expects !== undefined && !this.meets(fetch.expects)) return;
    const prevIndex = fetch.from - 1;
    const parting = this.outline.partingPoint({ index: prevIndex, epoch: fetch.lastEpoch });
    if (parting !== null) {
      const message = { type: 'diverged', ...this.epochId, endEpoch: parting.epoch, endIndex: parting.index } as const;
      out.push({ do: 'send', to, message });
      return;
    }
    const header = {
      type: 'entries',
      ...this.epochId,
      prevIndex,
      prevEpoch: fetch.lastEpoch,
      commit: this.commitIndex,
    } as const;
    const { node, limit } = fetch;
    out.push({ do: 'serve', to, node, header, lastIndex: this.groups.durableIndex, limit });
  }

  /** Is this the log that a claimant means, as far as it was named, and durable? */
  private meets({ store, lastIndex, lastEpoch }: NonNullable<MessageOf<'fetch'>['expects']>): boolean {
    const { durableIndex: index } = this.groups;
    const epoch = this.outline.epochAt(index) ?? 0;
    return store === this.self.store && isAtLeastAsUpToDate({ index, epoch }, { index: lastIndex, epoch: lastEpoch });
  }

  private lookForHoles(random: number | null, out: SecondaryEffect[]): void {
    const known =
      this.search === null &&
      this.connected &&
      this.master !== null &&
      this.promiseIsDurable &&
      !this.paused &&
      !this.lockedOut;
    const behind = this.master !== null && this.master.headIndex > this.outline.lastIndex && this.inHand === 0;
    const hole = known && (!this.synced || !this.buffer.isEmpty || behind);
    const opened = this.gap.observe(this.now, { hole, urgent: !this.synced });
    if (opened && this.synced) this.counters.gaps += 1;
    if (!this.gap.isDue(this.now)) return;
    this.gap.recordFetch(this.now, random ?? 0.5);
    this.counters.fetches += 1;
    const { lastIndex, lastEpoch } = this.outline;
    const range = { from: lastIndex + 1, lastEpoch, limit: BATCH_RECORDS_MAX };
    this.send({ type: 'fetch', ...this.epochId, node: this.self.node, ...range }, out);
    out.push(trace('debug', 'fetches', range));
  }

  private consume(out: SecondaryEffect[]): void {
    if (
      this.search !== null ||
      this.consuming ||
      this.paused ||
      !this.connected ||
      !this.synced ||
      this.master === null
    )
      return;
    this.consuming = true;
    out.push({ do: 'consume' });
  }

  private becomeReady(out: SecondaryEffect[]): void {
    if (this.isReady || this.readyAt === null || !this.synced || this.applied < this.readyAt) return;
    this.isReady = true;
    out.push(trace('info', 'ready: has reached the head', { applied: this.applied }));
  }

  private flush(out: SecondaryEffect[]): void {
    const group = this.groups.take();
    if (group !== null) out.push({ do: 'store', ...group });
  }

  private beat(out: SecondaryEffect[]): void {
    if (!this.connected || this.lockedOut || this.now < this.nextBeatAt) return;
    this.nextBeatAt = this.now + this.settings.heartbeatIntervalMs;
    if (this.master === null && this.promiseIsDurable) this.join(out);
    else this.send(this.heartbeat(), out);
  }

  private heartbeat(): WireMessage {
    const { applied, heldIndex: index, httpUrl } = this;
    const checksum = this.trail.at(index);
    const buffered = this.buffer.size;
    const beat = { type: 'heartbeat', ...this.epochId, ...this.self, index, applied, buffered, httpUrl } as const;
    if (this.differsAt !== null) return { ...beat, differsAt: this.differsAt };
    return checksum === null ? beat : { ...beat, checksum };
  }

  private ack(out: SecondaryEffect[]): void {
    if (!this.synced || !this.connected || !this.promiseIsDurable) return;
    const { applied, heldIndex: index } = this;
    this.send({ type: 'ack', ...this.epochId, ...this.self, index, applied }, out);
  }

  private join(out: SecondaryEffect[]): void {
    const { index, epoch } = this.outline.last;
    const { httpUrl } = this;
    this.nextBeatAt = this.now + this.settings.heartbeatIntervalMs;
    this.send({ type: 'join', ...this.epochId, ...this.self, lastIndex: index, lastEpoch: epoch, httpUrl }, out);
  }

  private send(message: WireMessage, out: SecondaryEffect[]): void {
    out.push({ do: 'send', to: null, message });
  }
}

function voterKey({ node, store }: Voter): string {
  return `${node}/${store}`;
}

function trace(
  level: 'debug' | 'info' | 'warn' | 'error',
  what: string,
  facts: Readonly<Record<string, unknown>>,
): SecondaryEffect {
  return { do: 'trace', level, what, facts };
}
