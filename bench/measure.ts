/** Measures rows on a broker of ours, and writes what was measured so far after each of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { provideBroker } from '#tools/broker/provide';
import { BenchSession } from './load/session';
import type { Options } from './options';
import type { Budget } from './recorders/way';
import { allPlots } from './report/docs';
import { describeMachine, type Run, systemLoad, tableOf } from './report/report';
import type { Row, RowResult, Series } from './row';
import { blockedClients, bulkAppends, curves, moreSecondaries, oneClient, singleAppends } from './rows/appends';
import { budget } from './rows/budget';
import { longLog, start } from './rows/length';
import { overload } from './rows/overload';
import { catchUp, events, wholeLog } from './rows/reading';
import { soak } from './rows/soak';

const ROWS: readonly Row[] = [
  singleAppends,
  bulkAppends,
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

export async function measure(options: Options): Promise<Run> {
  const load = systemLoad();
  const ways = options.way === null ? undefined : [options.way];
  const broker = await provideBroker({ name: `bench-${process.pid}`, env: process.env, log: say, ways });
  const session = new BenchSession(broker.amqpUrl, options, (text) => say(`    ${text}`));
  const [rows, series, budgets]: [RowResult[], Series[], Budget[]] = [[], [], []];
  const stop = async () => {
    await session.end();
    await broker.stop();
  };
  endOnSignal(stop);
  const soFar = (): Run => ({
    at: new Date().toISOString(),
    isQuick: options.isQuick,
    machine: describeMachine(),
    broker: broker.describe(),
    load: [load, systemLoad()],
    rows,
    series,
    ...(budgets.length === 0 ? {} : { budgets }),
  });
  try {
    for (const row of rowsOf(options)) {
      say(`${row.title} …`);
      const measured = await row.measure(session);
      rows.push(...measured.rows);
      series.push(...(measured.series ?? []));
      budgets.push(...(measured.budgets ?? []));
      if (measured.rows.length > 0) say(tableOf(measured.rows).split('\n').slice(2).join('\n'));
      write(soFar(), options);
    }
  } finally {
    await stop();
  }
  say(`written to ${options.out}`);
  return soFar();
}

function rowsOf({ rows }: Options): readonly Row[] {
  if (rows.length === 0) return ROWS;
  const all = [...ROWS, ...LONG_ROWS];
  const unknown = rows.filter((name) => !all.some(({ id }) => id === name));
  if (unknown.length > 0)
    throw new Error(`no row is named ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`);
  return all.filter(({ id }) => rows.includes(id));
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
export function write(run: Run, { out }: Options, saved: Run | null = null): void {
  writeJson(join(out, 'run.json'), run);
  const plots = allPlots(run, saved);
  for (const [name, { svg }] of plots) writeFileSync(join(out, `${name}.svg`), svg);
  const page = `<!doctype html><title>bench</title><pre>${tableOf(run.rows)}</pre>${plots.map(([, { svg }]) => svg).join('')}`;
  writeFileSync(join(out, 'index.html'), page);
}

export function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
