/**
 * The comparison as a person reads it: the ratios, the numbers behind them, and how each system was
 * configured. Of several rounds the medians.
 */
import { median } from '../load/histogram';
import { markOf, tableLines } from '../report/report';
import { digits } from '../row';
import type { PeerRatio, PeersRun, RoundMeasured, SystemResult } from './peer';
import { LOADS } from './ratios';

type Column = readonly [title: string, of: (round: RoundMeasured) => number];

const { one, single, bulk } = LOADS;

const COLUMNS: readonly Column[] = [
  [`${one.title} ms`, one.of],
  ['p99 ms', ({ oneMs }) => oneMs.p99],
  [`${single.title}: entries/s`, single.of],
  ['p99 ms', ({ singleMs }) => singleMs.p99],
  [`${bulk.title}: entries/s`, bulk.of],
  ['p99 ms', ({ bulkMs }) => bulkMs.p99],
];

const RATES = [COLUMNS[2], COLUMNS[4]] as const;

const RATIO_HEAD = ['load', 'peer', 'ours / theirs', 'floor', 'goal', '', 'ours', 'theirs', 'their better client'];
const DURABLE = 'on disk before the answer';

/** All of it: the facts, the ratios, the numbers behind them, the notes. */
export function peersParts(run: PeersRun): string[] {
  return [peersFacts(run), ratiosTable(run), peersTable(run), peersNotes(run)];
}

/** Ours by theirs, load by load, with the marks of those that are judged. */
export function ratiosTable({ ratios }: PeersRun): string {
  return tableLines([...RATIO_HEAD, `theirs ${DURABLE}`], ratios.map(ratioCells));
}

function ratioCells(compared: PeerRatio): string[] {
  const { load, peer, version, client, durable, ratio, ours, theirs, floor, goal } = compared;
  const { title, unit, lessIsBetter } = LOADS[load];
  const judged = floor !== undefined && goal !== undefined;
  const marks = judged
    ? [String(floor), String(goal), markOf({ value: ratio, floor, goal, lessIsBetter })]
    : ['', '', ''];
  const numbers = [ours, theirs].map((value) => `${shown(value)} ${unit}`);
  const name = `${title}${lessIsBetter ? ' (less is better)' : ''}`;
  return [name, `${peer} ${version}`, String(ratio), ...marks, ...numbers, client, durable];
}

/** The numbers behind the ratios: a row for each system and client. */
export function peersTable({ systems }: PeersRun): string {
  return tableLines(['system', 'client', ...COLUMNS.map(([title]) => title), DURABLE], systems.map(cellsOf));
}

function cellsOf({ title, client, version = '', durable = '', rounds, missing }: SystemResult): string[] {
  const names = [`${title} ${version}`.trim(), client];
  const numbers = COLUMNS.map(([, of]) => shown(median(rounds.map(of))));
  return [...names, ...numbers, rounds.length === 0 ? `not measured: ${missing ?? 'not yet'}` : durable];
}

/** How the systems were configured, what scattered, what was skipped: Markdown list items. */
export function peersNotes({ systems }: PeersRun): string {
  return [...new Set(systems.flatMap(notesOf))].join('\n');
}

/** The configuration of a system is the same for all of its clients. */
function notesOf({ title, client, configuration = [], rounds, missing }: SystemResult): string[] {
  const scatter = RATES.flatMap((column) => (column === undefined ? [] : [scatterOf(column, rounds)]));
  const facts = rounds.length > 1 ? [`rounds: ${scatter.join('; ')}`] : [];
  const skipped = missing === undefined ? [] : [rounds.length === 0 ? missing : `a round is missing: ${missing}`];
  return [
    ...configuration.map((fact) => `* ${title}: ${fact}`),
    ...[...facts, ...skipped].map((fact) => `* ${title}, ${client}: ${fact}`),
  ];
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

/** 0: no answer in time. */
function shown(value: number): string {
  if (value === 0) return '–';
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(digits(value));
}
