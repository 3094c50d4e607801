/**
 * What a row of the table is: what was measured, and the limit that was measured in the same run
 * beside it.
 */
import type { BenchCluster } from './cluster';
import type { Percentiles } from './load/histogram';
import type { Budget } from './recorders/way';

interface Limit {
  /** Its name in the table, as "bare Koa POST". */
  readonly what: string;
  readonly value: number;
}

export interface RowResult {
  readonly id: string;
  readonly title: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: Limit;
  /** value / limit, or what else the row is a ratio of; what CI compares. */
  readonly ratio?: number;
  readonly floor: number;
  readonly goal: number;
  /** Of `value` and `ratio`, which one `floor` and `goal` are for; default value. */
  readonly judged?: 'value' | 'ratio';
  /** Is less better? */
  readonly lessIsBetter?: boolean;
  readonly latencyMs?: Percentiles;
  /** CPU time of all nodes an entry, in microseconds; comparable within one run. */
  readonly cpuMicros?: number;
  /** Whatever else is worth knowing. */
  readonly notes?: readonly string[];
}

/** Points of a plot. */
export interface Series {
  readonly id: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Measurement {
  readonly rows: readonly RowResult[];
  readonly series?: readonly Series[];
  readonly budgets?: readonly Budget[];
}

export interface BenchContext {
  readonly isQuick: boolean;
  readonly amqpUrl: string;
  /** Of one measurement. */
  readonly seconds: number;
  /** Of the row that takes long. */
  readonly soakMinutes: number;
  /** The cluster that rows share: two secondaries. */
  cluster(): Promise<BenchCluster>;
  /** One of the row's own, to be stopped by it. */
  newCluster(secondaries: number, env?: Readonly<Record<string, string>>): Promise<BenchCluster>;
  /** A folder that is deleted after the run. */
  directory(name: string): string;
  say(text: string): void;
  /** Measured once a run; rows that share a limit share its measurement. */
  limit(name: LimitName): Promise<LimitMeasured>;
  /** Measures the limit now, whether it was before or not. */
  measureLimit(name: LimitName, seconds: number): Promise<LimitMeasured>;
}

export type LimitName = 'bareKoa' | 'bareKoaOneClient' | 'rawPipeline' | 'rawStore' | 'rawStream';

export interface LimitMeasured {
  readonly value: number;
  readonly latencyMs?: Percentiles;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  measure(context: BenchContext): Promise<Measurement>;
}

/** Three digits are all that a shared machine can tell. */
export function digits(value: number): number {
  return Number(value.toPrecision(3));
}
