/**
 * Puts together what the nodes recorded: an append's way from the client's request to its answer,
 * cut into steps that follow one another, so that their means add up to the whole. For w=2 the way
 * leads over the secondary whose ack came first.
 */
import { digits } from '../row';
import type { Row } from './step-recorder';

/** Milliseconds. */
export interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

export interface WayStep extends Spread {
  readonly name: string;
}

/** Where the time of the appends of one load went. */
export interface Budget {
  readonly id: string;
  /** The load, as "64 clients". */
  readonly title: string;
  /** Entries of which the whole way is known. */
  readonly entries: number;
  /** In order, without gaps. */
  readonly steps: readonly WayStep[];
  /** Beside the way: nothing waits for it. */
  readonly beside: readonly WayStep[];
  /** From the request's arrival to the answer's last byte, on the master. */
  readonly whole: Spread;
  /** As the clients saw it. */
  readonly client: Omit<Spread, 'mean'>;
}

/** The rows of one entry. */
interface Way {
  readonly master: Row;
  readonly secondary: Row;
}

/** Each step's name, and when it ends. */
const STEPS: readonly (readonly [string, (way: Way) => number])[] = [
  ['request read and checked', ({ master }) => master.asked],
  ['waits for its group', ({ master }) => master.storing],
  ['stored on the master', ({ master }) => master.stored],
  ['waits to be published', ({ master }) => master.published],
  ['to the secondary, through the broker', ({ secondary }) => secondary.delivered],
  ['waits for its group there', ({ secondary }) => secondary.storing],
  ['stored there', ({ secondary }) => secondary.stored],
  ['ack to the master, through the broker', ({ master }) => master.acked],
  ['answered', ({ master }) => master.answered],
];

const WHOLE = ({ master }: Way) => master.answered - master.arrived;
const CONFIRMED = ({ master }: Way) => master.confirmed - master.published;

/** The rows of the nodes, by seq. */
export interface Records {
  readonly master: ReadonlyMap<number, Row>;
  /** By the number in a secondary's name. */
  readonly secondaries: ReadonlyMap<number, ReadonlyMap<number, Row>>;
}

/**
 * @param load `after` and `upTo`: the seqs that it appended
 * @throws Error when no entry's way is known: the build publishes no steps
 */
export function budgetOf(
  records: Records,
  load: Pick<Budget, 'id' | 'title' | 'client'> & { readonly after: number; readonly upTo: number },
): Budget {
  const { id, title, client, after, upTo } = load;
  const ways: Way[] = [];
  for (let seq = after + 1; seq <= upTo; seq += 1) {
    const way = wayOf(records, seq);
    if (way !== null) ways.push(way);
  }
  if (ways.length === 0) throw new Error(`${title}: no step of entries ${after + 1} to ${upTo} was recorded`);
  const steps = STEPS.map(([name, end], at) => {
    const start = STEPS[at - 1]?.[1] ?? (({ master }: Way) => master.arrived);
    return { name, ...spreadOf(ways.map((way) => end(way) - start(way))) };
  });
  const confirmed = ways.filter(({ master }) => master.confirmed > 0);
  const beside = [{ name: 'confirmed by the broker', ...spreadOf(confirmed.map(CONFIRMED)) }];
  return { id, title, entries: ways.length, steps, beside, whole: spreadOf(ways.map(WHOLE)), client };
}

/** Null where a point of the way is not known: its row has left the ring, or a fetch brought it. */
function wayOf({ master: masters, secondaries }: Records, seq: number): Way | null {
  const master = masters.get(seq);
  const secondary = secondaries.get(master?.ackedBy ?? 0)?.get(seq);
  if (master === undefined || secondary === undefined || master.arrived === 0) return null;
  const way = { master, secondary };
  return STEPS.every(([, end]) => end(way) > 0) ? way : null;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => digits(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
  return {
    mean: digits(sorted.reduce((sum, value) => sum + value, 0) / (sorted.length || 1)),
    p50: at(0.5),
    p99: at(0.99),
  };
}
