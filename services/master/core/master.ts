/**
 * Decides what each event means for the parts of a master: `step(now, event) → effects`. It has no
 * time, randomness or I/O of its own.
 *
 *     standby ──the lock is held──▶ claiming (candidacy.ts: Raft's candidate)
 *     claiming ──elected──▶ reigning (reign.ts: Raft's leader)
 *     claiming ──outbid, caught up──▶ claiming again, in a higher epoch
 *     claiming ──another process has the lock──▶ standby
 *     reigning ──a higher epoch is seen──▶ standby
 *
 * A reign outlives the link to the broker and the lock: only a higher epoch ends it. While another
 * process has the lock, the reign accepts no appends but keeps its waiting clients. The other
 * process may be this node's own half-open connection, and safety comes from epochs, not from the
 * lock.
 *
 * The parts do not know each other. They are in state.ts; view.ts reads them. This file takes the
 * events; elections.ts and leading.ts act on the parts.
 */
import { extendsLog, isForeign } from '#protocol/identity';
import { EPOCH_JUMP_MAX } from '#protocol/limits';
import { trace } from '#protocol/trace';
import { isSameEpoch, type MemberMessage, type MessageOf, type WireMessage } from '#protocol/wire/messages';
import { Admission, type Moment } from './admission/admission';
import { Elections, OUTNUMBERED } from './elections';
import type { MasterEffect, MasterEvent, Step } from './events';
import { Leading } from './leading';
import { refused } from './refusals';
import type { MasterCoreSettings, MasterStart } from './settings';
import { MasterState } from './state';
import { MasterView } from './view';

/**
 * Interval at which a moving commit index is saved. After a crash the node learns the newer value
 * again.
 */
const SAVE_COMMIT_MS = 1_000;

/** The core of a master: a pure state machine. Its driver performs the effects. */
export class MasterMachine {
  /** The readable state of this master. */
  readonly view: MasterView;
  protected readonly state: MasterState;
  private readonly admission: Admission;
  private readonly leading: Leading;
  private readonly elections: Elections;
  /** The value that was traced last; null: none yet. */
  private readOnly: boolean | null = null;
  private nextCommitSaveAt = 0;

  constructor(settings: MasterCoreSettings, start: MasterStart) {
    this.state = new MasterState(settings, start);
    this.view = new MasterView(this.state);
    this.admission = new Admission(this.view, start.seqOfId);
    this.leading = new Leading(this.state, this.view);
    this.elections = new Elections(this.state, this.view, this.leading);
  }

  /** The HTTP edge listens at this URL. */
  set httpUrl(url: string) {
    this.state.httpUrl = url;
  }

  /**
   * Takes an event and returns the effects for the driver, in order. Throws when an invariant is
   * broken.
   * @param now milliseconds of a monotonic clock
   */
  step(now: number, event: MasterEvent): MasterEffect[] {
    const step: Step = { now, out: [] };
    this.handle(event, step);
    const { reigning, declaration, publisher } = this.state;
    if (reigning !== null && declaration.isDone) publisher.publish(reigning, step.out);
    this.traceReadOnly(step);
    return step.out;
  }

  toString(): string {
    return `${this.view}`;
  }

  private handle(event: MasterEvent, step: Step): void {
    switch (event.type) {
      case 'append':
      case 'await':
        return this.admission.ask(event, this.momentOf(step));
      case 'loaded':
        return this.admission.loaded(event, this.momentOf(step));
      case 'flush':
        // In any phase: clients wait for the collected records even after their reign.
        return this.state.log.flush(step.out);
      case 'giveUp':
        if (this.admission.giveUp(event)) return undefined;
        if (event.why === 'gone') return this.state.reigning?.forget(event.request);
        return this.state.reigning?.timeOut(event.request, step.out);
      case 'stored':
        return this.stored(event, step);
      case 'storeFailed':
        return this.storeFailed(event, step);
      case 'promiseSaved':
        return this.elections.promiseSaved(event.promised, step);
      case 'up':
        return this.up(event, step);
      case 'declared':
        return this.becomeDeclared(step);
      case 'down':
        this.state.broker.becomeDown();
        this.state.publisher.becomeDown();
        this.state.listening.end();
        this.elections.dropForce(step);
        return this.elections.restartWait();
      case 'locked':
        return this.locked(step);
      case 'blocked':
        return this.state.broker.setBlocked(event.blocked);
      case 'messageLimit':
        this.state.sizeLimit.bytesMax = event.bytesMax;
        return undefined;
      case 'brokerTrouble':
        return this.state.broker.setTrouble(event.reason);
      case 'confirmed':
        return this.state.publisher.recordConfirm(event.publish);
      case 'unconfirmed':
        return this.state.publisher.recordFailure(step.now, event, step.out);
      case 'wire':
        return this.receive(event.message, event.replyTo, step);
      case 'tick':
        return this.tick(event, step);
      case 'remove':
      case 'admit':
        return this.leading.changeMember(event, step);
      case 'force':
        return this.elections.force(event, step);
      case 'shutdown':
        this.state.isStopping = true;
        this.elections.saveCommit(step);
        this.admission.end(this.momentOf(step));
        return this.state.reigning?.end('shutting-down', step.out);
    }
  }

