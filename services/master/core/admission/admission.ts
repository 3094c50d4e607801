/**
 * Decides each request of a client: it becomes a new entry, waits for an entry that is in the log,
 * or is answered at once.
 *
 *     ask ─▶ more nodes than there are? ─▶ ids known? ─new──▶ gates.ts ─▶ gets its seq (reign.ts)
 *      ▲     unsatisfiable                 │  │      └repeat▶ waits for its concern (reign.ts)
 *      └───────────── loaded ◀──load───────┘  └─conflict, reserved, a part known: answered
 *
 * The rules for ids are in idempotency.ts. They come before the gates, because a repeat takes no
 * room and no seq, and a conflict does not depend on the master's state.
 *
 * A request whose records are being read belongs to no reign, so the end of a reign does not
 * answer it. Once the records are read, the request is decided anew by the log as it is then. If
 * it can neither wait nor be appended, it is refused with `stored: 'unknown'`: its entry was in
 * this log, and the next reign may keep or truncate it. Records that were requested before a
 * truncation are read again, because others may have their indexes now. A timeout during a reading
 * takes effect afterwards, so that the answer can name the entry.
 *
 * Entries that are appends of their own may share an event (`separate`), which costs a fraction of
 * an event for each. They share it only while all of them are new, and so have the same fate: the
 * gates and the write concern do not depend on the entry, and what they await is durable at once.
 * Otherwise the answer is `split`, in the same step, and each takes the way of a single append.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import type { EpochId } from '#protocol/wire/messages';
import type { WriteConcern } from '#protocol/write-concern';
import type { Answer, Append, Await, GiveUp, Loaded, MasterEffect } from '../events';
import { type Refused, refused, type Situation } from '../refusals';
import type { SizeLimit } from '../size-limit';
import { judge, type KnownIds, type SeqOfId } from './idempotency';

/** The facts about the master that a decision needs. */
export interface Admitting {
  readonly outline: OutlineView;
  readonly epoch: EpochId;
  /** Seq up to which readers see the log; 0: no entry. */
  readonly head: number;
  readonly isStopping: boolean;
  readonly sizeLimit: SizeLimit;
  /** How often the log was cut. */
  readonly cuts: number;
  /** The record with this id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null;
  /** The resolved write concern if it exceeds the number of nodes; null: it can be met. */
  unsatisfiable(writeConcern: WriteConcern): { readonly w: number; readonly nodes: number } | null;
  /** Why no append is accepted now; null: it is. */
  refusal(now: number): Refused | null;
  situation(now: number): Situation;
}

/** The part of a reign that requests need. */
interface TakesRequests {
  /** Gives the entries their seqs and appends them. */
  append(event: Append, out: MasterEffect[]): void;
  /** @returns false when the log has no such entry */
  await(wait: EntryWait, out: MasterEffect[]): boolean;
  timeOut(request: number, out: MasterEffect[]): void;
}

/** The client of `request` waits for the entries with the seqs `first` to `seq`. */
interface EntryWait {
  readonly request: number;
  readonly first: number;
  readonly seq: number;
  /** Id of the entry `seq`. */
  readonly id: string;
  readonly writeConcern: WriteConcern;
}

/** The step in which a request is decided. */
export interface Moment {
  /** Milliseconds of the core's clock. */
  readonly now: number;
  /** Null: this node does not reign. */
  readonly reign: TakesRequests | null;
  readonly out: MasterEffect[];
}

interface Reading {
  readonly event: Append | Await;
  /** The records that were read for it, by index. */
  readonly read: Map<number, LogRecord>;
  /** Its timeout has passed. */
  isExpired: boolean;
  /** Number of truncations of the log when the records were requested. */
  cuts: number;
  /** An entry of the request was in the log when it was first decided. */
  wasKnown: boolean;
}

/** The requests of clients. Those whose records are being read are kept here. */
export class Admission {
  private readonly readings = new Map<number, Reading>();
  private readonly ids: KnownIds;

  constructor(
    private readonly master: Admitting,
    seqOfId: SeqOfId,
  ) {
    this.ids = {
      seqOfId,
      pendingRecord: (id) => master.pendingRecord(id),
      indexOf: (seq) => master.outline.indexOf(seq),
      get reign() {
        return master.epoch.reign;
      },
    };
  }

  ask(event: Append | Await, moment: Moment): void {
    this.decide({ event, read: new Map(), cuts: 0, isExpired: false, wasKnown: false }, moment);
  }

  loaded({ request, records }: Loaded, moment: Moment): void {
    const reading = this.readings.get(request);
    if (reading === undefined) return;
    this.readings.delete(request);
    if (records === null) return answer(request, { outcome: 'unreadable' }, moment);
    // Other records may be in their places now.
    if (reading.cuts !== this.master.cuts) reading.read.clear();
    else for (const record of records) reading.read.set(record.index, record);
    this.decide(reading, moment);
  }

