/**
 * Appending: one entry a request and a hundred, many clients and one, and what changes the rate.
 */
import type { BenchCluster } from '../cluster';
import { gatheredLoop } from '../load/gathered';
import { median } from '../load/histogram';
import { type HttpConnection, requestOf, targetOf } from '../load/http-connection';
import { closedLoop, linesOf, type Measured, ONE_APPEND, openAll, openLoop } from '../load/load';
import { type BenchContext, digits, type LimitName, type Measurement, type Row, type Series } from '../row';

const CLIENTS = 64;
const LINES = 100;
/** Odd, so that one of them has the median. */
const ROUNDS = 3;

export const singleAppends: Row = {
  id: 'single',
  title: `single appends, w=2, ${CLIENTS} clients`,
  async measure(context) {
    const cluster = await context.cluster();
    const { limit, ...measured } = await byTurns(context, cluster, { limit: 'bareKoa', lines: 1 });
    const row = { id: this.id, title: this.title, unit: 'entries/s', ...measured };
    const bounds = { judged: 'ratio', floor: 0.65, goal: 0.8 } as const;
    return { rows: [{ ...row, ...bounds, limit: { what: 'bare Koa POST', value: limit } }] };
  },
};

export const bulkAppends: Row = {
  id: 'bulk',
  title: `bulk NDJSON, ${LINES} lines, w=2, ${CLIENTS} clients`,
  async measure(context) {
    const cluster = await context.cluster();
    const { limit, ...measured } = await byTurns(context, cluster, { limit: 'rawPipeline', lines: LINES });
    const store = await context.limit('rawStore');
    const notes = [...measured.notes, `raw store: ${Math.round(store.value)} entries/s`];
    const row = { id: this.id, title: this.title, unit: 'entries/s', ...measured };
    const bounds = { judged: 'ratio', floor: 0.8, goal: 0.9 } as const;
    const limits = { ...bounds, limit: { what: 'raw pipeline', value: limit } };
    return { rows: [{ ...row, ...limits, notes }] };
  },
};

/** What a client library gives callers of one process, against what they have without it. */
export const batchedAppends: Row = {
  id: 'batched',
  title: `${CLIENTS} concurrent appends in one process, batched, against ${CLIENTS} clients`,
  async measure(context) {
    const cluster = await context.cluster();
    const target = targetOf(cluster.master.url);
    const seconds = context.seconds / 2;
    const pairs: { readonly alone: Measured; readonly batched: Measured }[] = [];
    const micros = cluster.nodes.map(() => 0);
    for (let round = 0; round < ROUNDS; round += 1) {
      context.say(`round ${round + 1} of ${ROUNDS}`);
      const alone = await append(cluster, seconds);
      const load = { target, w: 2, callers: CLIENTS, seconds };
      const { done, cpuMicros } = await cluster.withCpu(() => gatheredLoop(load));
      for (const [at, each] of cpuMicros.entries()) micros[at] = (micros[at] ?? 0) + each;
      pairs.push({ alone, batched: done });
    }
    const ratios = pairs.map(({ alone, batched }) => batched.perSecond / alone.perSecond);
    const value = digits(median(ratios));
    const entries = pairs.reduce((sum, { batched }) => sum + batched.answers, 0);
    const [middle] = pairs
      .map(({ batched }) => batched)
      .sort((x, y) => x.perSecond - y.perSecond)
      .slice(ROUNDS >>> 1);
    const notes = [
      `entries/s: ${pairs.map(({ alone, batched }) => `${batched.perSecond} against ${alone.perSecond}`).join(', ')}`,
      cpuNote(micros, entries),
    ];
    const row = { id: this.id, title: this.title, value, ratio: value, unit: '×', floor: 5, goal: 10, notes };
    return { rows: [middle === undefined ? row : { ...row, latencyMs: middle.latencyMs }] };
  },
};

