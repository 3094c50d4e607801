/**
 * Puts a run into docs/performance.md and README.md, between their two marks, and its plots into
 * docs/images: what is shown is what was measured. A comparison with peers has marks of its own in
 * both pages.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { putBetween } from '#tools/scripts/page';
import type { PeersRun } from '../peers/peer';
import { peersFacts, peersParts, ratiosTable } from '../peers/report';
import { budgetPlot, budgetTable } from './budget';
import { nameOf, type Plot, plotsOf } from './plot';
import { notesOf, type Run, tableOf } from './report';

const ROWS_PLACE = ['<!-- measured: written by npm run bench -- --docs -->', '<!-- /measured -->'] as const;
const PEERS_PLACE = ['<!-- peers: written by npm run bench -- --peers … --docs -->', '<!-- /peers -->'] as const;

/** At the start there is nothing of ours that could want a core; at the end there is. */
const IDLE_LOAD_MAX = 0.5;

/**
 * @param root of the checkout: README.md has the table and the plots, docs/performance.md the notes
 *   and the latency budget too
 * @param saved a run to show the budget beside; null: none
 */
export function writeDocs(run: Run, saved: Run | null, root: string): void {
  const images = join(root, 'docs', 'images');
  mkdirSync(images, { recursive: true });
  const plots = allPlots(run, saved);
  for (const [name, { svg }] of plots) writeFileSync(join(images, `bench-${name}.svg`), svg);
  const shownFrom = (folder: string) =>
    plots.map(([name, { title }]) => `![${title}](${folder}/bench-${name}.svg)`).join('\n');
  const [facts, table, notes] = [factsOf(run), tableOf(run.rows), notesAsList(run)];
  const budget = run.budgets === undefined ? [] : [budgetTable(run.budgets, saved?.budgets)];
  replace(join(root, 'docs', 'performance.md'), ROWS_PLACE, [facts, table, notes, ...budget, shownFrom('images')]);
  replace(join(root, 'README.md'), ROWS_PLACE, [facts, table, shownFrom('docs/images')]);
}

/** Every plot of a run, by the name of its file. */
export function allPlots({ series, budgets }: Run, saved: Run | null): (readonly [string, Plot])[] {
  const budget = budgets === undefined ? [] : [budgetPlot(budgets, saved?.budgets)];
  return [...plotsOf(series), ...budget.map((plot) => [nameOf(plot.title), plot] as const)];
}

/** @param root of the checkout: README.md has the ratios, docs/performance.md all of it */
export function writePeersDocs(run: PeersRun, root: string): void {
  replace(join(root, 'docs', 'performance.md'), PEERS_PLACE, peersParts(run));
  replace(join(root, 'README.md'), PEERS_PLACE, [peersFacts(run), ratiosTable(run)]);
}

function replace(path: string, marks: readonly [string, string], parts: readonly string[]): void {
  putBetween(path, marks, `\n\n${parts.join('\n\n')}\n\n`);
}

function factsOf({ at, machine, broker, load: [before, after] }: Run): string {
  const load = `System load ${before} at the start and ${after} at the end${before < IDLE_LOAD_MAX ? '' : ': others were using the machine'}.`;
  return `${at.slice(0, 10)}, ${machine}; ${broker.split(',')[0]}. ${load}`;
}

function notesAsList(run: Run): string {
  return notesOf(run.rows)
    .split('\n')
    .map((note) => `* ${note.trim()}`)
    .join('\n');
}