  /** @returns true when the request's records were being read, so no reign knows the request */
  giveUp({ request, why }: GiveUp): boolean {
    const reading = this.readings.get(request);
    if (reading === undefined) return false;
    if (why === 'gone') this.readings.delete(request);
    else reading.isExpired = true;
    return true;
  }

  /** This master stops: requests whose records are being read are answered now. */
  end(moment: Moment): void {
    for (const { event } of this.readings.values()) this.refuseWait(event.request, moment);
    this.readings.clear();
  }

  private decide(reading: Reading, moment: Moment): void {
    const { event } = reading;
    const unsatisfiable = this.master.unsatisfiable(event.writeConcern);
    if (unsatisfiable !== null) return answer(event.request, { outcome: 'unsatisfiable', ...unsatisfiable }, moment);
    if (event.type === 'append') this.decideAppend(event, reading, moment);
    else this.decideAwait(event, reading, moment);
  }

  private decideAppend(event: Append, reading: Reading, moment: Moment): void {
    const { request, entries } = event;
    const verdict = judge(entries, this.knownIds, reading.read);
    if (event.separate === true && verdict.is !== 'new') return answer(request, { outcome: 'split' }, moment);
    switch (verdict.is) {
      case 'new':
        return this.append(event, reading, moment);
      case 'repeat': {
        const { first, last } = verdict;
        return this.wait(reading, { first: first.seq, seq: last.seq, id: last.id }, moment);
      }
      case 'unread':
        return this.load(reading, verdict.indexes, moment);
      case 'unreadable':
        return answer(request, { outcome: 'unreadable' }, moment);
      case 'id-conflict':
        return answer(request, { outcome: 'id-conflict', lines: verdict.lines, seq: verdict.seq }, moment);
      case 'id-reserved':
      case 'ids-known':
        return answer(request, { outcome: verdict.is, lines: verdict.lines }, moment);
    }
  }

  private decideAwait(event: Await, reading: Reading, moment: Moment): void {
    const { request, seq } = event;
    const index = seq > this.master.head ? null : this.master.outline.indexOf(seq);
    if (index === null) return answer(request, { outcome: 'no-such-entry' }, moment);
    const record = reading.read.get(index);
    if (record === undefined) return this.load(reading, [index], moment);
    this.wait(reading, { first: seq, seq, id: record.id ?? '' }, moment);
  }

  /** An entry that was in this log before, and is not now, may be in another node's log. */
  private append(event: Append, { wasKnown, isExpired }: Reading, moment: Moment): void {
    const { now, reign, out } = moment;
    const { request } = event;
    const { bytesMax } = this.master.sizeLimit;
    const lines = this.master.sizeLimit.tooLarge(event.entries);
    if (lines.length > 0 && event.separate === true) return answer(request, { outcome: 'split' }, moment);
    if (lines.length > 0) return answer(request, { outcome: 'too-large', lines, bytesMax }, moment);
    const refusal = this.master.refusal(now);
    if (refusal !== null) return answer(request, wasKnown ? { ...refusal, stored: 'unknown' } : refusal, moment);
    // The driver promises no `flush` for the step in which a reading ends.
    reign?.append(wasKnown ? { ...event, deferFlush: false } : event, out);
    if (isExpired) reign?.timeOut(request, out);
  }

  private wait({ event, isExpired }: Reading, entries: Pick<EntryWait, 'first' | 'seq' | 'id'>, moment: Moment): void {
    const { request, writeConcern } = event;
    const { reign, out } = moment;
    if (this.master.isStopping || reign?.await({ request, writeConcern, ...entries }, out) !== true)
      return this.refuseWait(request, moment);
    if (isExpired) reign.timeOut(request, out);
  }

  private refuseWait(request: number, moment: Moment): void {
    const { now } = moment;
    const refusal =
      this.master.refusal(now) ??
      refused('recovering', 'The entry is no longer in the log.', this.master.situation(now));
    answer(request, { ...refusal, stored: 'unknown' }, moment);
  }

  private load(reading: Reading, indexes: readonly number[], { out }: Moment): void {
    const { request } = reading.event;
    reading.wasKnown = true;
    reading.cuts = this.master.cuts;
    this.readings.set(request, reading);
    out.push({ do: 'load', request, indexes });
  }

  /** The places where ids are looked up. */
  get knownIds(): KnownIds {
    return this.ids;
  }
}

function answer(request: number, told: Answer, { out }: Moment): void {
  out.push({ do: 'answer', request, answer: told });
}
