/** An hour of load, or as long as was asked for: does anything grow that should not? */
import { requestOf, targetOf } from '../load/http-connection';
import { openLoop } from '../load/load';
import { digits, type Row } from '../row';
import { appendOf } from './appends';

const MIB = 2 ** 20;
/**
 * Appends a second: some tenth of what two cores carry, so that a long run leaves room for whatever
 * else runs.
 */
const RATE = 1_000;
const CLIENTS = 64;
const SAMPLES = 60;
/** Share of the run in which caches fill up and functions are compiled. */
const SETTLING_SHARE = 0.2;

export const soak: Row = {
  id: 'soak',
  title: 'memory of a node under a long load (RssAnon)',
  async measure(context) {
    const cluster = await context.newCluster(2);
    const minutes = context.soakMinutes;
    const seconds = (minutes * 60) / SAMPLES;
    const load = { target: targetOf(cluster.master.url), clients: CLIENTS, seconds, warmUpSeconds: 0 };
    const request = requestOf('POST', '/messages', appendOf(2));
    const points: { x: number; y: number }[] = [];
    let p99 = 0;
    for (let sample = 1; sample <= SAMPLES; sample += 1) {
      const { latencyMs } = await openLoop({ ...load, request }, RATE);
      p99 = Math.max(p99, latencyMs.p99);
      const y = Math.round(Math.max(...cluster.nodes.map((node) => node.memoryBytes())) / MIB);
      points.push({ x: digits((sample * seconds) / 60), y });
      context.say(`${digits((sample * seconds) / 60)} of ${minutes} minutes: ${y} MiB`);
    }
    const head = await cluster.agreed();
    const each = cluster.nodes.map((node) => `${node.id} ${Math.round(node.memoryBytes() / MIB)}`);
    await cluster.stop();
    const settled = points.slice(Math.ceil(SAMPLES * SETTLING_SHARE)).map(({ y }) => y);
    const half = Math.floor(settled.length / 2);
    const [before, after] = [settled.slice(0, half), settled.slice(half)].map((some) => Math.max(...some));
    const notes = [
      `${minutes} minutes of ${RATE} appends/s, w=2; ${head} entries at the end; ${each.join(', ')} MiB`,
      `most in the first half, once settled, ${before} MiB, in the second ${after} MiB; the worst p99 of a sixtieth of it was ${p99} ms`,
    ];
    const row = { id: this.id, title: this.title, value: Math.max(...settled), unit: 'MiB', floor: 250, goal: 150 };
    const series = { id: 'soak', title: 'Memory under a long load', x: 'minutes', y: 'MiB, the node that needs most' };
    return { rows: [{ ...row, lessIsBetter: true, notes }], series: [{ ...series, points }] };
  },
};
