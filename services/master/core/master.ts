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
 * The parts do not know each other. They are in state.ts; view.ts reads them.
 */
import { extendsLog, type Identity, isForeign } from '#protocol/identity';
import { EPOCH_JUMP_MAX } from '#protocol/limits';
import type { Promised } from '#protocol/promised';
import { trace } from '#protocol/trace';
import {
  isSameEpoch,
  type MemberMessage,
  type MessageOf,
  type Sender,
  type WireMessage,
} from '#protocol/wire/messages';
import { Admission, type Moment } from './admission/admission';
import { Candidacy } from './election/candidacy';
import { LockYieldTimer } from './election/lock-yield';
import type { ChangeMember, MasterEffect, MasterEvent } from './events';
import { Reign } from './leadership/reign';
import { refused } from './refusals';
import type { MasterCoreSettings, MasterStart } from './settings';
import { MasterState } from './state';
import { MasterView } from './view';

/** One step of the machine: its time in milliseconds and its effects. */
interface Step {
  readonly now: number;
  readonly out: MasterEffect[];
}

/**
 * Interval at which a moving commit index is saved. After a crash the node learns the newer value
 * again.
 */
const SAVE_COMMIT_MS = 1_000;

/**
 * The progress of a master whose members hold another log. It never changes, so the lock is soon
 * released to a master that may hold that log.
 */
const OUTNUMBERED = -1;

/** The core of a master: a pure state machine. Its driver performs the effects. */
export class MasterMachine {
  /** The readable state of this master. */
  readonly view: MasterView;
  protected readonly state: MasterState;
  private readonly admission: Admission;
  private readonly lockYield = new LockYieldTimer();
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  /** The value that was traced last; null: none yet. */
  private readOnly: boolean | null = null;
  private isRenewing = false;
  private nextCommitSaveAt = 0;

  constructor(settings: MasterCoreSettings, start: MasterStart) {
    this.state = new MasterState(settings, start);
    this.view = new MasterView(this.state);
    this.admission = new Admission(this.view, start.seqOfId);
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
        return this.promiseSaved(event.promised, step);
      case 'up':
        return this.up(event, step);
      case 'declared':
        return this.becomeDeclared(step);
      case 'down':
        this.state.broker.becomeDown();
        this.state.publisher.becomeDown();
        this.state.listening.end();
        this.dropForce(step);
        return this.lockYield.restart();
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
        return this.changeMember(event, step);
      case 'force':
        return this.force(event, step);
      case 'shutdown':
        this.state.isStopping = true;
        this.saveCommit(step);
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
    if (reigning !== null) this.announceToAll(reigning, step);
    else if (claiming !== null) claiming.sendClaim(step.now, step.out);
    else this.claim(event.reign, step);
  }

  /** The broker knows of the log, so the nodes may learn of it now (log-declaration.ts). */
  private becomeDeclared(step: Step): void {
    this.state.declaration.recordConfirmed();
    for (const node of this.view.members) step.out.push({ do: 'ensureMember', node });
    if (this.state.reigning !== null) this.announceToAll(this.state.reigning, step);
  }

  private locked(step: Step): void {
    this.state.broker.becomeLockedOut();
    this.state.listening.end();
    this.dropForce(step);
    if (this.state.claiming !== null) this.state.phase = { name: 'standby' };
    step.out.push(trace('info', 'lock.refused', {}));
  }

  /**
   * Votes for itself in an epoch above every known one. The claim is sent once the vote is durable.
   * It names the end of a durable log: a master that is elected for records which a failed write
   * then removes could lack committed ones.
   */
  private claim(reign: string, step: Step): void {
    // The records of a reign that has ended may still be collected.
    if (!this.state.log.isIdle) return this.state.log.flush(step.out);
    if (this.state.contradictedBy !== null) return;
    // A forced epoch is above the epochs in every log that was heard: those branches end here.
    const { self, log, settings, listening, promised } = this.state;
    const { isBranchForced: forced } = this.state.force;
    const written = forced ? listening.heard.all(step.now).map(({ end }) => end.epoch) : [];
    const epoch = Math.max(promised.epoch, this.highestSeen, log.outline.lastEpoch, ...written) + 1;
    const { identity } = this.view;
    const claim: Sender = { epoch, reign, log: identity };
    const { secondaries, quorumAppend: needsVotes, heartbeatIntervalMs } = settings;
    const options = { claim, self, secondaries, needsVotes, forced, heartbeatIntervalMs };
    this.state.phase = { name: 'claiming', candidacy: new Candidacy(log, options) };
    this.promise({ epoch, reign, identity }, step);
    step.out.push(trace('info', 'election.started', { epoch, log: `${log.outline}`, identity }));
  }

