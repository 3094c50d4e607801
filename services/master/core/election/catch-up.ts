/**
 * Fetches the records that a candidate lacks from the most up-to-date node that refused its vote.
 * Where the two logs part, the candidate truncates its own tail.
 *
 *     fetching ──records──▶ storing ──durable──▶ fetching … ──the last record is here──▶ done
 *        │──no fitting answer for GIVE_UP_MS──▶ stalled (claim again)
 *        └──the source lacks records that are committed here──▶ contradicted (no cut, no claim)
 *
 * The source has promised the claimed epoch, so its log does not grow meanwhile. But a source that
 * lost records after it voted could make this node truncate committed ones. Each fetch therefore
 * carries `expects`, the store and the end of the source's log. A node that no longer matches does
 * not answer; an answer without records is ignored.
 */

import { BATCH_RECORDS_MAX } from '#protocol/limits';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import { trace } from '#protocol/trace';
import { type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { MasterEffect } from '../events';
import type { Refuser } from './election';

/** Time after which an unanswered fetch is sent again. */
const RETRY_MS = 500;
/** Time without a fitting answer after which the source is abandoned: six fetches. */
const GIVE_UP_MS = 3_000;

/** One catch-up from one source. Times are milliseconds. */
export class CatchUp {
  /** The source lacks entries that are known to be committed here. */
  isContradicted = false;
  /** Number of appended batches and truncations. */
  steps = 0;
  private askAt: number;
  /** Time of the last fitting answer. */
  private heardAt: number;

  constructor(
    private readonly log: ReplicaLog,
    readonly source: Refuser & { readonly replyTo: string },
    private readonly asker: Sender & { readonly node: string },
    now: number,
  ) {
    this.askAt = now;
    this.heardAt = now;
  }

  get isDone(): boolean {
    return this.log.isIdle && isAtLeastAsUpToDate(this.log.outline.last, this.source.last);
  }

  isStalled(now: number): boolean {
    return now - this.heardAt >= GIVE_UP_MS && this.log.isIdle;
  }

  /** Fetches the next records, unless a fetch or a write is under way. */
  ask(now: number, out: MasterEffect[]): void {
    if (now < this.askAt || this.isDone || !this.log.isIdle) return;
    this.askAt = now + RETRY_MS;
    const { index, epoch: lastEpoch, reign: lastReign } = this.log.outline.last;
    const { store, last, lastSeq } = this.source;
    const expects = { store, ...saidEnd(last, lastSeq) };
    const range = { from: index + 1, lastEpoch, lastReign, limit: BATCH_RECORDS_MAX };
    const message = { type: 'fetch', ...this.asker, ...range, expects } as const;
    out.push({ do: 'send', to: this.source.replyTo, message });
  }

  /**
   * Appends the records of an answer. An answer that does not follow the end of the log is late and
   * is ignored: it does not count as progress, so a source whose answers never fit is abandoned.
   */
  receive(now: number, batch: MessageOf<'entries'>, out: MasterEffect[]): void {
    const { log } = this;
    const [first] = batch.records;
    if (first === undefined || !log.isIdle) return;
    if (!log.isFollowedBy(batch) || !log.outline.isFollowedBy(first)) return;
    this.heardAt = now;
    this.steps += 1;
    for (const record of batch.records) log.append(record);
    log.flush(out);
  }

  /** The logs part: truncates the tail, which no majority holds, and fetches from there. */
  diverged(now: number, ends: MessageOf<'diverged'>, out: MasterEffect[]): void {
    const cut = this.log.cutFor(ends, { source: this.source.node }, out);
    if (cut === null) return;
    if (cut.isRefused) {
      this.isContradicted = true;
      const refused = { ...cut.facts, commit: this.log.commitSeq };
      out.push(trace('error', 'log.source-lacks-committed', refused));
      return;
    }
    this.steps += 1;
    this.proceed(now, out);
  }

  /** The fetched records are durable: fetches the next ones, if any are missing. */
  proceed(now: number, out: MasterEffect[]): void {
    this.heardAt = now;
    this.askAt = now;
    this.ask(now, out);
  }
}
