/**
 * A secondary's machine: `step(now, event) → effects`, without time, randomness or I/O of its own.
 *
 *     unchecked ──a batch or an answer fits the end of the own log──▶ synced
 *         ▲  └──`diverged`: the tail that parts is cut, and it asks again
 *         └───────────── a higher epoch is promised ─────────────────────┘
 *
 * While unchecked nothing is appended and nothing is acked: first the own log is compared with the
 * new master's. A higher epoch is taken from claims and announcements only, which the reigning
 * master repeats; a batch of an unknown one is dropped and fetched later, so that a stray message
 * in the queue deposes nobody.
 *
 * A delivery is settled as soon as its records are durable, or buffered, or known. To hold those
 * that cannot be placed could fill the prefetch window and stop everything.
 *
 * What it knows, and the parts that know it, are in secondary-state.ts.
 */
import { isPrefixOf } from '#protocol/identity';
import { BATCH_RECORDS_MAX, EPOCH_JUMP_MAX } from '#protocol/limits';
import type { Promised } from '#protocol/promised';
import { trace } from '#protocol/trace';
import type { MessageOf } from '#protocol/wire/messages';
import type { Source } from './entries/deliveries';
import type { SecondaryEffect, SecondaryEvent } from './events';
import type { Asker } from './identity/integrity';
import { SecondaryState } from './secondary-state';
import type { Asked } from './voting/ballot';

/** Announcements missed before the master counts as having been away. */
const SILENT_INTERVALS = 3;

/**
 * How often the commit index is saved while it moves: what is lost of it by a crash is learned
 * again.
 */
const SAVE_COMMIT_MS = 1_000;

export class SecondaryMachine extends SecondaryState {
  /** Deliveries that the driver holds back. */
  private inHand = 0;
  private nextCommitSaveAt = 0;
  private wasRemoved = false;
  private now = 0;

  step(now: number, event: SecondaryEvent): SecondaryEffect[] {
    this.now = now;
    const out: SecondaryEffect[] = [];
    this.handle(event, out);
    this.lookForHoles(event.type === 'tick' ? event.random : null, out);
    return out;
  }

  private handle(event: SecondaryEvent, out: SecondaryEffect[]): void {
    switch (event.type) {
      case 'up':
        this.session.becomeUp();
        this.join(out);
        return undefined;
      case 'down':
        return this.down();
      case 'locked':
        this.session.becomeLockedOut();
        out.push(trace('error', 'another process runs under this node id', { node: this.self.node }));
        return undefined;
      case 'entriesMissing':
        this.session.recordMissing();
        if (this.isConnected) this.join(out);
        return undefined;
      case 'control':
        return this.control(event, out);
      case 'delivery':
        return this.delivery(event, out);
      case 'stored':
        return this.stored(event, out);
      case 'checksum':
        return this.integrity.recordOurs(event.index, event.checksum, this.asker, out);
      case 'storeFailed':
        return this.storeFailed(event, out);
      case 'promiseSaved':
        return this.promiseSaved(event.promised, out);
      case 'tick':
        this.inHand = event.inHand;
        if (this.isConnected) this.integrity.tick(this.asker, out);
        this.saveCommit(out);
        return this.beat(out);
      case 'pause':
        return this.pause(event.paused, out);
      case 'shutdown':
        this.ballot.saveCommit(out);
        if (this.isConnected) this.reporter.leave(out);
        return undefined;
    }
  }

  private get asker(): Asker {
    return { ...this.ballot.id, now: this.now, node: this.self.node };
  }

  private down(): void {
    this.session.becomeDown();
    this.deliveries.forgetTags();
    this.master.disconnect();
  }

  private pause(paused: boolean, out: SecondaryEffect[]): void {
    if (!this.session.pause(paused, out)) return;
    if (paused) this.deliveries.forgetTags();
    else this.consume(out);
  }

