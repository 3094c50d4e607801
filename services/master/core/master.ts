/**
 * The master's machine: `step(now, event) → effects`, without time, randomness or I/O of its own.
 *
 *     standby ──the lock is held──▶ claiming (candidacy.ts) ──elected──▶ reigning (reign.ts) ──a higher epoch is seen──▶ standby
 *        ▲                             │▲                                   │
 *        └──another has the lock───────┘└─ outbid, caught up: again         └─ link lost, lock lost: goes on in its epoch
 *
 * A reign outlives the link to the broker: only a higher epoch ends it. While another process has the lock it takes no appends, but
 * keeps those who wait: the other may be this process's own half-open connection, and safety comes from epochs, not from the lock.
 *
 * What it knows, and the parts that know it, are in master-state.ts.
 */
import { EPOCH_JUMP_MAX } from '../../../shared/protocol/limits';
import { type EpochId, isSameEpoch, type MessageOf, type WireMessage } from '../../../shared/protocol/wire';
import { Candidacy } from './candidacy';
import { type Append, type Await, type MasterEffect, type MasterEvent, type Remove, trace } from './events';
import { MasterState } from './master-state';
import { Patience } from './patience';
import { refused } from './refusals';
import { Reign } from './reign';
import type { MasterSettings, MasterStart } from './settings';

/** What a member says, or a node that wants to be one. */
type MemberMessage = Exclude<WireMessage, MessageOf<'announce' | 'claim' | 'entries' | 'diverged'>>;

export class MasterMachine extends MasterState {
  private readonly patience = new Patience();
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  /** The broker had nothing of this log. */
  private freshBroker: boolean;
  /** An operator has given the lost majority up; the next reign begins a new list. */
  private forced = false;
  /** As last traced; null: not yet. */
  private readOnly: boolean | null = null;
  private now = 0;

  constructor(settings: MasterSettings, start: MasterStart) {
    super(settings, start);
    this.freshBroker = start.promised.freshBroker === true && start.outline.lastIndex === 0;
  }

  step(now: number, event: MasterEvent): MasterEffect[] {
    this.now = now;
    const out: MasterEffect[] = [];
    this.handle(event, out);
    const { reigning } = this;
    if (reigning !== null) {
      this.commitIndex = reigning.commitIndex;
      this.publisher.publish(reigning, out);
    }
    this.traceReadOnly(out);
    return out;
  }

  private handle(event: MasterEvent, out: MasterEffect[]): void {
    switch (event.type) {
      case 'append':
        return this.append(event, out);
      case 'flush':
        return this.reigning?.flush(out);
      case 'await':
        return this.await(event, out);
      case 'giveUp':
        if (event.why === 'gone') return this.reigning?.forget(event.request);
        return this.reigning?.timeOut(event.request, out);
      case 'stored':
        return this.stored(event, out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event, out);
      case 'up':
        return this.up(event, out);
      case 'down':
        this.broker.becomeDown();
        this.publisher.becomeDown();
        return this.patience.restart();
      case 'locked':
        return this.locked(out);
      case 'blocked':
        return this.broker.setBlocked(event.blocked);
      case 'confirmed':
        return this.publisher.recordConfirm(event.publish);
      case 'unconfirmed':
        return this.publisher.recordFailure(this.now, event, out);
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
        return this.reigning?.end('shutting-down', out);
    }
  }

  private append(event: Append, out: MasterEffect[]): void {
    const { request } = event;
    const unsatisfiable = this.unsatisfiable(event.writeConcern);
    const refusal = this.refusal(this.now);
    if (unsatisfiable !== null)
      out.push({ do: 'answer', request, answer: { outcome: 'unsatisfiable', ...unsatisfiable } });
    else if (refusal !== null) out.push({ do: 'answer', request, answer: refusal });
    else this.reigning?.append(event, out);
  }

  private await(event: Await, out: MasterEffect[]): void {
    if (!this.stopping && this.reigning?.await(event, out) === true) return;
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
    this.claiming?.recordStored(this.now, out);
    this.reigning?.recordStored(records, out);
  }

