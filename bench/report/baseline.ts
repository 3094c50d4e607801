/**
 * Makes a baseline of several runs of one build: `tsx bench/report/baseline.ts run1.json run2.json
 * run3.json > bench/baseline.json`. Each number is the median of the runs', and the runs' own
 * ratios are kept beside it, so that one can see how far they scatter.
 */
import { readFileSync } from 'node:fs';
import { median } from '../load/histogram';
import type { RowResult } from '../row';
import type { Run } from './report';

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')) as Run);
const [first] = runs;
if (first === undefined) throw new Error('name the files of the runs');

const rowsOf = (id: string) => runs.flatMap(({ rows }) => rows.filter((row) => row.id === id));

function medianRow(row: RowResult): RowResult {
  const those = rowsOf(row.id);
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

process.stdout.write(`${JSON.stringify({ ...first, series: [], rows: first.rows.map(medianRow) }, null, 1)}\n`);