  private control(
    { message, replyTo, fail }: Extract<SecondaryEvent, { type: 'control' }>,
    out: SecondaryEffect[],
  ): void {
    if (message.epoch > this.epoch + EPOCH_JUMP_MAX) {
      this.counters.misfits += 1;
      return undefined;
    }
    if (!this.ballot.accepts(message)) return this.meetForeign({ message, replyTo }, out);
    switch (message.type) {
      case 'claim':
        return this.claimed({ claim: message, replyTo }, out);
      case 'announce':
        return this.announced(message, out);
      case 'entries':
        if (!this.integrity.agrees) return this.integrity.recordTheirs(message, this.asker, out);
        return this.session.paused ? undefined : this.entries(message, { tag: null, fail }, out);
      case 'diverged':
        return this.diverged(message, out);
      case 'fetch':
        return this.fetched(message, replyTo, out);
      case 'renew':
        return this.renew(message, out);
      case 'ack':
      case 'heartbeat':
      case 'join':
      case 'leave':
      case 'vote':
        this.counters.misfits += 1;
        return undefined;
    }
  }

  /**
   * Another log, or a branch of this one that was left: nothing is taken from it, and nothing here
   * changes. A claimant is told which log is held here; one whose log is only behind may learn by
   * it, so this node stays in hearing.
   */
  private meetForeign(
    { message, replyTo }: Pick<Extract<SecondaryEvent, { type: 'control' }>, 'message' | 'replyTo'>,
    out: SecondaryEffect[],
  ): void {
    if (message.type !== 'claim' && message.type !== 'announce') {
      this.counters.misfits += 1;
      return;
    }
    if (message.type === 'claim') this.vote({ claim: message, replyTo }, out);
    else if (this.isConnected) this.join(out);
    const { node, log } = message;
    if (message.type === 'claim' && isPrefixOf(log, this.identity)) return;
    if (this.foreign.meet({ node, log })) {
      const facts = { log: this.identity, lastSeq: this.outline.lastSeq, master: node, masterLog: log };
      out.push(trace('error', 'the master has another log: this node follows it in nothing, and cuts nothing', facts));
    }
    this.session.stop(out);
    out.push({ do: 'withdraw' });
  }

  /** A node whose log is not the master's has no vote: it may lack what it acknowledged. */
  private claimed(asked: Asked, out: SecondaryEffect[]): void {
    this.foreign.returnHome();
    if (!this.integrity.agrees) return;
    if (this.ballot.isAbove(asked.claim)) {
      this.forgetEpoch();
      this.ballot.promiseTo(asked, out);
    } else if (this.ballot.isDurable) this.vote(asked, out);
  }

  private vote({ claim, replyTo }: Asked, out: SecondaryEffect[]): void {
    if (replyTo === null || !this.isConnected || !this.integrity.agrees) return;
    this.ballot.sendVote(claim, replyTo, out);
  }

  /**
   * A higher epoch is promised: nothing of it is done before the promise is durable, nothing of the
   * former one any more.
   */
  private forgetEpoch(): void {
    this.synced = false;
    this.master.forget();
    this.buffer.clear();
  }

  private promiseSaved(promised: Promised, out: SecondaryEffect[]): void {
    if (!this.ballot.recordSaved(promised)) return;
    const { epoch, identity } = promised;
    out.push(trace('info', 'follows an epoch', { epoch, log: `${this.outline}`, identity }));
    const asked = this.ballot.takeWaiting();
    if (asked !== null) this.vote(asked, out);
    else if (this.isConnected) this.join(out);
  }

  private announced(message: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    if (message.log === null) {
      this.counters.misfits += 1;
      return;
    }
    if (this.ballot.isToFollow(message)) {
      this.forgetEpoch();
      return this.ballot.promiseReign(message, out);
    }
    if (!this.ballot.follows(message)) return this.fence(out);
    if (!this.ballot.isDurable || this.ballot.learn(message, out)) return;
    this.foreign.returnHome();
    const wasSilent = this.master.silentMs(this.now) > SILENT_INTERVALS * this.settings.heartbeatIntervalMs;
    if (wasSilent) this.gap.hurry(this.now);
    this.master.record(this.now, message);
    this.lookWhetherRemoved(out);
    if (this.synced) this.log.recordCommit(message.commit);
    this.compare(message, out);
    this.becomeReady(out);
    this.consume(out);
    out.push({ do: 'visible' });
  }

