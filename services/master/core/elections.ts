/**
 * What a master does to become the leader or to stop being one, in terms of several parts at once:
 * claims, votes, adopting a log, an operator's force, releasing the lock. The rules of one claim are
 * in election/candidacy.ts.
 */
import { extendsLog, type Identity } from '#protocol/identity';
import type { Promised } from '#protocol/promised';
import { trace } from '#protocol/trace';
import { isSameEpoch, type MemberMessage, type MessageOf, type Sender } from '#protocol/wire/messages';
import { Candidacy } from './election/candidacy';
import { LockYieldTimer } from './election/lock-yield';
import type { MasterEvent, Step } from './events';
import type { Leading } from './leading';
import type { MasterState } from './state';
import type { MasterView } from './view';

/**
 * The progress of a master whose members hold another log. It never changes, so the lock is soon
 * released to a master that may hold that log.
 */
export const OUTNUMBERED = -1;

/** Acts for the candidate. Every method adds its effects to `step.out`. */
export class Elections {
  private readonly lockYield = new LockYieldTimer();
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  private isRenewing = false;

  constructor(
    private readonly state: MasterState,
    private readonly view: MasterView,
    private readonly leading: Leading,
  ) {}

  /** The lock is lost or released: the wait for it begins anew. */
  restartWait(): void {
    this.lockYield.restart();
  }

  /**
   * Votes for itself in an epoch above every known one. The claim is sent once the vote is durable.
   * It names the end of a durable log: a master that is elected for records which a failed write
   * then removes could lack committed ones.
   */
  claim(reign: string, step: Step): void {
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
  adoptLog(log: Identity, step: Step): void {
    step.out.push(trace('info', 'log.adopted', { log, formerly: this.view.identity }));
    this.promise({ ...this.state.promised, identity: log }, step);
  }

  saveCommit(step: Step): void {
    if (this.state.log.durableCommitIndex <= this.state.promised.commit) return;
    // The committed records are durable, and with them those that say which log this is.
    this.promise({ ...this.state.promised, identity: this.view.identity }, step);
  }

  promiseSaved(promised: Promised, step: Step): void {
    const { claiming } = this.state;
    if (claiming === null || !isSameEpoch(claiming.claim, promised)) return;
    claiming.recordPromised(step.now, step.out);
    this.applyVerdict(claiming, step);
  }

  applyVerdict(candidacy: Candidacy, step: Step): void {
    const verdict = candidacy.verdict(step.now, this.view.birth(step.now));
    if (verdict === 'won' && candidacy.needsNobody && this.view.isRolledBack(step.now)) return this.renewStore(step);
    if (verdict === 'won' && !this.view.listensAlone(step.now)) this.leading.becomeReigning(candidacy.claim, step);
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

  /** Adopts a log that this master lacks, once enough nodes report it (heard-logs.ts). */
  lookForLogs(step: Step): void {
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

  /**
   * Takes a vote, also of a node that is no voter here: this node's configuration may be old or
   * missing, and a node whose log is ahead has the newest.
   */
  countVote(vote: MessageOf<'vote'>, replyTo: string | null, step: Step): void {
    if (this.isOutbidBy(vote)) this.stepDown(vote.epoch, step);
    else this.recordVote(vote, replyTo, step);
  }

  /**
   * Does the message end this node's claim or reign? An epoch is valid only within its log: the
   * promise of a blank node, or of a node in a former branch, does not outbid a master with a log.
   */
  isOutbidBy(message: MemberMessage): boolean {
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

  /**
   * A node follows a higher epoch, or another reign of this epoch: ends this node's claim or reign.
   * The next tick claims a higher epoch.
   */
  stepDown(epoch: number, step: Step): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.state.reigning !== null) {
      step.out.push(trace('warn', 'leader.deposed', { epoch: this.state.reigning.id.epoch, seen: epoch }));
      this.state.log.flush(step.out);
      this.state.reigning.end('deposed', step.out);
      this.state.publisher.clear();
    }
    this.state.phase = { name: 'standby' };
  }

  yieldLock(progress: number | null, random: number, step: Step): void {
    const isAlone = progress !== OUTNUMBERED && this.state.membership.isShortOfNodes;
    if (!this.lockYield.hasEnded(step.now, { progress, isShortOfNodes: isAlone, random })) return;
    this.state.broker.giveUpLock();
    const facts = { epoch: this.view.epoch.epoch, waitingFor: this.view.waitingFor(step.now) };
    step.out.push({ do: 'yield' }, trace('info', 'lock.released', facts));
  }

  /**
   * Takes an operator's force: a majority of the voters is lost for good, or there is no log to
   * wait for.
   */
  force({ request, begin }: Extract<MasterEvent, { type: 'force' }>, step: Step): void {
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
  dropForce(step: Step): void {
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
}