  /** Saves the vote for itself, and with it the other facts that are on disk beside the log. */
  private promise({ epoch, reign, identity }: Pick<Promised, 'epoch' | 'reign' | 'identity'>, step: Step): void {
    const votedFor = `${this.state.self.node}/${this.state.self.store}`;
    const { durableCommitIndex: commit } = this.state.log;
    this.state.promised = { epoch, reign, votedFor, log: identity, identity, commit };
    step.out.push({ do: 'savePromise', promised: this.state.promised });
  }

  /** This node belongs to the log from now on: an elected master or a majority of voters has it. */
  private adoptLog(log: Identity, step: Step): void {
    step.out.push(trace('info', 'log.adopted', { log, formerly: this.view.identity }));
    this.promise({ ...this.state.promised, identity: log }, step);
  }

  private saveCommit(step: Step): void {
    if (this.state.log.durableCommitIndex <= this.state.promised.commit) return;
    // The committed records are durable, and with them those that say which log this is.
    this.promise({ ...this.state.promised, identity: this.view.identity }, step);
  }

  private promiseSaved(promised: Promised, step: Step): void {
    const { claiming } = this.state;
    if (claiming === null || !isSameEpoch(claiming.claim, promised)) return;
    claiming.recordPromised(step.now, step.out);
    this.applyVerdict(claiming, step);
  }

  private applyVerdict(candidacy: Candidacy, step: Step): void {
    const verdict = candidacy.verdict(step.now, this.view.birth(step.now));
    if (verdict === 'won' && candidacy.needsNobody && this.view.isRolledBack(step.now)) return this.renewStore(step);
    if (verdict === 'won' && !this.view.listensAlone(step.now)) this.becomeReigning(candidacy.claim, step);
    if (verdict === 'retry') this.state.phase = { name: 'standby' };
    if (verdict !== 'contradicted') return;
    this.state.contradictedBy = candidacy.source;
    this.state.phase = { name: 'standby' };
    this.dropForce(step);
  }

  private renewStore(step: Step): void {
    if (this.isRenewing) return;
    this.isRenewing = true;
    const ahead = this.state.listening.heard.best(step.now, this.view.identity)?.node;
    step.out.push(trace('error', 'store.rolled-back', { lastSeq: this.view.outline.lastSeq, ahead }));
    step.out.push({ do: 'renewStore' });
  }

  private becomeReigning({ epoch, reign: name }: Sender, step: Step): void {
    const { self, log, force, membership, pendingIds: pending, publisher, declaration } = this.state;
    const { tracker } = membership.table;
    tracker.reset();
    publisher.clear();
    const parts = { log, window: publisher.window, positions: tracker, pending };
    const start = { forced: force.isBranchForced, withoutQuorum: !this.state.settings.quorumAppend };
    const reign = new Reign({ epoch, reign: name }, self, parts, start);
    const isBirth = log.outline.newestConfiguration().members === null;
    this.state.phase = { name: 'reigning', reign };
    force.finish();
    membership.wantAll();
    reign.begin(membership.wanted, step.out);
    membership.followConfiguration();
    declaration.recordReign(isBirth);
    this.announceToAll(reign, step);
  }

  private announceToAll(reign: Reign, step: Step): void {
    if (!this.state.broker.hasLock || this.view.isSilent(step.now)) return;
    this.state.announcer.announceToAll(step.now, reign, step.out);
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
      this.stepDown(epoch, step);
    if (isLater) this.adoptLog(log, step);
  }

  private receiveLog(message: MessageOf<'entries' | 'diverged'>, step: Step): void {
    const { claiming } = this.state;
    if (claiming === null) return;
    claiming.receive(step.now, message, step.out);
    // The fetched configuration may name other members than the settings do.
    this.state.membership.followConfiguration();
    this.applyVerdict(claiming, step);
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
    this.lookForLogs(step);
    if (membership.removed.includes(node)) return;
    if (membership.members.includes(node)) this.receiveFromMember(message, replyTo, step);
    else this.receiveFromOther(message, replyTo, step);
  }

