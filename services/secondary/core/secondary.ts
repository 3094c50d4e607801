/**
 * Runs a secondary as a pure state machine: `step(now, event) → effects`.
 *
 *     unchecked ──a batch or an answer fits the end of the own log──▶ synced
 *         ▲  └──`diverged`: the conflicting tail is cut, and the node fetches again
 *         └───────────── a higher epoch is promised ─────────────────────┘
 *
 * While unchecked, nothing is appended and nothing is acked: the own log is first compared with the
 * new master's. A higher epoch is taken from claims and announcements only, which the reigning
 * master repeats. A batch of an unknown epoch is dropped and fetched later, so a stray message in
 * the queue deposes no master.
 *
 * This file handles the connection, elections and announcements; replication.ts handles records.
 * Both act on the parts (parts.ts); view.ts shows the state.
 */
import { isPrefixOf } from '#protocol/identity';
import { EPOCH_JUMP_MAX } from '#protocol/limits';
import type { Promised } from '#protocol/promised';
import { trace } from '#protocol/trace';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect, SecondaryEvent } from './events';
import type { SecondaryParts } from './parts';
import { Replication } from './replication';
import { SecondaryView } from './view';
import type { VoteRequest } from './voting/ballot';

/**
 * How often a moving commit index is saved, in milliseconds. A crash loses the newest value, and
 * the master announces it again.
 */
const SAVE_COMMIT_MS = 1_000;

type Received = Extract<SecondaryEvent, { readonly type: 'wire' }>;

/** One machine of one process; it begins with what the store held. */
export class SecondaryMachine {
  /** The state, to be read at any moment. */
  readonly view: SecondaryView;
  private readonly replication: Replication;
  /** When a moved commit index is saved next. */
  private nextCommitSaveAt = 0;
  /** Whether the last announcement named this node as removed. */
  private wasRemoved = false;

  constructor(private readonly parts: SecondaryParts) {
    this.view = new SecondaryView(parts);
    this.replication = new Replication(parts, this.view);
  }

  /** This node's HTTP address, as the master knows it; '' until it listens. */
  get httpUrl(): string {
    return this.parts.reporter.httpUrl;
  }

  set httpUrl(httpUrl: string) {
    this.parts.reporter.httpUrl = httpUrl;
  }

  /**
   * Takes one event. Throws when an invariant is broken, after which the machine must not be used.
   * @param now milliseconds of the monotonic clock
   * @returns the effects, to be performed in order
   */
  step(now: number, event: SecondaryEvent): SecondaryEffect[] {
    const out: SecondaryEffect[] = [];
    this.handle(now, event, out);
    this.replication.repair(now, event.type === 'tick' ? event.random : null, out);
    return out;
  }

  private handle(now: number, event: SecondaryEvent, out: SecondaryEffect[]): void {
    const { session, integrity, reporter, self } = this.parts;
    switch (event.type) {
      case 'up':
        session.becomeUp();
        return reporter.join(now, out);
      case 'down':
        return this.down();
      case 'locked':
        session.becomeLockedOut();
        out.push(trace('error', 'node.duplicate-id', { node: self.node }));
        return undefined;
      case 'entriesMissing':
        session.recordMissing();
        return reporter.isMissingDue(now) ? this.join(now, out) : undefined;
      case 'wire':
        return this.control(now, event, out);
      case 'delivery':
        return this.replication.delivery(now, event, out);
      case 'stored':
        return this.replication.stored(event, out);
      case 'checksum':
        return integrity.recordOurs(now, event, out);
      case 'storeFailed':
        return this.replication.storeFailed(now, event, out);
      case 'promiseSaved':
        return this.promiseSaved(now, event.promised, out);
      case 'tick':
        return this.tick(now, event.inHand, out);
      case 'pause':
        return this.pause(event.paused, out);
      case 'shutdown':
        this.parts.ballot.saveCommit(out);
        if (session.connected) reporter.leave(out);
        return undefined;
    }
  }

  private down(): void {
    this.parts.session.becomeDown();
    this.parts.deliveries.forgetTags();
    this.parts.master.disconnect();
  }

  private tick(now: number, inHand: number, out: SecondaryEffect[]): void {
    const { session, integrity, ballot, reporter, master } = this.parts;
    this.replication.inHand = inHand;
    if (session.connected) integrity.tick(now, out);
    if (now >= this.nextCommitSaveAt) {
      this.nextCommitSaveAt = now + SAVE_COMMIT_MS;
      ballot.saveCommit(out);
    }
    if (!session.connected || session.lockedOut || !reporter.isHeartbeatDue(now)) return;
    if (!master.isKnown && ballot.isDurable) reporter.join(now, out);
    else this.replication.heartbeat(out);
  }

  private pause(paused: boolean, out: SecondaryEffect[]): void {
    if (!this.parts.session.pause(paused, out)) return;
    if (paused) this.parts.deliveries.forgetTags();
    else this.replication.consume(out);
  }

  private join(now: number, out: SecondaryEffect[]): void {
    if (this.parts.session.connected) this.parts.reporter.join(now, out);
  }