export const oneClient: Row = {
  id: 'one-client',
  title: 'one client',
  async measure(context) {
    const cluster = await context.cluster();
    const limit = await context.limit('bareKoaOneClient');
    const bare = { what: 'bare Koa POST', value: limit.latencyMs?.p50 ?? 0 };
    const rows = [];
    for (const [w, judged, floor, goal] of [
      [1, 'ratio', 4, 3],
      [2, 'value', 2.2, 1.6],
    ] as const) {
      const { latencyMs } = await append(cluster, context.seconds, 1, { w, clients: 1 });
      const { p50: value, p99 } = latencyMs;
      rows.push({
        id: `${this.id}-w${w}`,
        title: `one client, p50, w=${w}`,
        value,
        unit: 'ms',
        ratio: digits(value / Math.max(bare.value, 0.01)),
        latencyMs,
        judged,
        floor,
        goal,
        lessIsBetter: true,
        limit: bare,
        notes: [`p99 is ${digits(p99 / Math.max(value, 0.01))} × p50 (goal: under 4)`],
      });
    }
    return { rows };
  },
};

/** Clients that wait for an absent node, while others append. */
export const blockedClients: Row = {
  id: 'blocked',
  title: 'rate kept with 500 clients blocked on w=3',
  async measure(context) {
    const cluster = await context.newCluster(2);
    const { secondaries, master } = cluster;
    await secondaries[1]?.stop('SIGKILL');
    const ratios: number[] = [];
    const pairs = context.isQuick ? 3 : 5;
    const seconds = context.seconds / 2;
    for (let pair = 0; pair < pairs; pair += 1) {
      context.say(`pair ${pair + 1} of ${pairs}`);
      const alone = await append(cluster, seconds);
      const blocked = await block(master.url, 500);
      const beside = await append(cluster, seconds);
      for (const connection of blocked) connection.close();
      ratios.push(beside.perSecond / alone.perSecond);
    }
    await cluster.stop();
    const value = digits(median(ratios));
    const notes = [`pairs: ${ratios.map((each) => each.toFixed(2)).join(', ')}`];
    return {
      rows: [{ id: this.id, title: this.title, value, ratio: value, unit: '×', floor: 0.9, goal: 0.95, notes }],
    };
  },
};

export const moreSecondaries: Row = {
  id: 'secondaries',
  title: 'rate kept from 2 secondaries to 8, w=2',
  async measure(context) {
    const points: { x: number; y: number }[] = [];
    for (const count of context.isQuick ? [2, 8] : [2, 4, 6, 8]) {
      context.say(`${count} secondaries`);
      const cluster = await context.newCluster(count);
      const { perSecond } = await append(cluster, context.seconds);
      points.push({ x: count, y: perSecond });
      await cluster.stop();
    }
    const value = digits((points.at(-1)?.y ?? 0) / (points[0]?.y ?? 1));
    const notes = points.map(({ x, y }) => `${x} secondaries: ${y}/s`);
    const row = { id: this.id, title: this.title, value, ratio: value, unit: '×', floor: 0.5, goal: 0.6, notes };
    const series = {
      id: this.id,
      title: 'Rate over secondaries',
      x: 'secondaries',
      y: 'single appends/s, w=2',
      points,
    };
    return { rows: [row], series: [series] };
  },
};

/** No rows of the table, but its plots: what the request's size and the offered rate do. */
export const curves: Row = {
  id: 'curves',
  title: 'curves over entries per request and offered rate',
  async measure(context): Promise<Measurement> {
    const cluster = await context.cluster();
    return {
      rows: [],
      series: [await overRequestSize(context, cluster), ...(await overOfferedRate(context, cluster))],
    };
  },
};

async function overRequestSize(context: BenchContext, cluster: BenchCluster): Promise<Series> {
  const points = [];
  for (const count of context.isQuick ? [1, 10, 100, 1000] : [1, 3, 10, 30, 100, 300, 1000, 3000]) {
    context.say(`${count} entries a request`);
    const { perSecond } = await append(cluster, context.seconds, count);
    points.push({ x: count, y: perSecond * count });
  }
  const axes = { x: 'entries per request', y: 'entries/s, w=2, 64 clients' };
  return { id: 'request-size', title: 'Throughput over entries per request', ...axes, points };
}