  private receiveFromMember(message: MemberMessage, replyTo: string | null, step: Step): void {
    const { reigning } = this.state;
    this.state.membership.table.recordHeard(step.now, message, step.out);
    if (message.type === 'join') this.recordJoin(message, step);
    if ((message.type === 'join' || message.type === 'heartbeat') && replyTo !== null)
      this.renew(message, replyTo, step);
    if (message.type === 'vote') this.countVote(message, replyTo, step);
    else if (this.isOutbidBy(message)) this.stepDown(message.epoch, step);
    else if (!isSameEpoch(message, this.view.epoch)) this.tellEpoch(replyTo, step);
    else if (reigning !== null) this.receiveFromFollower(message, replyTo, reigning, step);
  }

  /** Takes a message of a node that follows this reign, in the same log. */
  private receiveFromFollower(message: MemberMessage, replyTo: string | null, reign: Reign, step: Step): void {
    switch (message.type) {
      case 'ack':
      case 'heartbeat':
        return this.recordPosition(message, reign, step);
      case 'fetch':
        return this.answerFetch(message, replyTo, reign, step);
      case 'join':
        return this.announceTo(replyTo, reign, step);
      case 'leave':
      case 'vote':
        return undefined;
    }
  }

  private recordPosition(report: MessageOf<'ack' | 'heartbeat'>, reign: Reign, step: Step): void {
    const { membership, log } = this.state;
    const checksum = report.type === 'heartbeat' ? log.checksumAt(report.index) : null;
    if (!membership.table.recordPosition(report, checksum, step.out)) return;
    reign.advance(step.out);
    this.changeConfiguration(reign, step);
  }

  private answerFetch(fetch: MessageOf<'fetch'>, replyTo: string | null, reign: Reign, step: Step): void {
    if (replyTo === null || this.view.isSilent(step.now)) return;
    const { log, self } = this.state;
    const answer = log.answerFetch(fetch, { to: replyTo, sender: reign.sender, store: self.store });
    if (answer !== null) step.out.push(answer);
  }

  private receiveFromOther(message: MemberMessage, replyTo: string | null, step: Step): void {
    const { type, node } = message;
    // A node that already follows this reign and finds a queue does not join: it sends heartbeats.
    const isWilling = type === 'join' || type === 'heartbeat';
    const { claiming, reigning, membership } = this.state;
    if (isWilling && reigning !== null && membership.admit(node)) {
      step.out.push(trace('info', 'member.requested', { peer: node }));
      this.changeConfiguration(reigning, step);
    }
    if (type === 'vote' && claiming !== null) this.countVote(message, replyTo, step);
  }

  /** Records a node with another log (foreign-nodes.ts). */
  private recordForeign(message: MemberMessage, step: Step): void {
    const { node, log } = message;
    if (this.state.listening.foreigners.record(step.now, message))
      step.out.push(trace('error', 'node.foreign', { peer: node, log: this.view.identity, theirs: log }));
    if (this.view.members.includes(node)) this.state.membership.table.recordForeign(step.now, message, step.out);
  }

  /** Adopts a log that this master lacks, once enough nodes report it (heard-logs.ts). */
  private lookForLogs(step: Step): void {
    const { claiming, force, self } = this.state;
    const { heard } = this.state.listening;
    const { identity } = this.view;
    const { now } = step;
    if (claiming === null || claiming.isCatchingUp) return;
    const prepared = force.isPrepared(now) ? (heard.best(now, identity)?.end.log ?? null) : null;
    const log = heard.adoptable(now, identity, self) ?? prepared;
    if (log === null || !extendsLog(log, identity)) return;
    this.adoptLog(log, step);
    this.state.phase = { name: 'standby' };
  }

  /** Tells a member to renew its store, at each sign of life until the member has another store. */
  private renew({ node, store }: MessageOf<'join' | 'heartbeat'>, to: string, step: Step): void {
    if (this.state.reigning === null || !this.state.membership.table.mustRenew({ node, store })) return;
    step.out.push({ do: 'send', to, message: { type: 'renew', ...this.state.reigning.sender, node, store } });
  }

