/**
 * The clients that append: each request gets a number, goes to the machine as an event, and waits for the machine's answer, its own
 * timeout, or its client's leaving. Bulk and single appends are the same event; only what is told of the end differs.
 *
 * An id that is known is no new append: it is waited for. Whether it is known is decided in the turn of the event loop in which a
 * new one gets its seq; comparing messages may take longer, but a known id takes no seq.
 */

import type { LogReader } from '#http/reading/log-reader';
import type { WaitingClient } from '#http/wait-signal';
import { type Entry, parseGeneratedId } from '#protocol/entry';
import { entryOf } from '#protocol/record';
import type { LogStore } from '#storage/log-store';
import type { AppendOutcome, AppendRequest, BulkOutcome, BulkRequest, HoldOutcome, HoldRequest } from './core/append';
import type { Answer, Append, Await, MasterEvent, NewEntry } from './core/events';
import type { MasterMachine } from './core/master';

/** Node's longest timer, 24 days; a longer timeout is as good as none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a request resolves to when its client has gone; nobody reads it. */
const GONE: Answer = {
  outcome: 'unresolved',
  problem: 'shutting-down',
  seq: 0,
  id: '',
  w: 0,
  acks: [],
  stored: 'unknown',
};

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  /** Ends the timer and the listener. */
  readonly release: () => void;
}

/** Where an id was found: the entry's bytes, its seq, or nowhere yet though it has the form of an id that this reign will give. */
type Known = { readonly id: string } & (
  | { readonly bytes: Uint8Array }
  | { readonly seq: number }
  | { readonly isToCome: true }
);

export interface AppendRequestsOptions {
  readonly machine: MasterMachine;
  readonly store: LogStore;
  readonly reader: LogReader;
  readonly dispatch: (event: MasterEvent) => void;
}

export class AppendRequests {
  private readonly waiting = new Map<number, Waiting>();
  private requests = 0;
  private isFlushDue = false;

  constructor(private readonly options: AppendRequestsOptions) {}

  /** A number for the next request, of whatever kind. */
  next(): number {
    this.requests += 1;
    return this.requests;
  }

  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome> {
    const { message, id, writeConcern } = request;
    const unsatisfiable = this.options.machine.unsatisfiable(writeConcern);
    if (unsatisfiable !== null) return Promise.resolve({ outcome: 'unsatisfiable', ...unsatisfiable });
    const known = id === null ? null : this.find(id);
    if (known !== null) return this.repeat(request, known, client);
    return this.told(this.submit(this.appendOf([{ message, id }], request), request.timeoutMs, client), false);
  }

  appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome> {
    const { entries, writeConcern, timeoutMs } = request;
    const unsatisfiable = this.options.machine.unsatisfiable(writeConcern);
    if (unsatisfiable !== null) return Promise.resolve({ outcome: 'unsatisfiable', ...unsatisfiable });
    const found = entries.map(({ id }) => (id === null ? null : this.find(id)));
    if (found.some((known) => known !== null)) return this.repeatAll(request, found, client);
    const bulk = { count: entries.length, repeated: false };
    return this.submit(this.appendOf(entries, request), timeoutMs, client).then((answer) => bulkOf(answer, bulk));
  }

  async awaitHeld(request: HoldRequest, client: WaitingClient): Promise<HoldOutcome | null> {
    const { seq, writeConcern } = request;
    const unsatisfiable = this.options.machine.unsatisfiable(writeConcern);
    if (unsatisfiable !== null) return { outcome: 'unsatisfiable', ...unsatisfiable };
    const [bytes] = await this.options.reader.read({ from: seq, to: seq, maxBytes: 1 });
    if (bytes === undefined) return null;
    return this.submit(this.awaitOf(entryOf(bytes), request), request.timeoutMs, client);
  }

  /** The machine's answer to a request. */
  answer(request: number, answer: Answer): void {
    const waiting = this.waiting.get(request);
    if (waiting === undefined) return;
    this.waiting.delete(request);
    waiting.release();
    waiting.resolve(answer);
  }

  private async repeat(request: AppendRequest, known: Known, client: WaitingClient): Promise<AppendOutcome> {
    if ('isToCome' in known) return { outcome: 'id-reserved' };
    const entry = await this.load(known);
    if (entry === null) return this.append(request, client);
    if (entry.id !== request.id) return { outcome: 'id-reserved' };
    if (entry.message !== request.message) return { outcome: 'id-conflict', seq: entry.seq };
    return this.told(this.submit(this.awaitOf(entry, request), request.timeoutMs, client), true);
  }