  private momentOf({ now, out }: Step): Moment {
    return { now, reign: this.state.reigning, out };
  }

  private stored({ generation, checksum }: Extract<MasterEvent, { type: 'stored' }>, step: Step): void {
    const records = this.state.log.recordStored(generation, checksum);
    if (records.length === 0) return;
    this.state.pendingIds.recordStored(records);
    if (this.state.reigning?.isFounded === true && this.state.declaration.take()) step.out.push({ do: 'declare' });
    this.state.log.flush(step.out);
    step.out.push({ do: 'visible' });
    this.state.claiming?.recordStored(step.now, step.out);
    this.state.reigning?.recordStored(records, step.out);
  }

  private storeFailed(event: Extract<MasterEvent, { type: 'storeFailed' }>, step: Step): void {
    if (!this.state.log.isCurrent(event.generation)) return;
    const { durableIndex } = this.state.log;
    step.out.push(trace('error', 'store.failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      this.state.reigning?.end('shutting-down', step.out);
      step.out.push({ do: 'halt', why: event.what });
      return;
    }
    this.state.log.dropUnstored();
    this.state.pendingIds.clear();
    this.state.membership.followConfiguration();
    if (this.state.claiming !== null) this.state.phase = { name: 'standby' };
    this.state.reigning?.recount();
    for (const { request } of this.state.reigning?.dropAfter(durableIndex) ?? []) {
      const answer = refused('storage', `The entry could not be stored: ${event.what}.`, this.view.situation(step.now));
      step.out.push({ do: 'answer', request, answer });
    }
  }

  private up(event: Extract<MasterEvent, { type: 'up' }>, step: Step): void {
    this.state.broker.becomeUp();
    this.state.listening.begin(step.now);
    const { claiming, reigning } = this.state;
    // If the reign's configuration is durable, the new session has declared the exchange.
    this.state.declaration.recordSession(event.freshBroker, reigning?.isFounded === true);
    if (reigning !== null) this.leading.announceToAll(reigning, step);
    else if (claiming !== null) claiming.sendClaim(step.now, step.out);
    else this.elections.claim(event.reign, step);
  }

  /** The broker knows of the log, so the nodes may learn of it now (log-declaration.ts). */
  private becomeDeclared(step: Step): void {
    this.state.declaration.recordConfirmed();
    for (const node of this.view.members) step.out.push({ do: 'ensureMember', node });
    if (this.state.reigning !== null) this.leading.announceToAll(this.state.reigning, step);
  }

  private locked(step: Step): void {
    this.state.broker.becomeLockedOut();
    this.state.listening.end();
    this.elections.dropForce(step);
    if (this.state.claiming !== null) this.state.phase = { name: 'standby' };
    step.out.push(trace('info', 'lock.refused', {}));
  }

  private receive(message: WireMessage, replyTo: string | null, step: Step): void {
    switch (message.type) {
      case 'announce':
        return this.receiveAnnouncement(message, step);
      case 'entries':
      case 'diverged':
        return this.receiveLog(message, step);
      case 'claim':
      case 'renew':
        return undefined;
      case 'ack':
      case 'fetch':
      case 'heartbeat':
      case 'join':
      case 'leave':
      case 'vote':
        return this.receiveFrom(message, replyTo, step);
    }
  }

  /**
   * Takes the announcement of another master that has the lock. It ends a reign of this node in an
   * earlier epoch or an earlier branch. A master of a foreign log deposes none.
   */
  private receiveAnnouncement({ node, httpUrl, epoch, log }: MessageOf<'announce'>, step: Step): void {
    if (!this.state.broker.lockedOut || node === this.state.self.node) return;
    this.state.broker.recordOwner({ node, httpUrl, log });
    const { identity } = this.view;
    if (log === null || isForeign(log, identity)) return;
    const isLater = extendsLog(log, identity);
    if (isLater ? this.state.reigning !== null : log === identity && epoch > this.view.epoch.epoch)
      this.elections.stepDown(epoch, step);
    if (isLater) this.elections.adoptLog(log, step);
  }

  private receiveLog(message: MessageOf<'entries' | 'diverged'>, step: Step): void {
    const { claiming } = this.state;
    if (claiming === null) return;
    claiming.receive(step.now, message, step.out);
    // The fetched configuration may name other members than the settings do.
    this.state.membership.followConfiguration();
    this.elections.applyVerdict(claiming, step);
  }

  private receiveFrom(message: MemberMessage, replyTo: string | null, step: Step): void {
    if (message.epoch > this.view.epoch.epoch + EPOCH_JUMP_MAX) return;
    const { reigning, listening, membership } = this.state;
    const { identity } = this.view;
    const { log, node } = message;
    if (isForeign(log, identity) || (reigning !== null && extendsLog(log, identity)))
      return this.recordForeign(message, step);
    listening.foreigners.forget(node);
    listening.heard.record(step.now, message);
    if (identity === null && log !== null) listening.hasHeardOfALog = true;
    this.elections.lookForLogs(step);
    if (membership.removed.includes(node)) return;
    if (membership.members.includes(node)) this.receiveFromMember(message, replyTo, step);
    else this.receiveFromOther(message, replyTo, step);
  }

  private receiveFromMember(message: MemberMessage, replyTo: string | null, step: Step): void {
    const { reigning } = this.state;
    this.state.membership.table.recordHeard(step.now, message, step.out);
    if (message.type === 'join') this.recordJoin(message, step);
    if ((message.type === 'join' || message.type === 'heartbeat') && replyTo !== null)
      this.leading.renew(message, replyTo, step);
    if (message.type === 'vote') this.elections.countVote(message, replyTo, step);
    else if (this.elections.isOutbidBy(message)) this.elections.stepDown(message.epoch, step);
    else if (!isSameEpoch(message, this.view.epoch)) this.tellEpoch(replyTo, step);
    else if (reigning !== null) this.leading.receiveFromFollower(message, replyTo, reigning, step);
  }

  private receiveFromOther(message: MemberMessage, replyTo: string | null, step: Step): void {
    const { type, node } = message;
    // A node that already follows this reign and finds a queue does not join: it sends heartbeats.
    const isWilling = type === 'join' || type === 'heartbeat';
    const { claiming, reigning, membership } = this.state;
    if (isWilling && reigning !== null && membership.admit(node)) {
      step.out.push(trace('info', 'member.requested', { peer: node }));
      this.leading.changeConfiguration(reigning, step);
    }
    if (type === 'vote' && claiming !== null) this.elections.countVote(message, replyTo, step);
  }

  /** Records a node with another log (foreign-nodes.ts). */
  private recordForeign(message: MemberMessage, step: Step): void {
    const { node, log } = message;
    if (this.state.listening.foreigners.record(step.now, message))
      step.out.push(trace('error', 'node.foreign', { peer: node, log: this.view.identity, theirs: log }));
    if (this.view.members.includes(node)) this.state.membership.table.recordForeign(step.now, message, step.out);
  }

  private recordJoin(message: MessageOf<'join'>, step: Step): void {
    const { table } = this.state.membership;
    const { node, store } = message;
    if (this.state.reigning !== null && table.isRolledBack(message)) {
      table.recordRolledBack(message);
      const facts = { peer: node, store, lastIndex: message.lastIndex };
      step.out.push(trace('error', 'member.rolled-back', facts));
    }
    table.recordJoin(message, step.out);
    // A broker that knows of no log has no exchange to bind a queue to.
    if (this.state.broker.hasLock && !this.state.declaration.isBrokerFresh)
      step.out.push({ do: 'ensureMember', node: message.node });
  }

  /** Sends the announcement or the claim to a node that does not follow this epoch yet. */
  private tellEpoch(replyTo: string | null, step: Step): void {
    if (replyTo === null) return;
    this.state.claiming?.sendClaimTo(replyTo, step.out);
    if (this.state.reigning !== null) this.leading.announceTo(replyTo, this.state.reigning, step);
  }

  private tick({ reign, random }: Extract<MasterEvent, { type: 'tick' }>, step: Step): void {
    this.state.membership.table.tick(step.now, step.out);
    if (step.now >= this.nextCommitSaveAt) {
      this.nextCommitSaveAt = step.now + SAVE_COMMIT_MS;
      this.elections.saveCommit(step);
    }
    if (!this.state.broker.hasLock) return;
    if (this.state.claiming !== null) {
      this.state.claiming.tick(step.now, step.out);
      this.elections.applyVerdict(this.state.claiming, step);
    }
    if (this.state.phase.name === 'standby') this.elections.claim(reign, step);
    const { claiming, reigning } = this.state;
    if (this.view.anotherLog(step.now) !== null) {
      if (reigning !== null) this.leading.tickReign(reigning, step);
      this.elections.yieldLock(OUTNUMBERED, random, step);
    } else if (reigning === null) {
      // A force that is prepared or given keeps the lock, because its operator waits for it.
      const { force } = this.state;
      this.elections.yieldLock(
        force.isGiven || force.isPrepared(step.now) ? null : (claiming?.progress ?? 0),
        random,
        step,
      );
    } else {
      this.leading.tickReign(reigning, step);
      const isCommitted = reigning.open && reigning.commitIndex >= this.state.log.durableIndex;
      // With enough voters up, missing acks are only late: keep the lock.
      this.elections.yieldLock(isCommitted || this.view.hasVoters ? null : reigning.commitIndex, random, step);
    }
  }

  private traceReadOnly(step: Step): void {
    if (this.view.phaseName !== 'reigning') return;
    const { required, alive, ...quorum } = this.view.quorum;
    const ok = quorum.ok && this.view.hasVoters;
    if (this.readOnly === !ok) return;
    this.readOnly = !ok;
    const facts = { required, alive, voters: this.view.voters };
    step.out.push(trace(ok ? 'info' : 'warn', ok ? 'appends.accepted' : 'appends.refused', facts));
  }
}
