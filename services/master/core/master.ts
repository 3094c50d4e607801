/**
 * The master's machine: `step(now, event) → effects`, without time, randomness or I/O of its own.
 *
 *     standby ──the lock is held──▶ claiming (candidacy.ts) ──elected──▶ reigning (reign.ts) ──a higher epoch is seen──▶ standby
 *        ▲                             │▲                                   │
 *        └──another has the lock───────┘└─ outbid, caught up: again         └─ link lost, lock lost: goes on in its epoch
 *
 * A reign outlives the link to the broker: only a higher epoch ends it. While another process has
 * the lock it takes no appends, but keeps those who wait: the other may be this process's own
 * half-open connection, and safety comes from epochs, not from the lock.
 *
 * What it knows, and the parts that know it, are in master-state.ts.
 */
import { extendsLog, type Identity, isForeign } from '#protocol/identity';
import { EPOCH_JUMP_MAX } from '#protocol/limits';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import { trace } from '#protocol/trace';
import { isSameEpoch, type MessageOf, type Sender, type WireMessage } from '#protocol/wire/messages';
import { Admission } from './admission';
import { Candidacy } from './candidacy';
import type { ChangeMember, MasterEffect, MasterEvent } from './events';
import { MasterState } from './master-state';
import { Patience } from './patience';
import { refused } from './refusals';
import { Reign } from './reign';
import type { MasterSettings, MasterStart } from './settings';

/** What a member says, or a node that wants to be one. */
type MemberMessage = Exclude<WireMessage, MessageOf<'announce' | 'claim' | 'entries' | 'diverged' | 'renew'>>;

/**
 * How long a force is prepared after an operator has asked for it: listening, and fetching the best
 * log.
 */
const FORCE_PREPARED_MS = 60_000;

/**
 * How often the commit index is saved while it moves: what is lost of it by a crash is learned
 * again.
 */
const SAVE_COMMIT_MS = 1_000;

/**
 * While another log has more of the members there is nothing to wait for: the lock goes to whoever
 * may hold theirs.
 */
const OUTNUMBERED = -1;

export class MasterMachine extends MasterState {
  private readonly admission: Admission;
  private readonly patience = new Patience();
  /** Highest epoch that any member has been heard to follow. */
  private highestSeen = 0;
  /** An operator has given the lost majority up; the next reign begins a new list. */
  private forced = false;
  /** As last traced; null: not yet. */
  private readOnly: boolean | null = null;
  /** A log has begun, or was fetched, and the broker is to be told when this reign is durable. */
  private mustDeclare = false;
  private isRenewing = false;
  private nextCommitSaveAt = 0;
  private now = 0;

  constructor(settings: MasterSettings, start: MasterStart) {
    super(settings, start);
    this.admission = new Admission(this, start.seqOfId);
  }

  step(now: number, event: MasterEvent): MasterEffect[] {
    this.now = now;
    const out: MasterEffect[] = [];
    this.handle(event, out);
    const { reigning } = this;
    if (reigning !== null && this.isDeclared) this.publisher.publish(reigning, out);
    this.traceReadOnly(out);
    return out;
  }

  private handle(event: MasterEvent, out: MasterEffect[]): void {
    switch (event.type) {
      case 'append':
      case 'await':
        return this.admission.ask(event, { now: this.now, reign: this.reigning, out });
      case 'loaded':
        return this.admission.loaded(event, { now: this.now, reign: this.reigning, out });
      case 'flush':
        // Whoever reigns by now: the clients of what is collected wait to be told.
        return this.log.flush(out);
      case 'giveUp':
        if (this.admission.giveUp(event)) return undefined;
        if (event.why === 'gone') return this.reigning?.forget(event.request);
        return this.reigning?.timeOut(event.request, out);
      case 'stored':
        return this.stored(event, out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event.promised, out);
      case 'up':
        return this.up(event, out);
      case 'declared':
        return this.becomeDeclared(out);
      case 'down':
        this.broker.becomeDown();
        this.publisher.becomeDown();
        this.stopListening();
        this.dropForce(out);
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
      case 'admit':
        return this.changeMember(event, out);
      case 'force':
        return this.force(event, out);
      case 'shutdown':
        this.stopping = true;
        this.saveCommit(out);
        this.admission.end({ now: this.now, reign: this.reigning, out });
        return this.reigning?.end('shutting-down', out);
    }
  }

