/** `npm run proof`: writes what can be measured into docs/proof.md, between its marks. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { defineProgram } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';
import { putBetween } from '#tools/scripts/page';
import type { Summary } from './chaos/report';
import { findBug } from './simulation/model/alarm';
import { PLANTED_BUGS } from './simulation/planted/bugs';
import { simulate } from './simulation/simulation';

const PAGE = resolve(__dirname, '../docs/proof.md');
const RATE_RUNS = 400;
const RATE_SEED = 1_000;
/** The size of run that the rate is stated for. */
const STEPS = 1_000;

function plantedTable(): string {
  const rows = PLANTED_BUGS.map((bug) => {
    const found = findBug(bug);
    if (found === null) throw new Error(`${bug.name} is not found within ${bug.seeds} seeds`);
    return `| ${bug.name} | ${bug.schedule ?? (bug.wild === true ? 'wild' : 'any')} | ${found.seeds} | ${bug.seeds} | ${found.failure.rule} |`;
  });
  return [
    '| planted bug | schedule | found after | bound in the test | shows as |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function rateText(): string {
  simulate({ seed: RATE_SEED - 1 });
  let steps = 0;
  const before = process.cpuUsage();
  for (let at = 0; at < RATE_RUNS; at += 1) steps += simulate({ seed: RATE_SEED + at }).steps;
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const perRun = Math.round(steps / RATE_RUNS);
  const [runs, asDrawn] = [steps / STEPS / seconds, RATE_RUNS / seconds].map(Math.round);
  return `Measured on one core of ${cpus()[0]?.model ?? 'an unknown CPU'}, Node ${process.versions.node}: ${RATE_RUNS} runs of ${perRun} steps on average took ${seconds.toFixed(1)} s of processor time, which is **${runs} runs of ${STEPS} steps a second** (${asDrawn} of the runs as they are drawn).`;
}

function chaosTable(paths: readonly string[]): string {
  const all = paths.map((path) => (JSON.parse(readFileSync(path, 'utf8')) as { summary: Summary }).summary);
  const kinds = [...new Set(all.flatMap(({ faults }) => Object.keys(faults)))];
  const rows = kinds.map((kind) => {
    const each = all.flatMap(({ faults }) => faults[kind] ?? []);
    const sum = (of: (one: (typeof each)[number]) => number) => each.reduce((total, one) => total + of(one), 0);
    const medians = each.flatMap(({ recoverMsMedian }) => recoverMsMedian ?? []).sort((a, b) => a - b);
    const longest = Math.max(...each.map(({ recoverMsMax }) => recoverMsMax ?? 0));
    return `| ${kind} | ${sum(({ seen }) => seen)} | ${sum(({ unseen }) => unseen)} | ${medians[Math.floor(medians.length / 2)] ?? '–'} | ${longest} |`;
  });
  const outcomes = new Map<string, number>();
  for (const summary of all)
    for (const [name, count] of Object.entries(summary.outcomes)) outcomes.set(name, (outcomes.get(name) ?? 0) + count);
  const told = [...outcomes].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`);
  const resets = new Map<string, number>();
  for (const { tails } of all)
    for (const [reason, count] of Object.entries(tails.resets)) resets.set(reason, (resets.get(reason) ?? 0) + count);
  const sent = (of: (summary: Summary) => number) => all.reduce((total, summary) => total + of(summary), 0);
  const reset = [...resets].map(([reason, count]) => `${count} of reason ${reason}`).join(', ') || 'none';
  const readers = `Readers: ${sent(({ tails }) => tails.connections)} connections, ${sent(({ tails }) => tails.events)} events; resets: ${reset}.`;
  const minutes = all.reduce((total, { elapsedS }) => total + elapsedS, 0) / 60;
  const violations = all.flatMap(({ violation, seed }) => (violation === null ? [] : [`seed ${seed}: ${violation}`]));
  const head = `${minutes.toFixed(0)} minutes in ${all.length} runs, seeds ${all.map(({ seed }) => seed).join(', ')}; ${all.reduce((total, { entries }) => total + entries, 0)} entries; violations: ${violations.length === 0 ? 'none' : violations.join('; ')}. Longest time between two appends that a majority acknowledged: ${Math.max(...all.map(({ worstBlockedMs }) => worstBlockedMs))} ms.`;
  return [
    head,
    '',
    '| fault | effect seen | not seen | ms to the next safe append, median of the runs’ medians | longest |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `Attempts to append: ${told.join(', ')}.`,
    '',
    readers,
  ].join('\n');
}

function put(place: string, text: string): void {
  putBetween(PAGE, [`<!-- ${place}: npm run proof -->\n`, `\n<!-- /${place} -->`], text);
  process.stdout.write(`${text}\n\n`);
}

const PROGRAM = defineProgram({
  does: `Writes into docs/proof.md after how many seeds each planted bug is found, how many runs a second are simulated, and, from
the reports of chaos runs that are named, what these came to.`,
  synopsis: ['npm run proof -- [chaos-reports/chaos-N.json …]'],
  options: {},
  operands: { min: 0, max: Number.POSITIVE_INFINITY, rule: '' },
});

void runProgram(PROGRAM, ({ operands }) => {
  put('planted bugs', plantedTable());
  put('rate', rateText());
  const reports = operands.map((path) => resolve(path));
  if (reports.length > 0) put('chaos', chaosTable(reports));
  return 0;
});
