/**
 * Handles a secondary's records: takes batches, appends what follows the log, acks what is durable,
 * and fetches what is missing.
 *
 * A delivery is settled as soon as its records are durable, or buffered, or known. To keep a
 * delivery that cannot be placed unsettled could fill the prefetch window and stop everything.
 */
import { BATCH_RECORDS_MAX } from '#protocol/limits';
import { trace } from '#protocol/trace';
import type { MessageOf } from '#protocol/wire/messages';
import type { Source } from './entries/deliveries';
import type { SecondaryEffect, SecondaryEvent } from './events';
import type { SecondaryParts } from './parts';
import type { SecondaryView } from './view';

type Event<Type extends SecondaryEvent['type']> = Extract<SecondaryEvent, { readonly type: Type }>;

/** Every method adds its effects to `out`. `now`: milliseconds of the monotonic clock. */
export class Replication {
  /** Batches that the driver delays, as it said at the last tick. */
  inHand = 0;

  constructor(
    private readonly parts: SecondaryParts,
    private readonly view: SecondaryView,
  ) {}

  /** Takes a message of the entries queue. One that is not for this log is settled and dropped. */
  delivery(now: number, { message, tag, fail }: Event<'delivery'>, out: SecondaryEffect[]): void {
    const { integrity, ballot } = this.parts;
    const { type } = message;
    if (message.type === 'entries' && integrity.agrees && ballot.accepts(message))
      return this.entries(now, message, { tag, fail }, out);
    out.push({ do: 'settle', tag });
    if (type !== 'entries') out.push(trace('warn', 'entries.unexpected-message', { type }));
  }

  /** Takes a batch, and flushes what was appended to the store. A stale epoch is fenced. */
  entries(now: number, batch: MessageOf<'entries'>, source: Source, out: SecondaryEffect[]): void {
    const { ballot, deliveries, log } = this.parts;
    if (ballot.follows(batch)) {
      const appended = this.place(now, batch, source.tag === null, out);
      if (appended) deliveries.recordAppended(source, log.outline.lastIndex);
      log.flush(out);
      if (appended) return;
    } else if (batch.epoch <= ballot.epoch) this.fence(now, out);
    const settled = deliveries.settleKnown(source, out);
    // The ack of the first delivery may have been lost.
    if (settled && log.isIdle) this.ack(out);
  }

  /** A group is durable. */
  stored({ generation, checksum, random }: Event<'stored'>, out: SecondaryEffect[]): void {
    const { log, deliveries } = this.parts;
    if (log.recordStored(generation, checksum).length === 0) return;
    out.push({ do: 'visible' });
    const failed = deliveries.settleStored(log.durableIndex, random, out);
    if (!failed) this.ack(out);
    this.becomeReady(out);
    log.flush(out);
  }

  /** A group could not be stored: its deliveries come again, or the process ends. */
  storeFailed(now: number, event: Event<'storeFailed'>, out: SecondaryEffect[]): void {
    const { log, deliveries, gap } = this.parts;
    if (!log.isCurrent(event.generation)) return;
    const { durableIndex } = log;
    out.push(trace('error', 'store.failed', { fatal: event.fatal, durableIndex, error: event.what }));
    if (event.fatal) {
      out.push({ do: 'halt', why: event.what });
      return;
    }
    log.dropUnstored();
    gap.postpone(now + deliveries.requeueAll(event.random, out));
  }

  /**
   * The logs diverge: cuts what the new master's log does not have, and fetches again from there
   * (KIP-595). A cut below the commit index is refused, and this node stops appending.
   */
  diverged(now: number, ends: MessageOf<'diverged'>, out: SecondaryEffect[]): void {
    const { ballot, integrity, log, gap } = this.parts;
    if (!ballot.isDurable || !ballot.follows(ends)) return;
    if (!integrity.agrees) return integrity.recordDiverged(now, ends, out);
    if (this.view.isSynced) return;
    const cut = log.cutFor(ends, { epoch: ends.epoch }, out);
    if (cut === null) return;
    if (cut.isRefused) {
      const refused = { ...cut.facts, commit: log.commitSeq, masterLog: ends.log };
      out.push(trace('error', 'log.master-lacks-committed', refused));
      return this.becomeDiffering(now, log.outline.lastIndex, out);
    }
    gap.recordProgress(now, true);
  }

