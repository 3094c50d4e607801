/**
 * The comparison as a person reads it: a table, and how each system was configured. Of several
 * rounds the medians.
 */
import { median } from '../load/histogram';
import { digits } from '../row';
import type { PeersRun, RoundMeasured, SystemResult } from './peer';

type Column = readonly [title: string, of: (round: RoundMeasured) => number];

const COLUMNS: readonly Column[] = [
  ['1 client: p50 ms', ({ oneMs }) => oneMs.p50],
  ['p99 ms', ({ oneMs }) => oneMs.p99],
  ['64 clients: entries/s', ({ singlePerSecond }) => singlePerSecond],
  ['p99 ms', ({ singleMs }) => singleMs.p99],
  ['64 clients × 100: entries/s', ({ bulkPerSecond }) => bulkPerSecond],
  ['p99 ms', ({ bulkMs }) => bulkMs.p99],
];

const RATES = [COLUMNS[2], COLUMNS[4]] as const;

/** In Markdown, which a terminal can show too. */
export function peersTable({ systems }: PeersRun): string {
  const head = ['system', ...COLUMNS.map(([title]) => title), 'on disk before the answer'];
  const body = systems.map(cellsOf);
  const widths = head.map((title, at) => Math.max(title.length, ...body.map((cells) => cells[at]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

function cellsOf({ title, version = '', durable = '', rounds, missing }: SystemResult): string[] {
  const name = `${title} ${version}`.trim();
  if (rounds.length === 0) return [name, ...COLUMNS.map(() => '–'), `not measured: ${missing ?? 'not yet'}`];
  return [name, ...COLUMNS.map(([, of]) => shown(median(rounds.map(of)))), durable];
}

/** How the systems were configured, what scattered, what was skipped: Markdown list items. */
export function peersNotes({ systems }: PeersRun): string {
  return systems.flatMap(notesOf).join('\n');
}

function notesOf({ title, configuration = [], rounds, missing }: SystemResult): string[] {
  const scatter = RATES.flatMap((column) => (column === undefined ? [] : [scatterOf(column, rounds)]));
  const facts = [...configuration, ...(rounds.length > 1 ? [`rounds: ${scatter.join('; ')}`] : [])];
  const skipped = missing === undefined ? [] : [rounds.length === 0 ? missing : `a round is missing: ${missing}`];
  return [...facts, ...skipped].map((fact) => `* ${title}: ${fact}`);
}

function scatterOf([title, of]: Column, rounds: readonly RoundMeasured[]): string {
  return `${title} ${rounds.map((round) => shown(of(round))).join(', ')}`;
}

/** When, where, how long, and what the disk asks for. */
export function peersFacts({ at, machine, load, secondsEach, syncMs, systems }: PeersRun): string {
  const rounds = Math.max(0, ...systems.map((system) => system.rounds.length));
  return [
    `${at.slice(0, 10)}, ${machine}; system load ${load[0]} at the start, ${load[1]} at the end (the benchmark's own processes included).`,
    `${rounds === 1 ? 'One round' : `Medians of ${rounds} rounds`}, ${secondsEach} s for each number; one short write with its fdatasync took ${syncMs.join(', ')} ms (median, in each round).`,
  ].join(' ');
}

/** One round, for whoever watches. */
export function linesOfRound(round: RoundMeasured): string {
  return COLUMNS.map(([title, of]) => `${title} ${shown(of(round))}`).join('; ');
}

function shown(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(digits(value));
}
