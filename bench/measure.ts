/** Measures rows on a broker of ours, and writes what was measured so far after each of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { provideBroker } from '#tools/broker/provide';
import { BenchSession } from './load/session';
import type { Options } from './options';
import type { Budget } from './recorders/way';
import { allPlots } from './report/docs';
import { describeMachine, type Run, systemLoad, tableOf } from './report/report';
import type { Measurement, Row, RowResult, Series } from './row';
import {
  batchedAppends,
  blockedClients,
  bulkAppends,
  curves,
  moreSecondaries,
  oneClient,
  singleAppends,
} from './rows/appends';
import { budget } from './rows/budget';
import { longLog, start } from './rows/length';
import { overload } from './rows/overload';
import { catchUp, events, wholeLog } from './rows/reading';
import { soak } from './rows/soak';

const ROWS: readonly Row[] = [
  singleAppends,
  bulkAppends,
  batchedAppends,
  oneClient,
  budget,
  curves,
  blockedClients,
  overload,
  events,
  wholeLog,
  catchUp,
  start,
  longLog,
  moreSecondaries,
];

/** Rows that run only when they are named. */
const LONG_ROWS: readonly Row[] = [soak];

/** What was measured of one build. */
class Results {
  private readonly rows: RowResult[] = [];
  private readonly series: Series[] = [];
  private readonly budgets: Budget[] = [];

  constructor(private readonly facts: () => Omit<Run, 'rows' | 'series' | 'budgets'>) {}

  add({ rows, series = [], budgets = [] }: Measurement): void {
    this.rows.push(...rows);
    this.series.push(...series);
    this.budgets.push(...budgets);
  }

  get run(): Run {
    const { rows, series, budgets } = this;
    return { ...this.facts(), rows, series, ...(budgets.length === 0 ? {} : { budgets }) };
  }
}

/** A build, and the other one that was measured beside it, row by row; null: none. */
export interface Measured {
  readonly run: Run;
  readonly other: Run | null;
}

/**
 * @param otherDist another compiled product: each row is measured on it first
 * @throws Error for the name of a row that there is not, or when a row could not be measured
 */
export async function measure(options: Options, otherDist: string | null): Promise<Measured> {
  const wanted = rowsOf(options);
  const load = systemLoad();
  const ways = options.way === null ? undefined : [options.way];
  const broker = await provideBroker({ name: `bench-${process.pid}`, env: process.env, log: say, ways });
  const dists = otherDist === null ? [options.dist] : [otherDist, options.dist];
  const builds = dists.map((dist) => {
    const session = new BenchSession(broker.amqpUrl, { ...options, dist }, (text) => say(`    ${text}`));
    const facts = () => factsOf(options, broker.describe(), load);
    return { session, results: new Results(facts) };
  });
  const stop = async () => {
    for (const { session } of builds) await session.end();
    await broker.stop();
  };
  endOnSignal(stop);
  const soFar = () => builds.map(({ results }) => results.run);
  try {
    for (const row of wanted) {
      for (const [at, { session, results }] of builds.entries()) {
        say(`${row.title}${at < builds.length - 1 ? ', the former build' : ''} …`);
        const measured = await row.measure(session);
        results.add(measured);
        if (measured.rows.length > 0) say(tableOf(measured.rows).split('\n').slice(2).join('\n'));
      }
      write(soFar().at(-1), options);
    }
  } finally {
    await stop();
  }
  say(`written to ${options.out}`);
  const runs = soFar();
  const [run, other = null] = [runs.at(-1), runs.at(-2)];
  if (run === undefined) throw new Error('nothing was measured');
  return { run, other };
}

function rowsOf({ rows }: Options): readonly Row[] {
  if (rows.length === 0) return ROWS;
  const all = [...ROWS, ...LONG_ROWS];
  const unknown = rows.filter((name) => !all.some(({ id }) => id === name));
  if (unknown.length > 0)
    throw new Error(`no row is named ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`);
  return all.filter(({ id }) => rows.includes(id));
}

function factsOf({ isQuick }: Options, broker: string, load: number): Omit<Run, 'rows' | 'series' | 'budgets'> {
  return { at: new Date().toISOString(), isQuick, machine: describeMachine(), broker, load: [load, systemLoad()] };
}

/** Stops what it started, then ends, however often it is asked to. */
export function endOnSignal(stop: () => Promise<void>): void {
  let isStopping = false;
  const end = () => {
    if (isStopping) return;
    isStopping = true;
    void stop().finally(() => process.exit(1));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}

/**
 * run.json, an SVG a plot, and a page with all of them; after each row, so that a run which is
 * stopped has said something.
 */
export function write(run: Run | undefined, { out }: Options, saved: Run | null = null): void {
  if (run === undefined) return;
  writeJson(join(out, 'run.json'), run);
  const plots = allPlots(run, saved);
  for (const [name, { svg }] of plots) writeFileSync(join(out, `${name}.svg`), svg);
  const drawn = plots.map(([, { svg }]) => svg).join('');
  const page = `<!doctype html><title>bench</title><pre>${tableOf(run.rows)}</pre>${drawn}`;
  writeFileSync(join(out, 'index.html'), page);
}

export function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
