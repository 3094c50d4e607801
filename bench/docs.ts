/** Puts a run into docs/performance.md and README.md, between their two marks, and its plots into docs/images: what is shown is what was measured. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plotsOf } from './plot';
import { notesOf, type Run, tableOf } from './report';

const BEGIN = '<!-- measured: written by npm run bench -- --docs -->';
const END = '<!-- /measured -->';

/** @param root of the checkout: README.md has the table and the plots, docs/performance.md the notes too */
export function writeDocs(run: Run, root: string): void {
  const images = join(root, 'docs', 'images');
  mkdirSync(images, { recursive: true });
  const plots = [...plotsOf(run.series)];
  for (const [name, { svg }] of plots) writeFileSync(join(images, `bench-${name}.svg`), svg);
  const shownFrom = (folder: string) =>
    plots.map(([name, { title }]) => `![${title}](${folder}/bench-${name}.svg)`).join('\n');
  const [facts, table, notes] = [factsOf(run), tableOf(run.rows), notesAsList(run)];
  replace(join(root, 'docs', 'performance.md'), [facts, table, notes, shownFrom('images')]);
  replace(join(root, 'README.md'), [facts, table, shownFrom('docs/images')]);
}

function replace(path: string, parts: readonly string[]): void {
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${path} has no place for what was measured: ${BEGIN} … ${END}`);
  writeFileSync(path, `${text.slice(0, begin)}${[BEGIN, ...parts].join('\n\n')}\n\n${text.slice(end)}`);
}

function factsOf(run: Run): string {
  const load = `System load ${run.load[0]} at the start and ${run.load[1]} at the end: above the number of cores, others were using the machine.`;
  return `${run.at.slice(0, 10)}, ${run.machine}; ${run.broker.split(',')[0]}. ${load}`;
}

function notesAsList(run: Run): string {
  return notesOf(run.rows)
    .split('\n')
    .map((note) => `* ${note.trim()}`)
    .join('\n');
}
