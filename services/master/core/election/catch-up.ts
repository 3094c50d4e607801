/**
 * A claimant's way to the log of the one that is ahead of it: fetch by fetch from the most
 * up-to-date refuser, cutting its own tail where the two part, until it has everything the other
 * had. The source has promised the claimed epoch, so its log does not grow meanwhile; but it may
 * lose what it had not stored when it voted, or its whole store, and then to agree with it could
 * cut what is committed. So each fetch names the end of the log that is asked, and who does not
 * have it (any more) does not answer; an answer without records is none.
 *
 *     fetching ──records──▶ storing ──durable──▶ fetching … ──its last record is here──▶ done
 *        │──nothing that fits for GIVE_UP_MS──▶ stalled (claim again: somebody else may be ahead, or nobody)
 *        └──the source lacks what is committed here──▶ contradicted (nothing is cut, and nothing is claimed any more)
 */

import { BATCH_RECORDS_MAX } from '#protocol/limits';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import { trace } from '#protocol/trace';
import { type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { MasterEffect } from '../events';
import type { Refuser } from './election';

/** A fetch that was lost is repeated after this long. */
const RETRY_MS = 500;
/** A source that says nothing for so long is given up. */
const GIVE_UP_MS = 3_000;

export class CatchUp {
  /** The source lacks entries that are known to be committed here. */
  isContradicted = false;
  /** Rises with every piece that was appended or cut. */
  steps = 0;
  private askAt: number;
  /** When the last answer came that fitted. */
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

  /** Asks for what comes next, when nothing is under way. */
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
   * Takes an answer; one that does not follow the end of the log is late, and no sign of life: a
   * source whose answers never fit is given up.
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

  /** The logs part: cuts the own tail, which a majority never had, and asks again from there. */
  diverged(now: number, ends: MessageOf<'diverged'>, out: MasterEffect[]): void {
    const cut = this.log.cutFor(ends, { source: this.source.node }, out);
    if (cut === null) return;
    if (cut.isRefused) {
      this.isContradicted = true;
      const refused = { ...cut.facts, commit: this.log.commitSeq };
      out.push(trace('error', 'the log that is ahead lacks entries that are committed here: nothing is cut', refused));
      return;
    }
    this.steps += 1;
    this.proceed(now, out);
  }

  /** What was fetched is durable: the next piece, or done. */
  proceed(now: number, out: MasterEffect[]): void {
    this.heardAt = now;
    this.askAt = now;
    this.ask(now, out);
  }
}
