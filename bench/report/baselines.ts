/**
 * Baselines: what CI compares the ratios of a run with, one a CPU. The ratio of two programs, one
 * of which waits for the disk or shares a core with the load generator, is another one on another
 * CPU.
 */
import { median } from '../load/histogram';
import type { RowResult } from '../row';
import type { Run } from './report';

/** By number and model of the cores, as "2 × AMD EPYC". */
export type Baselines = Readonly<Record<string, Run>>;

/** The key of a baseline, from what `describeMachine` says. */
export function cpuOf(machine: string): string {
  return machine.split(', ')[0] ?? machine;
}

/**
 * The baselines with one of these runs' CPU, made of them: each number is the median of the runs',
 * and the runs' own ratios are kept beside it, so that one can see how far they scatter.
 * @throws Error when there is no run, or the runs are of several CPUs
 */
export function withBaseline(baselines: Baselines, runs: readonly Run[]): Baselines {
  const [first] = runs;
  if (first === undefined) throw new Error('name the files of the runs');
  const cpu = cpuOf(first.machine);
  if (runs.some(({ machine }) => cpuOf(machine) !== cpu)) throw new Error('the runs are of several CPUs');
  const { budgets: _, ...kept } = first;
  return { ...baselines, [cpu]: { ...kept, series: [], rows: first.rows.map((row) => medianRow(row, runs)) } };
}

function medianRow(row: RowResult, runs: readonly Run[]): RowResult {
  const those = runs.flatMap(({ rows }) => rows.filter(({ id }) => id === row.id));
  const ratios = those.flatMap(({ ratio }) => (ratio === undefined ? [] : [ratio]));
  const limits = those.flatMap(({ limit }) => (limit === undefined ? [] : [limit.value]));
  const { latencyMs: _, ...kept } = row;
  return {
    ...kept,
    value: median(those.map(({ value }) => value)),
    ...(row.limit === undefined ? {} : { limit: { what: row.limit.what, value: median(limits) } }),
    ...(ratios.length === 0 ? {} : { ratio: median(ratios) }),
    notes: [
      `ratios of the runs: ${ratios.join(', ')}`,
      `system load of the runs: ${runs.map(({ load }) => load.join('–')).join(', ')}`,
    ],
  };
}