  private storeFailed(event: Extract<MasterEvent, { type: 'storeFailed' }>, out: MasterEffect[]): void {
    if (!this.groups.isCurrent(event.generation)) return;
    const { durableIndex } = this.groups;
    out.push(trace('error', 'the store failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      this.reigning?.end('shutting-down', out);
      out.push({ do: 'halt', why: event.what });
      return;
    }
    this.groups.dropAfter(durableIndex);
    this.outline.truncateAfter(durableIndex);
    this.membership.followList();
    if (this.claiming !== null) this.phase = { name: 'standby' };
    this.reigning?.recount();
    for (const { request } of this.reigning?.dropAfter(durableIndex) ?? []) {
      const answer = refused('storage', `The entry could not be stored: ${event.what}.`, this.situation(this.now));
      out.push({ do: 'answer', request, answer });
    }
  }

  private up(event: Extract<MasterEvent, { type: 'up' }>, out: MasterEffect[]): void {
    this.broker.becomeUp();
    this.freshBroker ||= event.freshBroker;
    const { claiming, reigning } = this;
    if (reigning !== null) this.followers.announce(this.now, reigning, out);
    else if (claiming !== null) claiming.sendClaim(this.now, out);
    else this.claim(event.reign, out);
  }

  private locked(out: MasterEffect[]): void {
    this.broker.becomeLockedOut();
    if (this.claiming !== null) this.phase = { name: 'standby' };
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
    const { claiming } = this;
    if (claiming === null || !isSameEpoch(claiming.claim, promised)) return;
    claiming.recordPromised(this.now, out);
    this.judge(claiming, out);
  }

  private judge(candidacy: Candidacy, out: MasterEffect[]): void {
    const { verdict } = candidacy;
    if (verdict === 'reign') this.becomeReigning(candidacy.claim, out);
    if (verdict === 'again') this.phase = { name: 'standby' };
  }

  private becomeReigning(id: EpochId, out: MasterEffect[]): void {
    const { self, outline, groups, commitIndex, forced, membership } = this;
    const { window } = this.publisher;
    const { tracker } = membership.book;
    tracker.reset();
    this.publisher.clear();
    const withoutQuorum = !this.settings.quorumAppend;
    const parts = { outline, groups, window, tracker };
    const reign = new Reign(id, self, parts, { commitIndex, forced, withoutQuorum });
    this.phase = { name: 'reigning', reign };
    this.forced = false;
    this.freshBroker = false;
    membership.wantAll();
    reign.begin(membership.wanted, out);
    membership.followList();
    this.followers.announce(this.now, reign, out);
  }

  private receive(message: WireMessage, replyTo: string | null, out: MasterEffect[]): void {
    if (message.type === 'announce') this.hearHolder(message, out);
    else if (message.type === 'entries' || message.type === 'diverged') this.receiveLog(message, out);
    else if (message.type !== 'claim') this.receiveFrom(message, replyTo, out);
  }

  /** While another reigns: who, and in which epoch. A reign of this node's that was cut off from the lock is over then. */
  private hearHolder({ node, httpUrl, epoch }: MessageOf<'announce'>, out: MasterEffect[]): void {
    if (!this.broker.lockedOut || node === this.self.node) return;
    this.broker.recordHolder({ node, httpUrl });
    if (epoch > this.epoch.epoch) this.outbid(epoch, out);
  }

  private receiveLog(message: MessageOf<'entries' | 'diverged'>, out: MasterEffect[]): void {
    const { claiming } = this;
    if (claiming === null) return;
    claiming.receive(this.now, message, this.commitIndex, out);
    // What was cut may have been known by its checksum.
    this.trail.truncateAfter(this.outline.lastIndex);
    this.judge(claiming, out);
  }

  private receiveFrom(message: MemberMessage, replyTo: string | null, out: MasterEffect[]): void {
    if (message.epoch > this.epoch.epoch + EPOCH_JUMP_MAX) return;
    const { reigning, epoch } = this;
    if (!this.members.includes(message.node)) {
      // A node that follows this reign already and finds a queue has no reason to join; it only beats.
      const isWilling = message.type === 'join' || message.type === 'heartbeat';
      if (isWilling && reigning !== null) this.membership.admit(message.node, reigning, out);
      return;
    }
    this.membership.book.recordHeard(this.now, message, out);
    if (message.type === 'join') this.joined(message, out);
    if (message.epoch > epoch.epoch || (message.epoch === epoch.epoch && message.reign !== epoch.reign))
      this.outbid(message.epoch, out);
    else if (message.type === 'vote') this.voted(message, replyTo, out);
    else if (message.epoch < epoch.epoch) this.tell(replyTo, out);
    else if (reigning !== null) this.followers.hear(message, replyTo, reigning, out);
  }

  private joined(message: MessageOf<'join'>, out: MasterEffect[]): void {
    this.membership.book.recordJoin(message, out);
    if (this.broker.hasLock) out.push({ do: 'ensureMember', node: message.node });
  }

  private voted(vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    const { claiming } = this;
    if (claiming === null) return;
    claiming.recordVote(this.now, vote, replyTo, out);
    out.push(trace('debug', 'a vote', { peer: vote.node, granted: vote.granted, epoch: vote.claimed }));
    this.judge(claiming, out);
  }

  /** Tells one that does not follow yet what there is to follow: the reign, or the claim. */
  private tell(replyTo: string | null, out: MasterEffect[]): void {
    if (replyTo === null) return;
    this.claiming?.tell(replyTo, out);
    if (this.reigning !== null) this.followers.tell(replyTo, this.reigning, out);
  }

  /** Somebody follows a higher epoch, or another reign of this one: whatever goes on here is over. The next tick claims above it. */
  private outbid(epoch: number, out: MasterEffect[]): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.reigning !== null) {
      out.push(trace('warn', 'deposed', { epoch: this.reigning.id.epoch, seen: epoch }));
      this.reigning.end('deposed', out);
      this.publisher.clear();
    }
    this.phase = { name: 'standby' };
  }

  private tick({ reign, random }: Extract<MasterEvent, { type: 'tick' }>, out: MasterEffect[]): void {
    this.membership.book.tick(this.now, out);
    if (!this.broker.hasLock) return;
    if (this.claiming !== null) {
      this.claiming.tick(this.now, out);
      this.judge(this.claiming, out);
    }
    if (this.phase.name === 'standby') this.claim(reign, out);
    const { claiming, reigning } = this;
    if (claiming !== null) {
      // A catch-up gets on, or ends the claim by itself.
      this.yieldInVain(claiming.isCatchingUp ? this.now : 0, random, out);
    } else if (reigning !== null) {
      this.tickReign(reigning, out);
      const isCommitted = reigning.open && reigning.commitIndex >= this.groups.durableIndex;
      // Voters that are there and slow will ack in the end.
      this.yieldInVain(isCommitted || this.hasVoters ? null : reigning.commitIndex, random, out);
    }
  }

  private tickReign(reign: Reign, out: MasterEffect[]): void {
    if (!reign.open) reign.begin(this.membership.wanted, out);
    if (this.followers.isAnnounceDue(this.now)) this.followers.announce(this.now, reign, out);
    if (this.publisher.isRetryDue(this.now)) for (const node of this.members) out.push({ do: 'ensureMember', node });
    this.publisher.tick();
    this.membership.changeList(reign, out);
  }

  private yieldInVain(progress: number | null, random: number, out: MasterEffect[]): void {
    const { isAlone } = this.membership;
    if (!this.patience.hasEnded(this.now, { progress, isAlone, random })) return;
    this.broker.giveUpLock();
    const facts = { epoch: this.epoch.epoch, waitingFor: this.waitingFor };
    out.push({ do: 'yield' }, trace('info', 'gives the lock up for a while', facts));
  }

  private remove({ request, node }: Remove, out: MasterEffect[]): void {
    const { reigning } = this;
    const refusal = this.phaseName === 'reigning' ? null : this.refusal(this.now);
    if (refusal === null && reigning !== null) return this.membership.remove({ request, node }, reigning, out);
    const outcome = refusal ?? refused('recovering', 'Not ready yet.', this.situation(this.now));
    out.push({ do: 'removal', request, outcome });
  }

  /** An operator says that a majority of the voters is gone for good. */
  private force(out: MasterEffect[]): void {
    if (!this.canForce) return;
    this.reigning?.end('deposed', out);
    this.publisher.clear();
    this.forced = true;
    this.phase = { name: 'standby' };
    const what = 'an operator forces a new list: what only the lost voters had is given up';
    out.push(trace('error', what, { epoch: this.promised.epoch }));
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
