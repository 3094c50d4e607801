/**
 * Records when each step of an append happened on one node: a ring of rows, one row a seq, of
 * points in time. It reads the events and effects of the node's core (shared/process/steps.ts), and
 * runs inside the node, so it allocates nothing for an entry. Of a batch, each entry's own times
 * are recorded.
 */
import type { MasterEffect, MasterEvent } from '#master/core/events';
import type { Stepped } from '#process/steps';
import type { LogRecord } from '#protocol/record';
import type { WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect, SecondaryEvent } from '#secondary/core/events';

/**
 * The numbers of a row. Times are milliseconds of the machine's monotonic clock, which all its
 * processes share; 0: it has not happened here.
 */
export const FIELDS = [
  'seq',
  /** The request's head has arrived. */
  'arrived',
  /** The request is read and checked, and the core has given the entry its seq. */
  'asked',
  /** The entry's group goes to the store. */
  'storing',
  /** The group is durable. */
  'stored',
  /** The entry's batch goes to the broker. */
  'published',
  'confirmed',
  /** The batch has come to this secondary. */
  'delivered',
  /** The first secondary's ack is here, and the number in that secondary's name. */
  'acked',
  'ackedBy',
  /** The last byte of the answer is with the operating system. */
  'answered',
] as const;

type Field = (typeof FIELDS)[number];
type Moment = Exclude<Field, 'seq' | 'ackedBy'>;
/** Times of one entry on one node; see FIELDS. */
export type Row = Readonly<Record<Field, number>>;

const PLACES = Object.fromEntries(FIELDS.map((field, at) => [field, at])) as Readonly<Record<Field, number>>;
const WIDTH = FIELDS.length;

/** Seqs, both included. */
interface Range {
  readonly from: number;
  readonly to: number;
}

type NodeStep = Stepped<MasterEvent | SecondaryEvent, MasterEffect | SecondaryEffect>;

/** The times of the newest `capacity` entries. */
export class StepRecorder {
  private readonly rows: Float64Array;
  private storing: Range | null = null;
  /** The batches that the broker has not confirmed, by their number. */
  private readonly batches = new Map<number, Range>();
  /** Highest seq that any secondary has acked. */
  private ackedSeq = 0;
  /** When the core took each request that waits for its answer, by number. */
  private readonly asked = new Map<number, number>();
  /**
   * When the request of each open response arrived, and of which entry it tells. A weak map would
   * burden the garbage collector of the node that is measured.
   */
  private readonly arrivals = new Map<object, number>();
  private readonly answers = new Map<object, number>();

  /** @param now the monotonic clock, in milliseconds */
  constructor(
    private readonly capacity: number,
    private readonly now: () => number,
  ) {
    this.rows = new Float64Array(capacity * WIDTH);
  }

  /** The rows, as `readRows` takes them. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.rows.buffer);
  }

  /** The node's core has taken a step. The event happened before its effects. */
  recordStep({ event, effects }: NodeStep): void {
    const now = this.now();
    if (event.type === 'append') this.asked.set(event.request, now);
    else if (event.type === 'stored') this.mark('stored', this.storing, now);
    else if (event.type === 'confirmed') this.recordConfirmed(event.publish, now);
    else if (event.type === 'wire') this.recordWire(event.message, now);
    else if (event.type === 'delivery' && event.message.type === 'entries')
      this.mark('delivered', rangeOf(event.message.records), now);
    for (const effect of effects) this.recordEffect(effect, now);
  }

  /** The head of a request has arrived; the response is Node's. */
  recordArrived(response: object): void {
    this.arrivals.set(response, this.now());
  }

  /** The response will tell of the entry `seq`. */
  recordAnswer(response: object, seq: number): void {
    this.answers.set(response, seq);
    this.mark('arrived', { from: seq, to: seq }, this.arrivals.get(response) ?? 0);
  }

  /** The response is written. */
  recordWritten(response: object): void {
    const seq = this.answers.get(response);
    this.arrivals.delete(response);
    this.answers.delete(response);
    if (seq !== undefined) this.mark('answered', { from: seq, to: seq }, this.now());
  }

  private recordEffect(effect: MasterEffect | SecondaryEffect, now: number): void {
    if (effect.do === 'store') {
      this.storing = rangeOf(effect.records);
      this.mark('storing', this.storing, now);
    } else if (effect.do === 'publish') {
      const range = rangeOf(effect.publish.records);
      this.batches.set(effect.publish.id, range);
      this.mark('published', range, now);
    } else if (effect.do === 'answer') {
      const at = this.asked.get(effect.request);
      this.asked.delete(effect.request);
      const { answer } = effect;
      if (at !== undefined && answer.outcome === 'acknowledged')
        this.mark('asked', { from: answer.first, to: answer.seq }, at);
    }
  }

  private recordConfirmed(batch: number, now: number): void {
    this.mark('confirmed', this.batches.get(batch) ?? null, now);
    this.batches.delete(batch);
  }

  private recordWire(message: WireMessage, now: number): void {
    if (message.type !== 'ack' && message.type !== 'heartbeat') return;
    const range = { from: this.ackedSeq + 1, to: message.applied };
    if (range.to < range.from) return;
    this.ackedSeq = range.to;
    this.mark('acked', range, now);
    this.mark('ackedBy', range, numberOf(message.node));
  }

  /** Sets what is not set yet: a batch that is published again has left already. */
  private mark(field: Moment | 'ackedBy', range: Range | null, value: number): void {
    if (range === null) return;
    for (let seq = Math.max(range.from, range.to - this.capacity + 1); seq <= range.to; seq += 1) {
      const start = (seq % this.capacity) * WIDTH;
      if (this.rows[start] !== seq) this.rows.fill(0, start, start + WIDTH)[start] = seq;
      const at = start + PLACES[field];
      if (this.rows[at] === 0) this.rows[at] = value;
    }
  }
}

/** The rows that `StepRecorder.bytes` holds, by seq. */
export function readRows(bytes: Uint8Array): Map<number, Row> {
  const numbers = new Float64Array(bytes.slice().buffer);
  const rows = new Map<number, Row>();
  for (let start = 0; start < numbers.length; start += WIDTH) {
    const seq = numbers[start] ?? 0;
    if (seq === 0) continue;
    const row = Object.fromEntries(FIELDS.map((field, at) => [field, numbers[start + at] ?? 0])) as Record<
      Field,
      number
    >;
    rows.set(seq, row);
  }
  return rows;
}

/** The seqs of consecutive records; `to` is below `from` for control records alone. */
function rangeOf(records: readonly LogRecord[]): Range {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return { from: 1, to: 0 };
  // A control record has the seq of the entry before it.
  return { from: first.control === null ? first.seq : first.seq + 1, to: last.seq };
}

/** 2 for `secondary-2`. */
function numberOf(node: string): number {
  return Number(/[0-9]+$/.exec(node)?.[0] ?? 0);
}