  private stored({ generation, checksum }: Extract<MasterEvent, { type: 'stored' }>, out: MasterEffect[]): void {
    const records = this.log.recordStored(generation, checksum);
    if (records.length === 0) return;
    this.pending.recordStored(records);
    if (this.mustDeclare && this.reigning?.isFounded === true) {
      this.mustDeclare = false;
      out.push({ do: 'declare' });
    }
    this.log.flush(out);
    out.push({ do: 'visible' });
    this.claiming?.recordStored(this.now, out);
    this.reigning?.recordStored(records, out);
  }

  private storeFailed(event: Extract<MasterEvent, { type: 'storeFailed' }>, out: MasterEffect[]): void {
    if (!this.log.isCurrent(event.generation)) return;
    const { durableIndex } = this.log;
    out.push(trace('error', 'the store failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      this.reigning?.end('shutting-down', out);
      out.push({ do: 'halt', why: event.what });
      return;
    }
    this.log.dropUnstored();
    this.pending.clear();
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
    this.listeningSince = this.now;
    this.freshBroker = event.freshBroker;
    const { claiming, reigning } = this;
    // A session begins with all that a log needs.
    if (reigning?.isFounded === true) {
      this.freshBroker = false;
      this.isDeclared = true;
      this.mustDeclare = false;
    }
    if (reigning !== null) this.followers.announce(this.now, reigning, out);
    else if (claiming !== null) claiming.sendClaim(this.now, out);
    else this.claim(event.reign, out);
  }

  /**
   * The broker knows of the log: now the nodes may. Else what they acknowledge could be forgotten
   * with one disk, and the log begun again.
   */
  private becomeDeclared(out: MasterEffect[]): void {
    this.freshBroker = false;
    this.isDeclared = true;
    for (const node of this.members) out.push({ do: 'ensureMember', node });
    if (this.reigning !== null) this.followers.announce(this.now, this.reigning, out);
  }

  private locked(out: MasterEffect[]): void {
    this.broker.becomeLockedOut();
    this.stopListening();
    this.dropForce(out);
    if (this.claiming !== null) this.phase = { name: 'standby' };
    out.push(trace('info', 'stands by: another process has the lock', {}));
  }

  /**
   * Promises itself an epoch above every one it knows; the claim goes out when the promise is
   * durable. It names the end of a log that is durable: who was elected for records that a failed
   * write takes back could lack what is committed.
   */
  private claim(reign: string, out: MasterEffect[]): void {
    // What was held when a reign ended may still be collected.
    if (!this.log.isIdle) return this.log.flush(out);
    if (this.contradictedBy !== null) return;
    // A force is above whatever anybody has written, whose branch ends with it.
    const written = this.forced ? this.heard.all(this.now).map(({ end }) => end.epoch) : [];
    const epoch = Math.max(this.promised.epoch, this.highestSeen, this.outline.lastEpoch, ...written) + 1;
    const claim: Sender = { epoch, reign, log: this.identity };
    const { self, forced } = this;
    const { secondaries, quorumAppend: needsVotes, heartbeatIntervalMs } = this.settings;
    const options = { claim, self, secondaries, needsVotes, forced, heartbeatIntervalMs };
    this.phase = { name: 'claiming', candidacy: new Candidacy(this.log, options) };
    this.promise({ epoch, reign, identity: this.identity }, out);
    out.push(trace('info', 'claims the mastership', { epoch, log: `${this.outline}`, identity: this.identity }));
  }

  /**
   * Votes for itself in this epoch; with it goes all else that a node keeps durably beside its log.
   */
  private promise(
    { epoch, reign, identity }: Pick<Promised, 'epoch' | 'reign' | 'identity'>,
    out: MasterEffect[],
  ): void {
    const votedFor = `${this.self.node}/${this.self.store}`;
    const { durableCommitIndex: commit } = this.log;
    this.promised = { epoch, reign, votedFor, log: identity, identity, commit };
    out.push({ do: 'savePromise', promised: this.promised });
  }

  /**
   * This node belongs to that log from now on: an elected master has it, or a majority of its
   * voters.
   */
  private learn(log: Identity, out: MasterEffect[]): void {
    out.push(trace('info', 'belongs to a log, or to a later branch of it', { log, formerly: this.identity }));
    this.promise({ ...this.promised, identity: log }, out);
  }

  private saveCommit(out: MasterEffect[]): void {
    if (this.log.durableCommitIndex <= this.promised.commit) return;
    // What is committed is durable, and with it the records that say which log this is.
    this.promise({ ...this.promised, identity: this.identity }, out);
  }

  private stopListening(): void {
    this.listeningSince = null;
    this.heard.clear();
  }

  private promiseSaved(promised: Promised, out: MasterEffect[]): void {
    const { claiming } = this;
    if (claiming === null || !isSameEpoch(claiming.claim, promised)) return;
    claiming.recordPromised(this.now, out);
    this.judge(claiming, out);
  }

  private judge(candidacy: Candidacy, out: MasterEffect[]): void {
    const verdict = candidacy.verdict(this.now, this.birth(this.now));
    if (verdict === 'reign' && candidacy.needsNobody && this.isRolledBack) return this.renewStore(out);
    if (verdict === 'reign' && !this.listensAlone(this.now)) this.becomeReigning(candidacy.claim, out);
    if (verdict === 'again') this.phase = { name: 'standby' };
    if (verdict !== 'contradicted') return;
    this.contradictedBy = candidacy.source;
    this.phase = { name: 'standby' };
    this.dropForce(out);
  }

  /** The only voter cannot be behind: somebody has records of this log that this store once had. */
  private get isRolledBack(): boolean {
    const best = this.heard.best(this.now, this.identity);
    return best !== null && !isAtLeastAsUpToDate(this.outline.last, best.end);
  }

  private renewStore(out: MasterEffect[]): void {
    if (this.isRenewing) return;
    this.isRenewing = true;
    const what = 'this store lacks what it has acknowledged: it becomes another one';
    out.push(
      trace('error', what, { lastSeq: this.outline.lastSeq, ahead: this.heard.best(this.now, this.identity)?.node }),
    );
    out.push({ do: 'renewStore' });
  }

  private becomeReigning({ epoch, reign: name }: Sender, out: MasterEffect[]): void {
    const { self, log, forced, membership, pending } = this;
    const { window } = this.publisher;
    const { tracker } = membership.book;
    tracker.reset();
    this.publisher.clear();
    const withoutQuorum = !this.settings.quorumAppend;
    const parts = { log, window, tracker, pending };
    const id = { epoch, reign: name };
    const reign = new Reign(id, self, parts, { forced, withoutQuorum });
    const isBirth = log.outline.newestList().members === null;
    this.phase = { name: 'reigning', reign };
    this.forced = false;
    this.isNewForced = false;
    this.forcePreparedUntil = 0;
    membership.wantAll();
    reign.begin(membership.wanted, out);
    membership.followList();
    this.mustDeclare = isBirth || this.freshBroker;
    this.isDeclared = !this.mustDeclare;
    this.followers.announce(this.now, reign, out);
  }

  private receive(message: WireMessage, replyTo: string | null, out: MasterEffect[]): void {
    switch (message.type) {
      case 'announce':
        return this.hearHolder(message, out);
      case 'entries':
      case 'diverged':
        return this.receiveLog(message, out);
      case 'claim':
      case 'renew':
        return undefined;
      case 'ack':
      case 'fetch':
      case 'heartbeat':
      case 'join':
      case 'leave':
      case 'vote':
        return this.receiveFrom(message, replyTo, out);
    }
  }

  /**
   * While another reigns: who, in which log and epoch. A reign of this node's that was cut off from
   * the lock is over then, unless the other one reigns another log: that deposes nobody here.
   */
  private hearHolder({ node, httpUrl, epoch, log }: MessageOf<'announce'>, out: MasterEffect[]): void {
    if (!this.broker.lockedOut || node === this.self.node) return;
    this.broker.recordHolder({ node, httpUrl, log });
    const { identity } = this;
    if (log === null || isForeign(log, identity)) return;
    const isLater = extendsLog(log, identity);
    if (isLater ? this.reigning !== null : log === identity && epoch > this.epoch.epoch) this.outbid(epoch, out);
    if (isLater) this.learn(log, out);
  }

  private receiveLog(message: MessageOf<'entries' | 'diverged'>, out: MasterEffect[]): void {
    const { claiming } = this;
    if (claiming === null) return;
    claiming.receive(this.now, message, out);
    // What was fetched may name other members than the settings do: whether anybody is there is
    // asked of these.
    this.membership.followList();
    this.judge(claiming, out);
  }

  private receiveFrom(message: MemberMessage, replyTo: string | null, out: MasterEffect[]): void {
    if (message.epoch > this.epoch.epoch + EPOCH_JUMP_MAX) return;
    const { reigning, identity } = this;
    const { log } = message;
    if (isForeign(log, identity) || (reigning !== null && extendsLog(log, identity)))
      return this.meetForeign(message, out);
    this.foreigners.forget(message.node);
    this.heard.record(this.now, message);
    if (identity === null && log !== null) this.hasHeardOfALog = true;
    this.lookForLogs(out);
    if (this.membership.removed.includes(message.node)) return;
    if (this.members.includes(message.node)) this.receiveFromMember(message, replyTo, out);
    else this.receiveFromOther(message, replyTo, out);
  }

  private receiveFromMember(message: MemberMessage, replyTo: string | null, out: MasterEffect[]): void {
    const { reigning } = this;
    this.membership.book.recordHeard(this.now, message, out);
    if (message.type === 'join') this.joined(message, out);
    if ((message.type === 'join' || message.type === 'heartbeat') && replyTo !== null)
      this.renew(message, replyTo, out);
    if (message.type === 'vote') this.countVote(message, replyTo, out);
    else if (this.isOutbidBy(message)) this.outbid(message.epoch, out);
    else if (!isSameEpoch(message, this.epoch)) this.tell(replyTo, out);
    else if (reigning !== null) this.followers.hear(this.now, { message, replyTo }, reigning, out);
  }

  private receiveFromOther(message: MemberMessage, replyTo: string | null, out: MasterEffect[]): void {
    const { type, node } = message;
    // A node that follows this reign already and finds a queue has no reason to join; it only
    // beats.
    const isWilling = type === 'join' || type === 'heartbeat';
    if (isWilling && this.reigning !== null) this.membership.admit(node, this.reigning, out);
    if (type === 'vote' && this.claiming !== null) this.countVote(message, replyTo, out);
  }

  /** A node with another log: it is shown, and counts for nothing. */
  private meetForeign(message: MemberMessage, out: MasterEffect[]): void {
    const { node, log } = message;
    if (this.foreigners.record(this.now, message))
      out.push(trace('error', 'a node holds another log', { peer: node, log: this.identity, theirs: log }));
    if (this.members.includes(node)) this.membership.book.recordForeign(this.now, message, out);
  }

  /**
   * Somebody holds a log that this master lacks. Then none begins; and once enough say so, it is
   * this master's log, too.
   */
  private lookForLogs(out: MasterEffect[]): void {
    const { claiming, identity, now } = this;
    if (claiming === null) return;
    if (claiming.isCatchingUp) return;
    const prepared = now < this.forcePreparedUntil ? (this.heard.best(now, identity)?.end.log ?? null) : null;
    const log = this.heard.adoptable(now, identity, this.self) ?? prepared;
    if (log === null || !extendsLog(log, identity)) return;
    this.learn(log, out);
    this.phase = { name: 'standby' };
  }

  /** Said again with every sign of life, until it comes with another store. */
  private renew({ node, store }: MessageOf<'join' | 'heartbeat'>, to: string, out: MasterEffect[]): void {
    if (this.reigning === null || !this.membership.book.mustRenew({ node, store })) return;
    out.push({ do: 'send', to, message: { type: 'renew', ...this.reigning.sender, node, store } });
  }

  private joined(message: MessageOf<'join'>, out: MasterEffect[]): void {
    const { book } = this.membership;
    const { node, store } = message;
    if (this.reigning !== null && book.isRolledBack(message)) {
      book.recordRolledBack(message);
      const facts = { peer: node, store, lastIndex: message.lastIndex };
      out.push(trace('error', 'a store came back with less than it had acknowledged', facts));
    }
    book.recordJoin(message, out);
    // A broker that knows of no log has nothing to bind a queue to.
    if (this.broker.hasLock && !this.freshBroker) out.push({ do: 'ensureMember', node: message.node });
  }

  /**
   * Only voters of the own list are counted; but that may be an old one, or none, and who is ahead
   * knows the newest.
   */
  private countVote(vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    if (this.isOutbidBy(vote)) this.outbid(vote.epoch, out);
    else this.voted(vote, replyTo, out);
  }

  /**
   * An epoch binds within its log: what a blank node has promised, or one of a former branch,
   * outbids nobody who has a log.
   */
  private isOutbidBy(message: MemberMessage): boolean {
    const { epoch, identity } = this;
    const isBinding = identity === null || message.log === identity;
    return isBinding && !isSameEpoch(message, epoch) && message.epoch >= epoch.epoch;
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
    if (this.reigning !== null) this.followers.tell(this.now, replyTo, this.reigning, out);
  }

  /**
   * Somebody follows a higher epoch, or another reign of this one: whatever goes on here is over.
   * The next tick claims above it.
   */
  private outbid(epoch: number, out: MasterEffect[]): void {
    this.highestSeen = Math.max(this.highestSeen, epoch);
    if (this.reigning !== null) {
      out.push(trace('warn', 'deposed', { epoch: this.reigning.id.epoch, seen: epoch }));
      this.log.flush(out);
      this.reigning.end('deposed', out);
      this.publisher.clear();
    }
    this.phase = { name: 'standby' };
  }

  private tick({ reign, random }: Extract<MasterEvent, { type: 'tick' }>, out: MasterEffect[]): void {
    this.membership.book.tick(this.now, out);
    if (this.now >= this.nextCommitSaveAt) {
      this.nextCommitSaveAt = this.now + SAVE_COMMIT_MS;
      this.saveCommit(out);
    }
    if (!this.broker.hasLock) return;
    if (this.claiming !== null) {
      this.claiming.tick(this.now, out);
      this.judge(this.claiming, out);
    }
    if (this.phase.name === 'standby') this.claim(reign, out);
    const { claiming, reigning } = this;
    if (this.anotherLog(this.now) !== null) {
      if (reigning !== null) this.tickReign(reigning, out);
      this.yieldInVain(OUTNUMBERED, random, out);
    } else if (reigning === null) {
      // A force that is prepared, or begins, keeps the lock: its operator waits for it.
      const isPrepared = this.forced || this.isNewForced || this.now < this.forcePreparedUntil;
      this.yieldInVain(isPrepared ? null : (claiming?.progress ?? 0), random, out);
    } else {
      this.tickReign(reigning, out);
      const isCommitted = reigning.open && reigning.commitIndex >= this.log.durableIndex;
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
    const isAlone = progress !== OUTNUMBERED && this.membership.isAlone;
    if (!this.patience.hasEnded(this.now, { progress, isAlone, random })) return;
    this.broker.giveUpLock();
    const facts = { epoch: this.epoch.epoch, waitingFor: this.waitingFor(this.now) };
    out.push({ do: 'yield' }, trace('info', 'gives the lock up for a while', facts));
  }

  private changeMember(change: ChangeMember, out: MasterEffect[]): void {
    const { reigning } = this;
    const refusal = this.phaseName === 'reigning' && !this.stopping ? null : this.refusal(this.now);
    if (refusal === null && reigning !== null) return this.membership.change(change, reigning, out);
    const outcome = refusal ?? refused('recovering', 'Not ready yet.', this.situation(this.now));
    out.push({ do: 'memberChange', request: change.request, outcome });
  }

  /**
   * An operator says that a majority of the voters is gone for good, or that there is no log to be
   * waited for.
   */
  private force({ request, begin }: Extract<MasterEvent, { type: 'force' }>, out: MasterEffect[]): void {
    const plan = this.forcePlan(this.now, begin);
    out.push({ do: 'force', request, plan });
    if (plan.state === 'refused') return;
    if (plan.state !== 'ready') {
      this.forcePreparedUntil = this.now + FORCE_PREPARED_MS;
      return this.lookForLogs(out);
    }
    const what =
      begin === 'new'
        ? 'an operator begins a new log'
        : 'an operator forces a new list: what only the lost voters had is given up';
    out.push(trace('error', what, { epoch: this.promised.epoch, from: plan.from, lastSeq: plan.lastSeq }));
    if (begin === 'new') this.isNewForced = true;
    else this.beginForced(out);
    if (this.claiming !== null) this.judge(this.claiming, out);
  }

  /**
   * An operator's word holds while this master has the lock: whoever has it meanwhile may be
   * elected, and take appends.
   */
  private dropForce(out: MasterEffect[]): void {
    if (!this.forced && !this.isNewForced) return;
    out.push(trace('warn', 'a force came to nothing: ask again', { epoch: this.promised.epoch }));
    this.forced = false;
    this.isNewForced = false;
    if (this.claiming !== null) this.phase = { name: 'standby' };
  }

  private beginForced(out: MasterEffect[]): void {
    this.forced = true;
    this.claiming?.force();
    if (this.reigning === null) return;
    this.log.flush(out);
    this.reigning.end('deposed', out);
    this.publisher.clear();
    this.phase = { name: 'standby' };
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
