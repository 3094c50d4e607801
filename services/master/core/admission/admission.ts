/**
 * Decides what comes of each request of a client: a new entry, a wait for an entry that is in the
 * log, or an answer at once.
 *
 *     ask ─▶ more nodes than there are? ─▶ ids known? ─new──▶ gates.ts ─▶ gets its seq (reign.ts)
 *      ▲     unsatisfiable                 │  │      └repeat▶ waits for its concern (reign.ts)
 *      └───────────── loaded ◀──load───────┘  └─conflict, reserved, a part known: answered
 *
 * The rules for ids are in idempotency.ts. They come before the gates: a repeat takes no room and
 * no seq, and a conflict is one at any master.
 *
 * A request whose records are being read belongs to no reign, so the end of a reign does not
 * answer it. When the records come it is decided from the beginning, by the log as it is then. If
 * it cannot wait or be appended then, it is refused with `stored: 'unknown'`: its entry was in this
 * log, and the next reign may keep or cut it. After a cut, records that were asked for before may
 * no longer be in the log: they are read again. A timeout that passes during a reading is kept
 * until the core knows what the client waits for, so that the answer can name it.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import type { EpochId } from '#protocol/wire/messages';
import type { WriteConcern } from '#protocol/write-concern';
import type { Answer, Append, Await, GiveUp, Loaded, MasterEffect } from '../events';
import { type Refused, refused, type Situation } from '../refusals';
import { judge, type KnownIds, type SeqOfId } from './idempotency';

/** What is asked of the master that it belongs to. */
export interface Admitting {
  readonly outline: OutlineView;
  readonly epoch: EpochId;
  /** Seq up to which the log is visible. */
  readonly head: number;
  readonly isStopping: boolean;
  /** How often the log was cut. */
  readonly cuts: number;
  pendingRecord(id: string): LogRecord | null;
  unsatisfiable(writeConcern: WriteConcern): { readonly w: number; readonly nodes: number } | null;
  refusal(now: number): Refused | null;
  situation(now: number): Situation;
}

/** A reign as far as requests need it. */
export interface TakesRequests {
  /** Gives the entries their seqs. */
  append(event: Append, out: MasterEffect[]): void;
  /** False: the log has no such entry. */
  await(wait: EntryWait, out: MasterEffect[]): boolean;
  timeOut(request: number, out: MasterEffect[]): void;
}

/** The client of `request` waits for the entries from `first` to `seq`. */
export interface EntryWait {
  readonly request: number;
  readonly first: number;
  readonly seq: number;
  /** Id of the entry `seq`. */
  readonly id: string;
  readonly writeConcern: WriteConcern;
}

/** The step in which something is decided. */
export interface Moment {
  readonly now: number;
  /** Null: this node does not reign. */
  readonly reign: TakesRequests | null;
  readonly out: MasterEffect[];
}

interface Reading {
  readonly event: Append | Await;
  /** What was read for it, by index. */
  readonly read: Map<number, LogRecord>;
  /** Its timeout has passed. */
  isExpired: boolean;
  /** How often the log had been cut when the records were asked for. */
  cuts: number;
  /** Some of it was in the log when it was first asked. */
  wasKnown: boolean;
}

export class Admission {
  private readonly readings = new Map<number, Reading>();

  constructor(
    private readonly master: Admitting,
    private readonly seqOfId: SeqOfId,
  ) {}

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

  /** True: it was being read, and nothing else waits for it. */
  giveUp({ request, why }: GiveUp): boolean {
    const reading = this.readings.get(request);
    if (reading === undefined) return false;
    if (why === 'gone') this.readings.delete(request);
    else reading.isExpired = true;
    return true;
  }

  /** This master stops: whoever waits for a reading is answered now. */
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

  /** What was known when it was asked, and is not now, may be in the log of another node. */
  private append(event: Append, { wasKnown, isExpired }: Reading, moment: Moment): void {
    const { now, reign, out } = moment;
    const { request } = event;
    const refusal = this.master.refusal(now);
    if (refusal !== null) return answer(request, wasKnown ? { ...refusal, stored: 'unknown' } : refusal, moment);
    // No `flush` was promised for the step in which a reading ends.
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
      refused('recovering', 'The entry is not in the log any more.', this.master.situation(now));
    answer(request, { ...refusal, stored: 'unknown' }, moment);
  }

  private load(reading: Reading, indexes: readonly number[], { out }: Moment): void {
    const { request } = reading.event;
    reading.wasKnown = true;
    reading.cuts = this.master.cuts;
    this.readings.set(request, reading);
    out.push({ do: 'load', request, indexes });
  }

  /** Where ids are looked up. */
  get knownIds(): KnownIds {
    const { master, seqOfId } = this;
    return {
      seqOfId,
      pendingRecord: (id) => master.pendingRecord(id),
      indexOf: (seq) => master.outline.indexOf(seq),
      reign: master.epoch.reign,
    };
  }
}

function answer(request: number, told: Answer, { out }: Moment): void {
  out.push({ do: 'answer', request, answer: told });
}