  /** An operator has taken this node out of the log, or taken it in again. */
  private lookWhetherRemoved(out: SecondaryEffect[]): void {
    const { isRemoved } = this;
    if (isRemoved === this.wasRemoved) return;
    this.wasRemoved = isRemoved;
    if (isRemoved) this.session.stop(out);
    const what = isRemoved
      ? 'an operator has removed this node from the log'
      : 'this node is a member of the log again';
    out.push(trace('warn', what, { log: this.identity }));
  }

  /** Compares the logs where both are known: what differs at one index is not the same log. */
  private compare({ headIndex, checksum }: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    if (!this.synced || !this.integrity.agrees || headIndex > this.log.durableIndex) return;
    const ours = this.log.checksumAt(headIndex);
    if (ours === null || checksum === undefined || ours === checksum) return;
    this.becomeDiffering(headIndex, out);
  }

  private becomeDiffering(index: number, out: SecondaryEffect[]): void {
    this.session.stop(out);
    this.integrity.becomeDiffering(index, this.asker, out);
  }

  /** The master has counted more of this store than it came back with. */
  private renew({ node, store, ...sender }: MessageOf<'renew'>, out: SecondaryEffect[]): void {
    if (node !== this.self.node || store !== this.self.store || !this.ballot.follows(sender)) return;
    const { lastSeq } = this.outline;
    out.push(trace('error', 'this store lacks what it has acknowledged: it becomes another one', { lastSeq }));
    out.push({ do: 'renewStore' });
  }

  private saveCommit(out: SecondaryEffect[]): void {
    if (this.now < this.nextCommitSaveAt) return;
    this.nextCommitSaveAt = this.now + SAVE_COMMIT_MS;
    this.ballot.saveCommit(out);
  }

  /**
   * Whoever still speaks for an epoch that is over is told which one is followed here, at most once
   * an interval.
   */
  private fence(out: SecondaryEffect[]): void {
    this.counters.staleEpoch += 1;
    if (this.isConnected && this.reporter.isFenceDue(this.now)) this.heartbeat(out);
  }

  private delivery(
    { message, tag, fail }: Extract<SecondaryEvent, { type: 'delivery' }>,
    out: SecondaryEffect[],
  ): void {
    const isOurs = message.type === 'entries' && this.integrity.agrees && this.ballot.accepts(message);
    if (isOurs) return this.entries(message, { tag, fail }, out);
    out.push({ do: 'settle', tag });
    if (message.type === 'entries') return;
    this.counters.misfits += 1;
    out.push(trace('warn', 'a message that does not belong into the entries queue', { type: message.type }));
  }

  private entries(batch: MessageOf<'entries'>, source: Source, out: SecondaryEffect[]): void {
    if (batch.epoch > this.epoch) this.counters.unknownEpoch += 1;
    else if (!this.ballot.follows(batch)) this.fence(out);
    else {
      const appended = this.place(batch, source.tag === null, out);
      if (appended) this.deliveries.hold(source, this.outline.lastIndex);
      this.log.flush(out);
      if (appended) return;
    }
    const settled = this.deliveries.settleKnown(source, out);
    // Acked again, for the ack of its first coming may have been lost.
    if (settled && this.log.isIdle) this.ack(out);
  }

  /** Returns true when something was appended. What comes before the log is checked is kept. */
  private place(batch: MessageOf<'entries'>, fetched: boolean, out: SecondaryEffect[]): boolean {
    if (!this.synced && this.ballot.isDurable && this.log.isFollowedBy(batch)) this.becomeSynced(out);
    if (!this.synced) {
      this.buffer.put(batch);
      return false;
    }
    const appended = this.placement.place(batch, out);
    if (appended) this.gap.recordProgress(this.now, fetched);
    return appended;
  }

  private becomeSynced(out: SecondaryEffect[]): void {
    this.synced = true;
    out.push(trace('info', 'the log agrees with the master', { epoch: this.epoch, log: `${this.outline}` }));
    this.ack(out);
    this.consume(out);
  }

  private stored(
    { generation, checksum, random }: Extract<SecondaryEvent, { type: 'stored' }>,
    out: SecondaryEffect[],
  ): void {
    if (this.log.recordStored(generation, checksum).length === 0) return;
    out.push({ do: 'visible' });
    const failed = this.deliveries.settleStored(this.log.durableIndex, random, out);
    if (!failed) this.ack(out);
    this.becomeReady(out);
    this.log.flush(out);
  }

