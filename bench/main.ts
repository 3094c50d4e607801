/**
 * `npm run bench`: measures every row of docs/performance.md on this machine, each beside its
 * limit, in one run.
 *
 * Absolute numbers are the machine's and of whoever else uses it; the ratios are the product's. So
 * a limit is measured in the same run, and where a row compares two states, they are measured in
 * interleaved pairs, of which the median counts.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram, terminate } from '#process/cli/run-program';
import { build, ROOT } from '#tools/scripts/build';
import { endOnSignal, type Measured, measure, say, write, writeJson } from './measure';
import { type Options, optionsOf, PROGRAM } from './options';
import { PeerComparison } from './peers/comparison';
import type { PeersRun } from './peers/peer';
import { peersParts } from './peers/report';
import { type Reference, referenceOf } from './reference';
import { budgetTable } from './report/budget';
import { writeDocs, writePeersDocs } from './report/docs';
import { movedCpu, movedRatios, notesOf, type Run, tableOf } from './report/report';

/**
 * A ratio has moved when it is so much less than it was, or so much more. A baseline of another day
 * is compared more loosely: a machine that is busy with other work changes the ratios too.
 */
const MOVED_SHARE = { build: 1 / 3, saved: 1 / 2 };

/** Exit code: everything was measured, and there is nothing to compare it with. */
const EXIT_NOT_COMPARED = 3;

async function main(options: Options): Promise<number> {
  return options.peers.length > 0 ? comparePeers(options) : measureRows(options);
}

/** @returns the exit code: 1 when a system failed; one that is not installed is no failure */
async function comparePeers(options: Options): Promise<number> {
  const path = join(options.out, 'peers.json');
  const comparison = new PeerComparison(options, say);
  endOnSignal(() => comparison.end());
  const run =
    options.from === null ? await comparison.run((soFar) => writeJson(path, soFar)) : read<PeersRun>(options.from);
  if (options.docs) writePeersDocs(run, ROOT);
  process.stdout.write(`\n${peersParts(run).join('\n\n')}\n`);
  if (options.from === null) say(`written to ${path}`);
  return comparison.hasFailed ? 1 : 0;
}

/** @returns the exit code */
async function measureRows(options: Options): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'rlog-former-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const reference = await referenceOf(options, { root: ROOT, scratch }, say);
  const { run: own, other: saved } = await measuredBeside(reference, options);
  const run = options.into === null ? own : withRowsOf(read<Run>(options.into), own);
  if (options.from === null || options.into !== null) write(run, options, saved);
  if (options.docs) writeDocs(run, saved, ROOT);
  print(run, saved, reference);
  const moved = movedSince(saved, run, reference);
  if (moved.length > 0)
    process.stdout.write(`\nRatios that moved too far:\n  ${moved.map(({ what }) => what).join('\n  ')}\n`);
  if (reference.kind === 'none' && options.baseline !== null) return EXIT_NOT_COMPARED;
  return isChecked(options) && moved.some(({ fell }) => fell) ? 1 : 0;
}

function movedSince(saved: Run | null, { rows }: Run, { kind }: Reference) {
  const before = saved?.rows ?? [];
  if (kind !== 'build') return movedRatios(rows, before, MOVED_SHARE.saved);
  return [...movedRatios(rows, before, MOVED_SHARE.build), ...movedCpu(rows, before, MOVED_SHARE.build)];
}

function isChecked({ check, baseline }: Options): boolean {
  return check || baseline !== null;
}

/**
 * A ratio that seems to have fallen is measured once more before it counts: a machine can stall for
 * a few seconds.
 */
async function measuredBeside(reference: Reference, options: Options): Promise<Measured> {
  const savedRun = reference.kind === 'run' ? reference.run : null;
  if (options.from !== null) return { run: read<Run>(options.from), other: savedRun };
  const dist = reference.kind === 'build' ? reference.dist : null;
  const first = await measure(options, dist);
  const saved = first.other ?? savedRun;
  const fallen = movedSince(saved, first.run, reference).filter(({ fell }) => fell);
  if (!isChecked(options) || fallen.length === 0) return { run: first.run, other: saved };
  say(`once more, since they have fallen: ${fallen.map(({ what }) => what).join('; ')}`);
  const again = await measure({ ...options, rows: fallen.map(({ id }) => id) }, dist);
  const run = withRowsOf(first.run, again.run);
  return { run, other: saved === null || again.other === null ? saved : withRowsOf(saved, again.other) };
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

function print(run: Run, saved: Run | null, reference: Reference): void {
  const parts = [
    `${run.machine}\n${run.broker}\nsystem load: ${run.load.join(' at the start, ')} at the end`,
    ...(run.rows.length === 0 ? [] : [tableOf(run.rows, saved?.rows), notesOf(run.rows)]),
    ...(run.budgets === undefined ? [] : [budgetTable(run.budgets, saved?.budgets)]),
    ...(reference.what === '' ? [] : [reference.what]),
  ];
  process.stdout.write(`\n${parts.join('\n\n')}\n`);
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
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
