/**
 * Hands the clients' requests to the core: each gets a number, goes in as an event, and waits for
 * the core's answer, its own timeout, or its client's leaving. Bulk and single appends are the same
 * event; only the outcome is told in another form.
 *
 * The core decides what comes of a request (core/admission/). What it has to know of the store
 * for that is read here: seqs of ids at once, records as an effect.
 */

import type { LogReader } from '#http/reading/log-reader';
import type { WaitingClient } from '#http/wait-signal';
import type { LogRecord } from '#protocol/record';
import { type LogStore, StorageError } from '#storage/log-store';
import type { SeqOfId } from './core/admission/idempotency';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  ConcernOutcome,
  ConcernRequest,
} from './core/append';
import type { Answer, Append, Await, MasterEffect, MasterEvent, NewEntry } from './core/events';
import { entryMessageBytes } from './core/size-limit';

/** Node's longest timer, 24 days; a longer timeout is as good as none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a request resolves to when its client has gone; nobody reads it. */
const GONE: Answer = {
  outcome: 'unresolved',
  problem: 'shutting-down',
  repeated: false,
  first: 0,
  seq: 0,
  id: '',
  w: 0,
  acks: [],
  stored: 'unknown',
};

/** What a client's promise resolves to; it rejects when the store could not be read. */
type Told = Exclude<Answer, { outcome: 'unreadable' }>;

interface WaitingRequest {
  readonly resolve: (answer: Told) => void;
  readonly reject: (error: unknown) => void;
  /** Ends the timer and the listener. */
  readonly release: () => void;
}

interface AppendRequestsOptions {
  readonly store: LogStore;
  readonly reader: LogReader;
  readonly dispatch: (event: MasterEvent) => void;
  /** What the broker takes, which is found out before an entry gets its seq. */
  readonly limit: {
    /** Bytes up to which it takes every message. */
    knownBytes(): number;
    isKnown(bytes: number): boolean;
    learn(bytes: number): Promise<void>;
  };
  /** A record that a request depends on is damaged. */
  readonly onDamage: (error: StorageError) => void;
}

export class AppendRequests {
  private readonly waiting = new Map<number, WaitingRequest>();
  private requests = 0;
  private isFlushDue = false;
  /** Why the store could not be read; whoever is told `unreadable` gets it. */
  private failure: unknown = null;

  constructor(private readonly options: AppendRequestsOptions) {}

  /** A number for the next request, of whatever kind. */
  next(): number {
    this.requests += 1;
    return this.requests;
  }

  async append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome> {
    const { message, id } = request;
    return this.outcomeOf(await this.submitAppend([{ message, id }], request, client));
  }

  async appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome> {
    const { entries } = request;
    return bulkOf(await this.submitAppend(entries, request, client), entries.length);
  }

  /** Null: there is no such entry. */
  async awaitConcern(
    { seq, writeConcern, timeoutMs }: ConcernRequest,
    client: WaitingClient,
  ): Promise<ConcernOutcome | null> {
    const event: Await = { type: 'await', request: this.next(), seq, writeConcern };
    return concernOutcomeOf(await this.submit(event, timeoutMs, client));
  }

  /** The core's answer to a request. */
  answer(request: number, answer: Answer): void {
    const waiting = this.waiting.get(request);
    if (waiting === undefined) return;
    this.waiting.delete(request);
    waiting.release();
    if (answer.outcome === 'unreadable') waiting.reject(this.failure);
    else waiting.resolve(answer);
  }

  /** The store's look-up of ids, as the core wants it: a failure is an answer. */
  readonly seqOfId: SeqOfId = (id) => {
    try {
      return this.options.store.seqOfId(id);
    } catch (error) {
      this.failure = error;
      return 'unreadable';
    }
  };

  /** Reads what the core asks for, and tells it. */
  load({ request, indexes }: Extract<MasterEffect, { do: 'load' }>): void {
    const { dispatch, onDamage } = this.options;
    Promise.all(indexes.map((index) => this.read(index))).then(
      (read) => dispatch({ type: 'loaded', request, records: read.flat() }),
      (error: unknown) => {
        if (error instanceof StorageError && error.code === 'damaged') onDamage(error);
        this.failure = error;
        dispatch({ type: 'loaded', request, records: null });
      },
    );
  }

  private read(index: number): Promise<readonly LogRecord[]> {
    return this.options.store.read(index, { to: index, maxBytes: 1, maxRecords: 1 });
  }

  /** Returns before the wait begins: see `submit`. */
  private submitAppend(
    entries: readonly NewEntry[],
    request: Pick<AppendRequest, 'writeConcern' | 'timeoutMs'>,
    client: WaitingClient,
  ): Promise<Told> {
    const submit = () => this.submit(this.appendOf(entries, request), request.timeoutMs, client);
    const largest = this.unknownSize(entries);
    return largest === null ? submit() : this.options.limit.learn(largest).then(submit);
  }

