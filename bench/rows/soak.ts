/**
 * An hour of load, or as long as was asked for, at half of what the cluster carries: does anything
 * grow that should not, and is any minute much worse than the others?
 */
import { statfsSync } from 'node:fs';
import type { BenchCluster } from '../cluster';
import { median } from '../load/histogram';
import { requestOf, targetOf } from '../load/http-connection';
import { openLoop } from '../load/load';
import { MachineWatch, worstPauses } from '../recorders/disturbances';
import { recorderEnv } from '../recorders/preload';
import { type BenchContext, digits, type Measurement, type Row, type RowResult, type Series } from '../row';
import { append, appendOf } from './appends';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Enough for a latency of 60 ms at 4,000 appends a second. */
const CLIENTS = 256;
const SECONDARIES = 2;
const RATE_SHARE = 0.5;
/** A sample is a minute, or a tenth of a shorter run. */
const SAMPLES_MIN = 10;
/** Share of the run in which caches fill up and functions are compiled. */
const SETTLING_SHARE = 0.2;
/** Of an entry of 100 letters on each node's disk. */
const ENTRY_BYTES = 256;
/** The p99 of the worst minute, in medians of the minutes' p99s. */
const [FLOOR, GOAL] = [10, 5];

/** A minute of the soak. Times are milliseconds by the clock of the wall. */
export interface Sample {
  readonly from: number;
  readonly to: number;
  /** Minutes since the start, at its end. */
  readonly minute: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the node that needs most. */
  readonly memoryMib: number;
  /** The machine in this minute, in words. */
  readonly machine: string;
}

export const soak: Row = {
  id: 'soak',
  title: 'memory of a node under a long load (RssAnon)',
  async measure(context) {
    const directory = context.directory('soak');
    const cluster = await context.newCluster(SECONDARIES, recorderEnv('pauses', directory));
    const full = await append(cluster, context.seconds);
    const rate = Math.round(full.perSecond * RATE_SHARE);
    expectRoom(directory, rate * context.soakMinutes * 60);
    const samples = await sampled(context, cluster, rate);
    const head = await cluster.agreed();
    await cluster.stop();
    const appends = `${rate} appends/s, half of ${full.perSecond}, w=2`;
    const load = `${context.soakMinutes} minutes of ${appends}; ${head} entries at the end`;
    const worst = worstOf(samples);
    const pauses = worstPauses(directory, cluster.nodes, worst);
    return measurementOf(samples, [load], [`${worst.machine}; ${pauses}`]);
  },
};

async function sampled(context: BenchContext, cluster: BenchCluster, rate: number): Promise<readonly Sample[]> {
  const minutes = context.soakMinutes;
  const count = Math.max(SAMPLES_MIN, Math.round(minutes));
  const seconds = (minutes * 60) / count;
  const request = requestOf('POST', '/messages', appendOf(2));
  const load = { target: targetOf(cluster.master.url), request, clients: CLIENTS, seconds, warmUpSeconds: 0 };
  const samples: Sample[] = [];
  for (let number = 1; number <= count; number += 1) {
    const watch = new MachineWatch();
    const from = Date.now();
    const { latencyMs } = await openLoop(load, rate);
    const memoryMib = Math.round(Math.max(...cluster.nodes.map((node) => node.memoryBytes())) / MIB);
    const { p50, p99 } = latencyMs;
    const minute = digits((number * seconds) / 60);
    samples.push({ from, to: Date.now(), minute, p50, p99, memoryMib, machine: watch.end() });
    context.say(`${minute} of ${minutes} minutes: p50 ${p50}, p99 ${p99} ms; ${memoryMib} MiB`);
  }
  return samples;
}

/** The sample with the highest p99. */
export function worstOf(samples: readonly Sample[]): Sample {
  return samples.reduce((worst, sample) => (sample.p99 > worst.p99 ? sample : worst));
}

/**
 * The two rows and their plots.
 * @param load notes of both
 * @param worstNotes what happened in the worst minute
 */
export function measurementOf(
  samples: readonly Sample[],
  load: readonly string[],
  worstNotes: readonly string[],
): Measurement {
  return {
    rows: [memoryRow(samples, load), latencyRow(samples, [...load, ...worstNotes])],
    series: [memorySeries(samples), ...latencySeries(samples)],
  };
}

function memoryRow(samples: readonly Sample[], load: readonly string[]): RowResult {
  const settled = samples.slice(Math.ceil(samples.length * SETTLING_SHARE)).map(({ memoryMib }) => memoryMib);
  const half = Math.floor(settled.length / 2);
  const [before, after] = [settled.slice(0, half), settled.slice(half)].map((some) => Math.max(...some));
  const notes = [...load, `most in the first half, once settled, ${before} MiB, in the second ${after} MiB`];
  const row = { id: soak.id, title: soak.title, value: Math.max(...settled), unit: 'MiB', floor: 250, goal: 150 };
  return { ...row, lessIsBetter: true, notes };
}

function latencyRow(samples: readonly Sample[], notes: readonly string[]): RowResult {
  const middle = median(samples.map(({ p99 }) => p99));
  const { minute, p99 } = worstOf(samples);
  const value = digits(p99 / Math.max(middle, Number.EPSILON));
  const worst = `the worst ended at minute ${minute}: p99 ${p99} ms; the median of the p99s is ${digits(middle)} ms`;
  const [id, title] = ['soak-p99', 'worst minute under a long load: its p99 in medians of the p99s'];
  return {
    id,
    title,
    value,
    ratio: value,
    unit: '×',
    floor: FLOOR,
    goal: GOAL,
    lessIsBetter: true,
    notes: [worst, ...notes],
  };
}

function memorySeries(samples: readonly Sample[]): Series {
  const points = samples.map(({ minute: x, memoryMib: y }) => ({ x, y }));
  return { id: 'soak', title: 'Memory under a long load', x: 'minutes', y: 'MiB, the node that needs most', points };
}

/** The p99s, and where the floor and the goal lie. */
function latencySeries(samples: readonly Sample[]): Series[] {
  const middle = median(samples.map(({ p99 }) => p99));
  const line = (name: string, yOf: (sample: Sample) => number): Series => {
    const points = samples.map((sample) => ({ x: sample.minute, y: yOf(sample) }));
    const title = `Latency under a long load: ${name}`;
    return { id: `soak-${name}`, title, x: 'minutes', y: 'ms, w=2, half of the full rate', points };
  };
  return [
    line('p99 of each minute', ({ p99 }) => p99),
    line(`floor, ${FLOOR} medians`, () => FLOOR * middle),
    line(`goal, ${GOAL} medians`, () => GOAL * middle),
    line('p50 of each minute', ({ p50 }) => p50),
  ];
}

/** @throws Error where the disk lacks room for so many entries on each node, and half as much again */
function expectRoom(directory: string, entries: number): void {
  const { bavail, bsize } = statfsSync(directory);
  const needed = entries * ENTRY_BYTES * (SECONDARIES + 1) * 1.5;
  if (bavail * bsize >= needed) return;
  const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
  const lacking = `the soak needs ${gib(needed)} in ${directory}, and ${gib(bavail * bsize)} are free`;
  throw new Error(`${lacking}: give fewer --minutes, or another TMPDIR`);
}