  private recordJoin(message: MessageOf<'join'>, step: Step): void {
    const { table: book } = this.state.membership;
    const { node, store } = message;
    if (this.state.reigning !== null && book.isRolledBack(message)) {
      book.recordRolledBack(message);
      const facts = { peer: node, store, lastIndex: message.lastIndex };
      step.out.push(trace('error', 'member.rolled-back', facts));
    }
    book.recordJoin(message, step.out);
    // A broker that knows of no log has no exchange to bind a queue to.
    if (this.state.broker.hasLock && !this.state.declaration.isBrokerFresh)
      step.out.push({ do: 'ensureMember', node: message.node });
  }

  /**
   * Takes a vote, also of a node that is no voter here: this node's configuration may be old or
   * missing, and a node whose log is ahead has the newest.
   */
  private countVote(vote: MessageOf<'vote'>, replyTo: string | null, step: Step): void {
    if (this.isOutbidBy(vote)) this.stepDown(vote.epoch, step);
    else this.recordVote(vote, replyTo, step);
  }

  /**
   * Does the message end this node's claim or reign? An epoch is valid only within its log: the
   * promise of a blank node, or of a node in a former branch, does not outbid a master with a log.
   */
  private isOutbidBy(message: MemberMessage): boolean {
    const { epoch, identity } = this.view;
    const isBinding = identity === null || message.log === identity;
    return isBinding && !isSameEpoch(message, epoch) && message.epoch >= epoch.epoch;
  }

  private recordVote(vote: MessageOf<'vote'>, replyTo: string | null, step: Step): void {
    const { claiming } = this.state;
    if (claiming === null) return;
    claiming.recordVote(step.now, vote, replyTo, step.out);
    step.out.push(trace('debug', 'vote.received', { peer: vote.node, granted: vote.granted, epoch: vote.claimed }));
    this.applyVerdict(claiming, step);
  }

  /** Sends the announcement or the claim to a node that does not follow this epoch yet. */
  private tellEpoch(replyTo: string | null, step: Step): void {
    if (replyTo === null) return;
    this.state.claiming?.sendClaimTo(replyTo, step.out);
    if (this.state.reigning !== null) this.announceTo(replyTo, this.state.reigning, step);
  }

  private announceTo(replyTo: string | null, reign: Reign, step: Step): void {
    if (replyTo === null || this.view.isSilent(step.now)) return;
    this.state.announcer.announceTo(replyTo, reign, step.out);
  }