  /** Bytes of the largest message of which it is not known whether the broker takes it; null: none. */
  private unknownSize(entries: readonly NewEntry[]): number | null {
    const { limit } = this.options;
    const unknown = entries
      .map((entry) => entryMessageBytes(entry, limit.knownBytes()))
      .filter((bytes) => !limit.isKnown(bytes));
    return unknown.length === 0 ? null : unknown.reduce((a, b) => Math.max(a, b));
  }

  private appendOf(entries: readonly NewEntry[], { writeConcern }: Pick<AppendRequest, 'writeConcern'>): Append {
    return {
      type: 'append',
      request: this.next(),
      entries,
      ts: new Date().toISOString(),
      writeConcern,
      deferFlush: true,
    };
  }

  /** Nothing that waits keeps the event, and with it the message: a client may wait for an hour. */
  private submit(event: Append | Await, timeoutMs: number | null, client: WaitingClient): Promise<Told> {
    const answer = this.wait(event.request, timeoutMs, client);
    this.options.dispatch(event);
    if (event.type === 'append') this.flushSoon();
    if (client.hasLeft) this.leave(event.request);
    return answer;
  }

  private wait(request: number, timeoutMs: number | null, client: WaitingClient): Promise<Told> {
    return new Promise((resolve, reject) => {
      const gone = () => this.leave(request);
      const giveUp = () => this.options.dispatch({ type: 'giveUp', request, why: 'timeout' });
      const isBounded = timeoutMs !== null && timeoutMs <= TIMER_MS_MAX;
      const timer = isBounded ? setTimeout(giveUp, timeoutMs) : undefined;
      client.onLeave(gone);
      const release = () => {
        clearTimeout(timer);
        client.onLeave(null);
      };
      this.waiting.set(request, { resolve, reject, release });
    });
  }

  /**
   * When the event loop has handed over everything that had arrived: appends that came together
   * make one group.
   */
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

  /** The answer to a single append, with the entry that its client gets. */
  private async outcomeOf(answer: Told): Promise<AppendOutcome> {
    switch (answer.outcome) {
      case 'acknowledged': {
        const { repeated, seq, w, acks } = answer;
        const [entry] = await this.options.reader.read({ from: seq, to: seq, maxBytes: 1 });
        if (entry === undefined) throw new Error(`entry ${seq} was acknowledged and cannot be read`);
        return { outcome: 'acknowledged', repeated, seq, entry, w, acks };
      }
      case 'unresolved':
        return unresolved(answer);
      case 'id-conflict':
        return { outcome: 'id-conflict', seq: answer.seq };
      case 'id-reserved':
        return { outcome: 'id-reserved' };
      case 'too-large':
        return { outcome: 'too-large', bytesMax: answer.bytesMax };
      case 'unsatisfiable':
      case 'refused':
        return answer;
      case 'ids-known':
      case 'no-such-entry':
        throw unexpected(answer);
    }
  }
}

function bulkOf(answer: Told, count: number): BulkOutcome {
  switch (answer.outcome) {
    case 'acknowledged': {
      const { repeated, first, seq: last, w, acks } = answer;
      return { outcome: 'acknowledged', repeated, first, last, count, w, acks };
    }
    case 'unresolved': {
      const { problem, first, seq: last, w, acks, stored } = answer;
      return { outcome: 'unresolved', problem, first, last, count, w, acks, stored };
    }
    case 'id-conflict':
    case 'id-reserved':
      return { outcome: 'ids-conflict', lines: answer.lines };
    case 'ids-known':
      return { outcome: 'ids-known', lines: answer.lines };
    case 'unsatisfiable':
    case 'refused':
    case 'too-large':
      return answer;
    case 'no-such-entry':
      throw unexpected(answer);
  }
}

function concernOutcomeOf(answer: Told): ConcernOutcome | null {
  switch (answer.outcome) {
    case 'acknowledged': {
      const { seq, w, acks } = answer;
      return { outcome: 'acknowledged', seq, w, acks };
    }
    case 'unresolved':
      return unresolved(answer);
    case 'no-such-entry':
      return null;
    case 'unsatisfiable':
    case 'refused':
      return answer;
    case 'id-conflict':
    case 'id-reserved':
    case 'ids-known':
    case 'too-large':
      throw unexpected(answer);
  }
}

function unresolved({ problem, seq, id, w, acks, stored }: Extract<Told, { outcome: 'unresolved' }>) {
  return { outcome: 'unresolved', problem, seq, id, w, acks, stored } as const;
}

function unexpected({ outcome }: Told): Error {
  return new Error(`the core answered ${outcome}, which this request cannot end with`);
}
