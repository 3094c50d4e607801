/** The run as a person reads it: a table, plots, and what changed since a saved run. */
import { cpus, loadavg, totalmem } from 'node:os';
import type { Budget } from '../recorders/way';
import type { RowResult, Series } from '../row';

export interface Run {
  readonly at: string;
  readonly isQuick: boolean;
  readonly machine: string;
  readonly broker: string;
  /**
   * Of the system over the last minute, at the start and at the end: this many processes wanted a
   * core.
   */
  readonly load: readonly [number, number];
  readonly rows: readonly RowResult[];
  readonly series: readonly Series[];
  /** Where an append's time went; absent: not measured. */
  readonly budgets?: readonly Budget[];
}

export function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, ${process.platform}`;
}

export function systemLoad(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1));
}

type Judged = Pick<RowResult, 'value' | 'ratio' | 'judged' | 'floor' | 'goal' | 'lessIsBetter'>;

/** The better bound that a value reaches, as a table shows it. */
export function markOf({ value, ratio, judged, floor, goal, lessIsBetter }: Judged): 'goal' | 'floor' | 'SHORT' {
  const reached = judged === 'ratio' ? (ratio ?? Number.NaN) : value;
  const reaches = (bound: number) => (lessIsBetter === true ? reached <= bound : reached >= bound);
  if (reaches(goal)) return 'goal';
  return reaches(floor) ? 'floor' : 'SHORT';
}

/** The table in Markdown, which a terminal can show too. */
export function tableOf(rows: readonly RowResult[], saved: readonly RowResult[] = []): string {
  const head = ['row', 'ratio', 'measured', 'limit in the same run', 'p50 / p99 / p99.9 ms', 'floor', 'goal', ''];
  const body = rows.map((row) => {
    const before = saved.find(({ id }) => id === row.id);
    return [
      row.title,
      row.ratio === undefined ? '' : String(row.ratio),
      `${shown(row.value)} ${row.unit}${before === undefined ? '' : ` (${changeOf(row.value, before.value)})`}`,
      row.limit === undefined ? '' : `${row.limit.what}: ${shown(row.limit.value)}`,
      row.latencyMs === undefined ? '' : `${row.latencyMs.p50} / ${row.latencyMs.p99} / ${row.latencyMs.p999}`,
      row.floor === 0 ? '' : boundOf(row, row.floor),
      boundOf(row, row.goal),
      markOf(row),
    ];
  });
  return tableLines(head, body);
}

/** A floor or goal with its unit, where that is not the row's. */
function boundOf({ judged }: RowResult, bound: number): string {
  return judged === 'ratio' ? `${shown(bound)} ×` : shown(bound);
}

/** Rows of cells as a table in Markdown, its columns aligned. */
export function tableLines(head: readonly string[], body: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) => Math.max(title.length, ...body.map((cells) => cells[at]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

export function notesOf(rows: readonly RowResult[]): string {
  return rows.flatMap(({ title, notes = [] }) => notes.map((note) => `  ${title}: ${note}`)).join('\n');
}

interface MovedRatio {
  /** Of the row. */
  readonly id: string;
  readonly what: string;
  readonly fell: boolean;
}

/**
 * Rows whose ratio to their limit has moved by more than `share` of what it was; `fell`: for the
 * worse. Latencies are left out: of a machine that others use they say more than of the product.
 */
export function movedRatios(rows: readonly RowResult[], saved: readonly RowResult[], share: number): MovedRatio[] {
  return rows.flatMap(({ id, title, ratio, lessIsBetter }) => {
    const before = saved.find((row) => row.id === id)?.ratio;
    if (lessIsBetter === true || ratio === undefined || before === undefined || before === 0) return [];
    const factor = ratio / before;
    return factor > 1 + share || factor < 1 - share
      ? [{ id, what: `${title}: ${before} → ${ratio}`, fell: factor < 1 }]
      : [];
  });
}

/**
 * Rows whose CPU time an entry has changed so much that the rate which it allows has moved by more
 * than `share`. For two builds that were measured in one run: a busy machine distorts it least.
 */
export function movedCpu(rows: readonly RowResult[], saved: readonly RowResult[], share: number): MovedRatio[] {
  return rows.flatMap(({ id, title, cpuMicros: now }) => {
    const before = saved.find((row) => row.id === id)?.cpuMicros;
    if (now === undefined || before === undefined || now === 0) return [];
    const factor = before / now;
    const what = `${title}: CPU an entry ${before} → ${now} µs`;
    return factor > 1 + share || factor < 1 - share ? [{ id, what, fell: factor < 1 }] : [];
  });
}

function shown(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

function changeOf(value: number, before: number): string {
  const percent = Math.round((value / Math.max(before, Number.EPSILON) - 1) * 100);
  return `${percent >= 0 ? '+' : ''}${percent} %`;
}
