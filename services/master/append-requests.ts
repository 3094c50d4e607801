/**
 * Hands the clients' requests to the core: each gets a number, goes in as an event, and waits for
 * the core's answer, its own timeout, or its client's leaving. Bulk and single appends are the same
 * event; only the outcome is told in another form. Lines that are appends of their own share an event
 * until the core splits it.
 *
 * The core decides what comes of a request (core/admission/). What it has to know of the store
 * for that is read here: seqs of ids at once, records as an effect.
 */

import type { LogReader } from '#http/reading/log-reader';
import type { WaitingClient } from '#http/wait-signal';
import type { LogRecord } from '#protocol/record';
import { type LogStore, StorageError } from '#storage/log-store';
import { bulkOf, concernOutcomeOf, sectionOutcomeOf, type Told } from './append-outcomes';
import type { SeqOfId } from './core/admission/idempotency';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  ConcernOutcome,
  ConcernRequest,
  LineListener,
  Section,
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

interface WaitingRequest {
  readonly tell: (answer: Answer) => void;
  readonly timer: NodeJS.Timeout | undefined;
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

  /**
   * Appends the entries of the sections, each on its own and in order, in one turn. No listener here
   * keeps their messages: see `submit`.
   */
  appendEach(sections: readonly Section[], client: WaitingClient, lines: LineListener): void {
    const submit = () => this.submitSections(sections, client, lines);
    const largest = this.unknownSize(sections.flatMap(({ entries }) => entries));
    if (largest === null) submit();
    else this.options.limit.learn(largest).then(submit, (error: unknown) => lines.failed(error));
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
    clearTimeout(waiting.timer);
    waiting.tell(answer);
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

  private submitSections(sections: readonly Section[], client: WaitingClient, lines: LineListener): void {
    const requests = sections.flatMap((section) => this.submitSection(section, lines));
    this.flushSoon();
    this.leaveWith(client, requests);
  }

  /** @returns the numbers of its requests: one, or one for each entry when the core has split it */
  private submitSection(section: Section, lines: LineListener): readonly number[] {
    const { at, entries, timeoutMs } = section;
    const isShared = entries.length > 1;
    const event = { ...this.appendOf(entries, section), separate: isShared };
    const wait = this.waitForLines(event.request, { at, count: entries.length, timeoutMs }, lines);
    this.options.dispatch(event);
    if (!wait.isSplit) return [event.request];
    return entries.flatMap((entry, line) => this.submitSection({ ...section, at: at + line, entries: [entry] }, lines));
  }

  private waitForLines(
    request: number,
    { at, count, timeoutMs }: Pick<Section, 'at' | 'timeoutMs'> & { readonly count: number },
    lines: LineListener,
  ): { readonly isSplit: boolean } {
    const wait = { isSplit: false };
    const tell = (answer: Answer) => {
      if (answer.outcome === 'split') wait.isSplit = true;
      else if (answer.outcome === 'unreadable') lines.failed(this.failure);
      else lines.told(at, count, sectionOutcomeOf(answer));
    };
    this.waiting.set(request, { tell, timer: this.timerOf(request, timeoutMs) });
    return wait;
  }

  private leaveWith(client: WaitingClient, requests: readonly number[]): void {
    const gone = () => {
      for (const request of requests) if (this.waiting.has(request)) this.leave(request);
    };
    client.onLeave(gone);
    if (client.hasLeft) gone();
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
      client.onLeave(() => this.leave(request));
      const tell = (answer: Answer) => {
        client.onLeave(null);
        if (answer.outcome === 'unreadable') reject(this.failure as Error);
        else resolve(answer);
      };
      this.waiting.set(request, { tell, timer: this.timerOf(request, timeoutMs) });
    });
  }

  /** Undefined: the client waits without a bound. */
  private timerOf(request: number, timeoutMs: number | null): NodeJS.Timeout | undefined {
    if (timeoutMs === null || timeoutMs > TIMER_MS_MAX) return undefined;
    return setTimeout(() => this.options.dispatch({ type: 'giveUp', request, why: 'timeout' }), timeoutMs);
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
    const outcome = sectionOutcomeOf(answer);
    if (outcome.outcome !== 'acknowledged') return outcome;
    const { seq } = outcome;
    const [entry] = await this.options.reader.read({ from: seq, to: seq, maxBytes: 1 });
    if (entry === undefined) throw new Error(`entry ${seq} was acknowledged and cannot be read`);
    return { ...outcome, entry };
  }
}