async function overOfferedRate(context: BenchContext, cluster: BenchCluster): Promise<readonly Series[]> {
  const { perSecond: best } = await append(cluster, context.seconds);
  const [p50s, p99s] = [[], []] as { x: number; y: number }[][];
  for (const share of context.isQuick ? [0.25, 0.5, 0.75] : [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9]) {
    const rate = Math.round(best * share);
    context.say(`open loop, ${rate}/s`);
    const request = requestOf('POST', '/messages', appendOf(2));
    const load = { target: targetOf(cluster.master.url), request, clients: 256, seconds: context.seconds };
    const { latencyMs } = await openLoop(load, rate);
    p50s?.push({ x: rate, y: latencyMs.p50 });
    p99s?.push({ x: rate, y: latencyMs.p99 });
  }
  const axes = { x: 'offered single appends/s, w=2 (open loop)', y: 'latency, ms' };
  return [
    { id: 'latency-p50', title: 'Latency over offered rate: p50', ...axes, points: p50s ?? [] },
    { id: 'latency-p99', title: 'Latency over offered rate: p99', ...axes, points: p99s ?? [] },
  ];
}

/**
 * The limit and the appends by turns, so that whatever else the machine does hits both. Of rates
 * and ratios the median counts; latencies are those of the round with the median rate.
 */
async function byTurns(
  context: BenchContext,
  cluster: BenchCluster,
  { limit: name, lines }: { readonly limit: LimitName; readonly lines: number },
) {
  const seconds = context.seconds / 2;
  const rounds: { readonly limit: number; readonly measured: Measured }[] = [];
  const micros = cluster.nodes.map(() => 0);
  for (let round = 0; round < ROUNDS; round += 1) {
    context.say(`round ${round + 1} of ${ROUNDS}`);
    const limit = await context.measureLimit(name, seconds);
    const { done, cpuMicros } = await cluster.withCpu(() => append(cluster, seconds, lines));
    for (const [at, each] of cpuMicros.entries()) micros[at] = (micros[at] ?? 0) + each;
    rounds.push({ limit: limit.value, measured: done });
  }
  const ratios = rounds.map(({ limit, measured }) => (measured.perSecond * lines) / limit);
  const [middle] = rounds
    .map(({ measured }) => measured)
    .sort((a, b) => a.perSecond - b.perSecond)
    .slice(ROUNDS >>> 1);
  if (middle === undefined) throw new Error('nothing was measured');
  const entries = rounds.reduce((sum, { measured }) => sum + measured.answers * lines, 0);
  const notes = [
    cpuNote(micros, entries),
    `ratios of the rounds: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`,
  ];
  return {
    value: middle.perSecond * lines,
    limit: median(rounds.map(({ limit }) => limit)),
    ratio: digits(median(ratios)),
    latencyMs: middle.latencyMs,
    cpuMicros: digits(micros.reduce((sum, each) => sum + each) / Math.max(entries, 1)),
    notes,
  };
}

/** What a shared machine cannot distort: how much of a core an entry takes. */
function cpuNote([master = 0, ...secondaries]: readonly number[], entries: number): string {
  const each = (micros: number) => (micros / Math.max(entries, 1)).toPrecision(3);
  return `CPU an entry: master ${each(master)} µs, secondaries ${secondaries.map(each).join(' and ')} µs`;
}

export function appendOf(w: number) {
  return { ...ONE_APPEND, bytes: ONE_APPEND.bytes.replace('{', `{"w":${w},`) };
}

/** Appends in a closed loop. */
export function append(
  cluster: BenchCluster,
  seconds: number,
  lines = 1,
  { w = 2, clients = CLIENTS }: { readonly w?: number; readonly clients?: number } = {},
): Promise<Measured> {
  const request =
    lines === 1 ? requestOf('POST', '/messages', appendOf(w)) : requestOf('POST', `/messages?w=${w}`, linesOf(lines));
  return closedLoop({ target: targetOf(cluster.master.url), request, clients, seconds });
}

/** Clients that wait for three nodes, each on a connection of its own. */
async function block(url: string, count: number): Promise<HttpConnection[]> {
  const connections = await openAll(targetOf(url), count);
  const request = requestOf('POST', '/messages', appendOf(3));
  for (const connection of connections) connection.ask(request).catch(() => 'closed at the end');
  return connections;
}