  /** Some ids are known: the same append again if all of them are, with the same messages. */
  private async repeatAll(
    request: BulkRequest,
    found: readonly (Known | null)[],
    client: WaitingClient,
  ): Promise<BulkOutcome> {
    const { entries } = request;
    const loaded = await Promise.all(found.map(async (known) => (known === null ? null : this.load(known))));
    const knownLines: number[] = [];
    const otherLines: number[] = [];
    for (const [at, entry] of loaded.entries()) {
      if (found[at] === null) continue;
      knownLines.push(at + 1);
      if (entry?.id !== entries[at]?.id || entry?.message !== entries[at]?.message) otherLines.push(at + 1);
    }
    if (otherLines.length > 0) return { outcome: 'ids-conflict', lines: otherLines };
    const seqs = loaded.flatMap((entry) => (entry === null ? [] : [entry.seq]));
    if (seqs.length < entries.length) return { outcome: 'ids-known', lines: knownLines };
    const last = loaded.reduce((newest, entry) => ((entry?.seq ?? 0) > (newest?.seq ?? 0) ? entry : newest));
    if (last === null) return { outcome: 'ids-known', lines: knownLines };
    const bulk = { count: entries.length, repeated: true, first: seqs.reduce((least, seq) => Math.min(least, seq)) };
    return this.submit(this.awaitOf(last, request), request.timeoutMs, client).then((answer) => bulkOf(answer, bulk));
  }

  private find(id: string): Known | null {
    const { machine, store } = this.options;
    const pending = machine.pendingRecord(id);
    if (pending !== null) return { id, bytes: pending.bytes };
    const seq = store.seqOfId(id);
    if (seq !== null) return { id, seq };
    // Of a former reign: its entry may have been cut with that reign, and this is the retry that brings it back.
    return parseGeneratedId(id)?.reign === machine.epoch.reign ? { id, isToCome: true } : null;
  }

  /** The entry that was found; null when it was cut meanwhile, or is not there yet. */
  private async load(known: Known): Promise<Entry | null> {
    if ('bytes' in known) return entryOf(known.bytes);
    if ('isToCome' in known) return null;
    const index = this.options.machine.outline.indexOf(known.seq);
    if (index === null) return null;
    const [record] = await this.options.store.read(index, { to: index, maxBytes: 1, maxRecords: 1 });
    return record === undefined ? null : entryOf(record.bytes);
  }

  private appendOf(entries: readonly NewEntry[], { writeConcern }: Pick<AppendRequest, 'writeConcern'>): Append {
    return { type: 'append', request: this.next(), entries, ts: new Date().toISOString(), writeConcern, holds: true };
  }

  private awaitOf({ seq, id }: Entry, { writeConcern }: Pick<AppendRequest, 'writeConcern'>): Await {
    return { type: 'await', request: this.next(), seq, id, writeConcern };
  }

  /** Nothing that waits keeps the event, and with it the message: a client may wait for an hour. */
  private submit(event: Append | Await, timeoutMs: number | null, client: WaitingClient): Promise<Answer> {
    const answer = this.wait(event.request, timeoutMs, client);
    this.options.dispatch(event);
    if (event.type === 'append') this.flushSoon();
    if (client.hasLeft) this.leave(event.request);
    return answer;
  }

  private wait(request: number, timeoutMs: number | null, client: WaitingClient): Promise<Answer> {
    return new Promise((resolve) => {
      const gone = () => this.leave(request);
      const giveUp = () => this.options.dispatch({ type: 'giveUp', request, why: 'timeout' });
      const isBounded = timeoutMs !== null && timeoutMs <= TIMER_MS_MAX;
      const timer = isBounded ? setTimeout(giveUp, timeoutMs) : undefined;
      client.onLeave(gone);
      const release = () => {
        clearTimeout(timer);
        client.onLeave(null);
      };
      this.waiting.set(request, { resolve, release });
    });
  }

  /** When the event loop has handed over everything that had arrived: appends that came together make one group. */
  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(() => {
      this.isFlushDue = false;
      this.options.dispatch({ type: 'flush' });
    });
  }

  private leave(request: number): void {
    this.options.dispatch({ type: 'giveUp', request, why: 'gone' });
    this.answer(request, GONE);
  }

  /** The machine's answer, with the entry that its client gets. */
  private async told(answered: Promise<Answer>, repeated: boolean): Promise<AppendOutcome> {
    const answer = await answered;
    if (answer.outcome !== 'acknowledged') return answer;
    const { seq } = answer;
    const [entry] = await this.options.reader.read({ from: seq, to: seq, maxBytes: 1 });
    if (entry === undefined) throw new Error(`entry ${seq} was acknowledged and cannot be read`);
    return { ...answer, repeated, entry };
  }
}

function bulkOf(
  answer: Answer,
  bulk: { readonly count: number; readonly repeated: boolean; readonly first?: number },
): BulkOutcome {
  if (answer.outcome === 'unsatisfiable' || answer.outcome === 'refused') return answer;
  const { count, repeated, first = answer.seq - count + 1 } = bulk;
  const { seq: last, w, acks } = answer;
  if (answer.outcome === 'acknowledged') return { outcome: 'acknowledged', repeated, first, last, count, w, acks };
  const { problem, stored } = answer;
  return { outcome: 'unresolved', problem, first, last, count, w, acks, stored };
}