  private control(now: number, { message, replyTo, fail }: Received, out: SecondaryEffect[]): void {
    const { ballot, integrity, session } = this.parts;
    if (message.epoch > ballot.epoch + EPOCH_JUMP_MAX) return undefined;
    if (!ballot.accepts(message)) return this.refuseForeign(now, message, replyTo, out);
    switch (message.type) {
      case 'claim':
        return this.claimed({ claim: message, replyTo }, out);
      case 'announce':
        return this.announced(now, message, out);
      case 'entries':
        if (!integrity.agrees) return integrity.recordTheirs(now, message, out);
        return session.paused ? undefined : this.replication.entries(now, message, { tag: null, fail }, out);
      case 'diverged':
        return this.replication.diverged(now, message, out);
      case 'fetch':
        return this.replication.fetched(message, replyTo, out);
      case 'renew':
        return this.renew(message, out);
      case 'ack':
      case 'heartbeat':
      case 'join':
      case 'leave':
      case 'vote':
        return undefined;
    }
  }

  /**
   * The sender has another log, or a branch that this log has left: nothing is taken from it, and
   * nothing changes here. A candidate is answered with the log that this node holds. One whose log
   * is a prefix of this log may fetch the rest, so this node stays connected for it.
   */
  private refuseForeign(now: number, message: WireMessage, replyTo: string | null, out: SecondaryEffect[]): void {
    const { session, foreign, log: own } = this.parts;
    if (message.type !== 'claim' && message.type !== 'announce') return;
    if (message.type === 'claim') this.vote({ claim: message, replyTo }, out);
    else this.join(now, out);
    const { identity } = this.view;
    const { node, log } = message;
    if (message.type === 'claim' && isPrefixOf(log, identity)) return;
    if (foreign.record({ node, log })) {
      const facts = { log: identity, lastSeq: own.outline.lastSeq, master: node, masterLog: log };
      out.push(trace('error', 'node.foreign-master', facts));
    }
    session.stop(out);
    out.push({ do: 'withdraw' });
  }

  /** A node whose log is not the master's does not vote: it may lack what it acknowledged. */
  private claimed(request: VoteRequest, out: SecondaryEffect[]): void {
    const { ballot, foreign, integrity } = this.parts;
    foreign.clear();
    if (!integrity.agrees) return;
    if (ballot.isAbove(request.claim)) {
      this.leaveEpoch();
      ballot.promiseTo(request, out);
    } else if (ballot.isDurable) this.vote(request, out);
  }

  private vote({ claim, replyTo }: VoteRequest, out: SecondaryEffect[]): void {
    const { session, integrity, ballot } = this.parts;
    if (replyTo === null || !session.connected || !integrity.agrees) return;
    ballot.sendVote(claim, replyTo, out);
  }

  /**
   * A higher epoch is promised. Nothing is done in it before the promise is durable, and nothing in
   * the former epoch any more.
   */
  private leaveEpoch(): void {
    this.parts.placement.becomeUnchecked();
    this.parts.master.forget();
  }

  private promiseSaved(now: number, promised: Promised, out: SecondaryEffect[]): void {
    const { ballot, log } = this.parts;
    if (!ballot.recordSaved(promised)) return;
    const { epoch, identity } = promised;
    out.push(trace('info', 'leader.followed', { epoch, log: `${log.outline}`, identity }));
    const request = ballot.takeWaiting();
    if (request !== null) this.vote(request, out);
    else this.join(now, out);
  }

  private announced(now: number, message: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    const { ballot, foreign, master, gap, placement, log } = this.parts;
    if (message.log === null) return undefined;
    if (ballot.isToFollow(message)) {
      this.leaveEpoch();
      return ballot.promiseReign(message, out);
    }
    if (!ballot.follows(message)) return this.replication.fence(now, out);
    if (!ballot.isDurable || ballot.learnIdentity(message, out)) return;
    foreign.clear();
    if (master.isSilent(now)) gap.endBackoff(now);
    master.record(now, message);
    this.checkRemoval(out);
    if (placement.isSynced) log.recordCommit(message.commit);
    this.replication.compare(now, message, out);
    this.replication.becomeReady(out);
    this.replication.consume(out);
    out.push({ do: 'visible' });
  }

  /** An operator has removed this node from the log, or has admitted it again. */
  private checkRemoval(out: SecondaryEffect[]): void {
    const { isRemoved, identity } = this.view;
    if (isRemoved === this.wasRemoved) return;
    this.wasRemoved = isRemoved;
    if (isRemoved) this.parts.session.stop(out);
    out.push(trace('warn', isRemoved ? 'node.removed' : 'node.admitted', { log: identity }));
  }

  /** The master has recorded a higher ack from this store than the store holds now. */
  private renew({ node, store, ...sender }: MessageOf<'renew'>, out: SecondaryEffect[]): void {
    const { self, ballot, log } = this.parts;
    if (node !== self.node || store !== self.store || !ballot.follows(sender)) return;
    const { lastSeq } = log.outline;
    out.push(trace('error', 'store.rolled-back', { lastSeq }));
    out.push({ do: 'renewStore' });
  }
}