  /** Compares the running checksums at the announced head, where both are known. */
  compare(now: number, { headIndex, checksum }: MessageOf<'announce'>, out: SecondaryEffect[]): void {
    const { integrity, log } = this.parts;
    if (!this.view.isSynced || !integrity.agrees || headIndex > log.durableIndex) return;
    const ours = log.checksumAt(headIndex);
    if (ours === null || checksum === undefined || ours === checksum) return;
    this.becomeDiffering(now, headIndex, out);
  }

  /** Answers a candidate or master that fetches from this node. */
  fetched(fetch: MessageOf<'fetch'>, to: string | null, out: SecondaryEffect[]): void {
    const { ballot, integrity, log, self } = this.parts;
    if (to === null || !ballot.follows(fetch) || !ballot.isDurable || !integrity.agrees) return;
    const answer = log.answerFetch(fetch, { to, sender: ballot.id, store: self.store });
    if (answer !== null) out.push(answer);
  }

  /** Fetches when records are missing and the gap has not filled by itself. */
  repair(now: number, random: number | null, out: SecondaryEffect[]): void {
    const { session, master, ballot, integrity, placement, log, gap, counters } = this.parts;
    const { isSynced, isRemoved } = this.view;
    const isFollowing = session.connected && !session.lockedOut && master.isKnown && ballot.isDurable && !isRemoved;
    const isBehind = master.headIndex > log.outline.lastIndex && this.inHand === 0;
    const isIncomplete = !isSynced || !placement.buffer.isEmpty || isBehind;
    const hole = isFollowing && !session.paused && integrity.agrees && isIncomplete;
    const opened = gap.observe(now, { hole, urgent: !isSynced });
    if (opened && isSynced) counters.gaps += 1;
    if (gap.isDue(now)) this.fetch(now, random ?? 0.5, out);
  }

  /** Consumes the entries queue, once the log is checked and the master is known. */
  consume(out: SecondaryEffect[]): void {
    const { master, integrity, session } = this.parts;
    const { isSynced, isRemoved } = this.view;
    if (isSynced && master.isKnown && integrity.agrees && !isRemoved) session.consume(out);
  }

  /** Becomes ready, if the head first announced is applied. */
  becomeReady(out: SecondaryEffect[]): void {
    const { applied, isSynced } = this.view;
    if (isSynced && this.parts.master.reaches(applied)) out.push(trace('info', 'node.ready', { applied }));
  }

  heartbeat(out: SecondaryEffect[]): void {
    const { ackedIndex, differsAt } = this.view;
    this.parts.reporter.heartbeat(ackedIndex, differsAt, out);
  }

  /** The sender is of a stale epoch: it learns of the one followed here, once an interval. */
  fence(now: number, out: SecondaryEffect[]): void {
    const { counters, session, reporter } = this.parts;
    counters.staleEpoch += 1;
    if (session.connected && reporter.isFenceDue(now)) this.heartbeat(out);
  }

  /** @returns true when records were appended; while the log is unchecked they are buffered */
  private place(now: number, batch: MessageOf<'entries'>, fetched: boolean, out: SecondaryEffect[]): boolean {
    const { placement, ballot, log, gap } = this.parts;
    if (!placement.isSynced && ballot.isDurable && log.isFollowedBy(batch)) this.becomeSynced(out);
    const appended = placement.place(batch, out);
    if (appended) gap.recordProgress(now, fetched);
    return appended;
  }

  private becomeSynced(out: SecondaryEffect[]): void {
    const { placement, ballot, log } = this.parts;
    placement.becomeSynced();
    out.push(trace('info', 'log.synced', { epoch: ballot.epoch, log: `${log.outline}` }));
    this.ack(out);
    this.consume(out);
  }

  private becomeDiffering(now: number, index: number, out: SecondaryEffect[]): void {
    this.parts.session.stop(out);
    this.parts.integrity.becomeDiffering(now, index, out);
  }

  private ack(out: SecondaryEffect[]): void {
    const { ballot, reporter, session } = this.parts;
    const { isSynced, ackedIndex } = this.view;
    if (isSynced && session.connected && ballot.isDurable) reporter.ack(ackedIndex, out);
  }

  private fetch(now: number, random: number, out: SecondaryEffect[]): void {
    const { gap, counters, log, reporter } = this.parts;
    gap.recordFetch(now, random);
    counters.fetches += 1;
    const { lastIndex, lastEpoch, lastReign } = log.outline;
    const range = { from: lastIndex + 1, lastEpoch, lastReign, limit: BATCH_RECORDS_MAX };
    reporter.fetch(range, out);
    out.push(trace('debug', 'fetch.sent', range));
  }
}