  private storeFailed(event: Extract<SecondaryEvent, { type: 'storeFailed' }>, out: SecondaryEffect[]): void {
    if (!this.log.isCurrent(event.generation)) return;
    const { durableIndex } = this.log;
    out.push(trace('error', 'the store failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      out.push({ do: 'halt', why: event.what });
      return;
    }
    this.log.dropUnstored();
    const afterMs = this.deliveries.requeueAll(event.random, out);
    this.gap.holdOff(this.now + afterMs);
  }

  /**
   * The logs part: cuts what the new master's log does not have, and asks again from there
   * (KIP-595).
   */
  private diverged(ends: MessageOf<'diverged'>, out: SecondaryEffect[]): void {
    if (!this.ballot.isDurable || !this.ballot.follows(ends)) return;
    if (!this.integrity.agrees) return this.integrity.recordParted(this.asker, out);
    if (this.synced) return;
    const { log } = this;
    const cut = log.cutFor(ends, { epoch: ends.epoch }, out);
    if (cut === null) return;
    if (cut.isRefused) {
      const refused = { ...cut.facts, commit: log.commitSeq, masterLog: ends.log };
      out.push(trace('error', 'the master lacks entries that are committed here: nothing is cut', refused));
      return this.becomeDiffering(log.outline.lastIndex, out);
    }
    this.gap.recordProgress(this.now, true);
  }

  private fetched(fetch: MessageOf<'fetch'>, to: string | null, out: SecondaryEffect[]): void {
    if (to === null || !this.ballot.follows(fetch) || !this.ballot.isDurable || !this.integrity.agrees) return;
    const answer = this.log.answerFetch(fetch, { to, sender: this.ballot.id, store: this.self.store });
    if (answer !== null) out.push(answer);
  }

  private lookForHoles(random: number | null, out: SecondaryEffect[]): void {
    const { session, master, ballot, integrity, outline, synced } = this;
    const isFollowing =
      session.connected && !session.lockedOut && master.isHeard && ballot.isDurable && !this.isRemoved;
    const isBehind = master.headIndex > outline.lastIndex && this.inHand === 0;
    const isWanting = !synced || !this.buffer.isEmpty || isBehind;
    const hole = isFollowing && !session.paused && integrity.agrees && isWanting;
    const opened = this.gap.observe(this.now, { hole, urgent: !synced });
    if (opened && synced) this.counters.gaps += 1;
    if (this.gap.isDue(this.now)) this.fetch(random ?? 0.5, out);
  }

  private fetch(random: number, out: SecondaryEffect[]): void {
    this.gap.recordFetch(this.now, random);
    this.counters.fetches += 1;
    const { lastIndex, lastEpoch, lastReign } = this.outline;
    const range = { from: lastIndex + 1, lastEpoch, lastReign, limit: BATCH_RECORDS_MAX };
    this.reporter.fetch(range, out);
    out.push(trace('debug', 'fetches', range));
  }

  private consume(out: SecondaryEffect[]): void {
    if (this.synced && this.master.isHeard && this.integrity.agrees && !this.isRemoved) this.session.consume(out);
  }

  private becomeReady(out: SecondaryEffect[]): void {
    const { applied } = this;
    if (this.synced && this.master.reaches(applied))
      out.push(trace('info', 'ready: has reached the head', { applied }));
  }

  private beat(out: SecondaryEffect[]): void {
    if (!this.isConnected || this.session.lockedOut || !this.reporter.isBeatDue(this.now)) return;
    if (!this.master.isHeard && this.ballot.isDurable) this.join(out);
    else this.heartbeat(out);
  }

  private join(out: SecondaryEffect[]): void {
    this.reporter.join(this.now, this.httpUrl, out);
  }

  private heartbeat(out: SecondaryEffect[]): void {
    this.reporter.heartbeat(this.heldIndex, this, out);
  }

  private ack(out: SecondaryEffect[]): void {
    if (this.synced && this.isConnected && this.ballot.isDurable) this.reporter.ack(this.heldIndex, out);
  }
}
