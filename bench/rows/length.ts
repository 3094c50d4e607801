/** What a long log costs: memory, a start, the rate of appends. */
import type { BenchCluster } from '../cluster';
import { fill } from '../load/fill';
import { median } from '../load/histogram';
import { digits, type Row, type RowResult } from '../row';
import { append } from './appends';
import { entriesFor } from './reading';

const MIB = 2 ** 20;

export const start: Row = {
  id: 'start',
  title: 'start with a long log, ready after the broker',
  async measure(context) {
    const cluster = await context.newCluster(2);
    const head = await fill(cluster, entriesFor(context), context.say);
    await Promise.all(cluster.nodes.map((node) => node.stop()));
    const startedAt = performance.now();
    await cluster.start();
    const value = digits((performance.now() - startedAt) / 1000);
    await cluster.stop();
    const notes = [`${head} entries; from the start of the three processes to the first append that would be taken`];
    const row = { id: this.id, title: this.title, value, unit: 's', floor: 0.7, goal: 0.3, lessIsBetter: true };
    return { rows: [{ ...row, notes }] };
  },
};

export const longLog: Row = {
  id: 'long-log',
  title: 'append rate with a long log against a short one',
  async measure(context) {
    const [short, long] = context.isQuick ? [10_000, 300_000] : [10_000, 5_000_000];
    const [shortOne, longOne] = [await context.newCluster(2), await context.newCluster(2)];
    await fill(shortOne, short, context.say);
    const memory: RowResult[] = [];
    const points: { x: number; y: number }[] = [];
    for (const entries of [long / 5, long]) {
      const head = await fill(longOne, entries, context.say);
      memory.push(memoryRow(longOne, head));
      points.push({ x: head, y: (await append(longOne, context.seconds)).perSecond });
    }
    const ratios: number[] = [];
    for (let pair = 0; pair < (context.isQuick ? 3 : 5); pair += 1) {
      context.say(`pair ${pair + 1}`);
      const one = await append(shortOne, context.seconds / 2);
      const other = await append(longOne, context.seconds / 2);
      if (pair === 0) points.unshift({ x: short, y: one.perSecond });
      ratios.push(other.perSecond / one.perSecond);
    }
    await Promise.all([shortOne.stop(), longOne.stop()]);
    const value = digits(median(ratios));
    const notes = [`${short} against ${long} entries; pairs: ${ratios.map((each) => each.toFixed(2)).join(', ')}`];
    const row = { id: this.id, title: this.title, value, ratio: value, unit: '×', floor: 0.9, goal: 0.98, notes };
    const series = { id: 'log-size', title: 'Rate over log size', x: 'entries in the log', y: 'single appends/s, w=2' };
    return { rows: [row, ...memory], series: [{ ...series, points }] };
  },
};

/** The node that needs the most. */
function memoryRow(cluster: BenchCluster, entries: number): RowResult {
  const each = cluster.nodes.map((node) => ({ id: node.id, mib: Math.round(node.memoryBytes() / MIB) }));
  const value = Math.max(...each.map(({ mib }) => mib));
  const notes = [each.map(({ id, mib }) => `${id} ${mib}`).join(', ')];
  const title = `memory of a node after ${entries.toLocaleString('en')} entries (RssAnon)`;
  return { id: `memory-${entries}`, title, value, unit: 'MiB', floor: 150, goal: 120, lessIsBetter: true, notes };
}
