/**
 * `npm run bench`: measures every row of docs/performance.md on this machine, each beside its
 * limit, in one run.
 *
 * Absolute numbers are the machine's and of whoever else uses it; the ratios are the product's. So
 * a limit is measured in the same run, and where a row compares two states, they are measured in
 * interleaved pairs, of which the median counts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram, terminate } from '#process/cli/run-program';
import { build, ROOT } from '#tools/scripts/build';
import { endOnSignal, measure, say, write, writeJson } from './measure';
import { type Options, optionsOf, PROGRAM } from './options';
import { PeerComparison } from './peers/comparison';
import type { PeersRun } from './peers/peer';
import { peersParts } from './peers/report';
import { budgetTable } from './report/budget';
import { writeDocs, writePeersDocs } from './report/docs';
import { movedRatios, notesOf, type Run, tableOf } from './report/report';

const MOVED_SHARE = 0.5;

async function main(options: Options): Promise<number> {
  return options.peers.length > 0 ? comparePeers(options) : measureRows(options);
}

/** @returns the exit code: 1 when a system failed; one that is not installed is no failure */
async function comparePeers(options: Options): Promise<number> {
  const path = join(options.out, 'peers.json');
  const comparison = new PeerComparison(options, say);
  endOnSignal(() => comparison.end());
  const run =
    options.from === null
      ? await comparison.run((soFar) => writeJson(path, soFar))
      : (JSON.parse(readFileSync(options.from, 'utf8')) as PeersRun);
  if (options.docs) writePeersDocs(run, ROOT);
  process.stdout.write(`\n${peersParts(run).join('\n\n')}\n`);
  if (options.from === null) say(`written to ${path}`);
  return comparison.hasFailed ? 1 : 0;
}

async function measureRows(options: Options): Promise<number> {
  const saved = options.compare === null ? null : (JSON.parse(readFileSync(options.compare, 'utf8')) as Run);
  const first =
    options.from === null ? await measure(options) : (JSON.parse(readFileSync(options.from, 'utf8')) as Run);
  const own = options.check ? await measuredAgain(first, saved, options) : first;
  const run = options.into === null ? own : withRowsOf(JSON.parse(readFileSync(options.into, 'utf8')) as Run, own);
  if (options.from === null || options.into !== null) write(run, options, saved);
  if (options.docs) writeDocs(run, saved, ROOT);
  print(run, saved);
  const moved = movedRatios(run.rows, saved?.rows ?? [], MOVED_SHARE);
  if (moved.length > 0)
    process.stdout.write(`\nRatios that moved by more than half:\n  ${moved.map(({ what }) => what).join('\n  ')}\n`);
  return options.check && moved.some(({ fell }) => fell) ? 1 : 0;
}

function print(run: Run, saved: Run | null): void {
  const parts = [
    `${run.machine}\n${run.broker}\nsystem load: ${run.load.join(' at the start, ')} at the end`,
    ...(run.rows.length === 0 ? [] : [tableOf(run.rows, saved?.rows), notesOf(run.rows)]),
    ...(run.budgets === undefined ? [] : [budgetTable(run.budgets, saved?.budgets)]),
  ];
  process.stdout.write(`\n${parts.join('\n\n')}\n`);
}

/**
 * What seems to have moved is measured once more before it counts: a machine can stall for a few
 * seconds.
 */
async function measuredAgain(run: Run, saved: Run | null, options: Options): Promise<Run> {
  const moved = movedRatios(run.rows, saved?.rows ?? [], MOVED_SHARE);
  if (moved.length === 0 || options.from !== null) return run;
  const again = await measure({ ...options, rows: moved.map(({ id }) => id) });
  return withRowsOf(run, again);
}

/** The run with what a later one has measured, again or for the first time. */
function withRowsOf(run: Run, later: Run): Run {
  const budgets = withThoseOf(run.budgets ?? [], later.budgets ?? []);
  return {
    ...run,
    rows: withThoseOf(run.rows, later.rows),
    series: withThoseOf(run.series, later.series),
    ...(budgets.length === 0 ? {} : { budgets }),
  };
}

function withThoseOf<Item extends { readonly id: string }>(items: readonly Item[], later: readonly Item[]): Item[] {
  const kept = items.map((item) => later.find(({ id }) => id === item.id) ?? item);
  return [...kept, ...later.filter(({ id }) => !items.some((item) => item.id === id))];
}

void runProgram(
  PROGRAM,
  async ({ values }) => {
    const options = optionsOf(values, ROOT);
    const isOurs = values['--dist'] === null && options.from === null;
    return isOurs && !(await build()) ? 1 : main(options);
  },
  { onReaderGone: terminate },
);
