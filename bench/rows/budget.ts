/**
 * The latency budget: where the time of an append goes, step by step, at one client and at many.
 * No row of the table: a table and a plot of its own.
 */
import { readFileSync } from 'node:fs';
import { recorderEnv, recordOf } from '../recorders/preload';
import { readRows } from '../recorders/step-recorder';
import { type Budget, budgetOf, type Records } from '../recorders/way';
import type { Row } from '../row';
import { append } from './appends';

const SECONDARIES = [1, 2];
const LOADS = [
  { id: 'one', clients: 1, title: '1 client' },
  { id: 'many', clients: 64, title: '64 clients' },
];

export const budget: Row = {
  id: 'budget',
  title: 'latency budget of an append, w=2',
  async measure(context) {
    const directory = context.directory('budget');
    const cluster = await context.newCluster(SECONDARIES.length, recorderEnv('steps', directory));
    const loads = [];
    for (const { clients, ...names } of LOADS) {
      context.say(names.title);
      const after = await cluster.agreed();
      const { latencyMs: client } = await append(cluster, context.seconds, 1, { clients });
      loads.push({ ...names, client, after, upTo: await cluster.agreed() });
    }
    await cluster.stop();
    const records = recordsIn(directory);
    const budgets: Budget[] = loads.map((load) => budgetOf(records, load));
    return { rows: [], budgets };
  },
};

function recordsIn(directory: string): Records {
  const rowsOf = (node: string) => readRows(readFileSync(recordOf(directory, node)));
  const secondaries = SECONDARIES.map((number) => [number, rowsOf(`secondary-${number}`)] as const);
  return { master: rowsOf('master'), secondaries: new Map(secondaries) };
}