  /**
   * A node follows a higher epoch, or another reign of this epoch: ends this node's claim or reign.
   * The next tick claims a higher epoch.
   */
  private stepDown(epoch: number, step: Step): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.state.reigning !== null) {
      step.out.push(trace('warn', 'leader.deposed', { epoch: this.state.reigning.id.epoch, seen: epoch }));
      this.state.log.flush(step.out);
      this.state.reigning.end('deposed', step.out);
      this.state.publisher.clear();
    }
    this.state.phase = { name: 'standby' };
  }

  private tick({ reign, random }: Extract<MasterEvent, { type: 'tick' }>, step: Step): void {
    this.state.membership.table.tick(step.now, step.out);
    if (step.now >= this.nextCommitSaveAt) {
      this.nextCommitSaveAt = step.now + SAVE_COMMIT_MS;
      this.saveCommit(step);
    }
    if (!this.state.broker.hasLock) return;
    if (this.state.claiming !== null) {
      this.state.claiming.tick(step.now, step.out);
      this.applyVerdict(this.state.claiming, step);
    }
    if (this.state.phase.name === 'standby') this.claim(reign, step);
    const { claiming, reigning } = this.state;
    if (this.view.anotherLog(step.now) !== null) {
      if (reigning !== null) this.tickReign(reigning, step);
      this.yieldLock(OUTNUMBERED, random, step);
    } else if (reigning === null) {
      // A force that is prepared or given keeps the lock, because its operator waits for it.
      const { force } = this.state;
      this.yieldLock(force.isGiven || force.isPrepared(step.now) ? null : (claiming?.progress ?? 0), random, step);
    } else {
      this.tickReign(reigning, step);
      const isCommitted = reigning.open && reigning.commitIndex >= this.state.log.durableIndex;
      // With enough voters up, missing acks are only late: keep the lock.
      this.yieldLock(isCommitted || this.view.hasVoters ? null : reigning.commitIndex, random, step);
    }
  }

  private tickReign(reign: Reign, step: Step): void {
    if (!reign.open) reign.begin(this.state.membership.wanted, step.out);
    if (this.state.announcer.isDue(step.now)) this.announceToAll(reign, step);
    if (this.state.publisher.isRetryDue(step.now))
      for (const node of this.view.members) step.out.push({ do: 'ensureMember', node });
    this.state.publisher.tick();
    this.changeConfiguration(reign, step);
  }

  /** Takes the next step towards the wanted configuration, if one is due. */
  private changeConfiguration(reign: Reign, step: Step): void {
    const { membership } = this.state;
    const list = reign.canChangeConfiguration ? membership.nextConfiguration(reign.commitIndex) : null;
    if (list === null) return;
    const former = membership.members;
    reign.appendConfiguration(list, step.out);
    membership.followConfiguration();
    reign.recount();
    reign.release(step.out);
    for (const node of membership.members) if (!former.includes(node)) step.out.push({ do: 'ensureMember', node });
  }

  private yieldLock(progress: number | null, random: number, step: Step): void {
    const isAlone = progress !== OUTNUMBERED && this.state.membership.isShortOfNodes;
    if (!this.lockYield.hasEnded(step.now, { progress, isShortOfNodes: isAlone, random })) return;
    this.state.broker.giveUpLock();
    const facts = { epoch: this.view.epoch.epoch, waitingFor: this.view.waitingFor(step.now) };
    step.out.push({ do: 'yield' }, trace('info', 'lock.released', facts));
  }

  private changeMember(change: ChangeMember, step: Step): void {
    const { reigning } = this.state;
    const refusal = this.view.phaseName === 'reigning' && !this.state.isStopping ? null : this.view.refusal(step.now);
    const { request, type, node } = change;
    const outcome =
      reigning === null || refusal !== null
        ? (refusal ?? refused('recovering', 'Not ready yet.', this.view.situation(step.now)))
        : this.state.membership.want(change);
    if (outcome !== null || reigning === null) {
      if (outcome !== null) step.out.push({ do: 'memberChange', request, outcome });
      return;
    }
    reigning.awaitChange(change, step.out);
    const event = type === 'admit' ? 'member.admit-ordered' : 'member.remove-ordered';
    step.out.push(trace('warn', event, { peer: node }));
    this.changeConfiguration(reigning, step);
    reigning.advance(step.out);
  }

  /**
   * Takes an operator's force: a majority of the voters is lost for good, or there is no log to
   * wait for.
   */
  private force({ request, begin }: Extract<MasterEvent, { type: 'force' }>, step: Step): void {
    const plan = this.view.forcePlan(step.now, begin);
    step.out.push({ do: 'force', request, plan });
    if (plan.state === 'refused') return;
    if (plan.state !== 'ready') {
      this.state.force.prepare(step.now);
      return this.lookForLogs(step);
    }
    const event = begin === 'new' ? 'force.new-log' : 'force.branch';
    step.out.push(trace('error', event, { epoch: this.state.promised.epoch, from: plan.from, lastSeq: plan.lastSeq }));
    if (begin === 'new') this.state.force.isNewLogForced = true;
    else this.beginForced(step);
    if (this.state.claiming !== null) this.applyVerdict(this.state.claiming, step);
  }

  /**
   * Revokes an operator's force when the lock is lost: another master may be elected meanwhile and
   * accept appends.
   */
  private dropForce(step: Step): void {
    if (!this.state.force.revoke()) return;
    step.out.push(trace('warn', 'force.revoked', { epoch: this.state.promised.epoch }));
    if (this.state.claiming !== null) this.state.phase = { name: 'standby' };
  }

  private beginForced(step: Step): void {
    this.state.force.isBranchForced = true;
    this.state.claiming?.force();
    if (this.state.reigning === null) return;
    this.state.log.flush(step.out);
    this.state.reigning.end('deposed', step.out);
    this.state.publisher.clear();
    this.state.phase = { name: 'standby' };
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
