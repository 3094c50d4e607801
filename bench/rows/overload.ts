/**
 * Ten times what the cluster can carry, with bounds that are reached: clients append with w=1, and
 * come back after a refusal when they were told to. The row says how much of the best rate is left,
 * how far memory grows and how soon it is over.
 */
import type { BenchCluster } from '../cluster';
import { type HttpConnection, requestOf, targetOf } from '../load/http-connection';
import { linesOf, openAll } from '../load/load';
import { type BenchContext, digits, type Row } from '../row';

const LINES = 100;
/** As many as carry the best rate, and ten times as many. */
const [FEW, MANY] = [32, 320];
const MIB = 2 ** 20;
/**
 * As the answer says. A client that comes back at once costs the master a parsed request each time,
 * whatever it is told.
 */
const RETRY_AFTER_MS = 1_000;

export const overload: Row = {
  id: 'overload',
  title: 'accepted appends kept under 10 × the load',
  async measure(context) {
    const cluster = await context.newCluster(2, { MAX_IN_FLIGHT_BYTES: String(MIB) });
    const best = await flood(cluster, FEW, seconds(context));
    const before = cluster.master.memoryBytes();
    const under = await flood(cluster, MANY, seconds(context));
    const grown = Math.round((cluster.master.memoryBytes() - before) / MIB);
    const recoveryMs = await firstTaken(cluster);
    const head = await cluster.agreed();
    const missing = under.firstLost(head);
    await cluster.stop();
    if (missing) throw new Error('an accepted append is not in the log');
    const value = digits(under.taken / best.taken);
    const notes = [
      `${under.refused} of ${under.refused + under.taken} requests were refused with 503 overloaded`,
      `the master's memory: +${grown} MiB; the next append was taken after ${recoveryMs} ms`,
    ];
    return { rows: [{ id: this.id, title: this.title, value, ratio: value, unit: '×', floor: 0.9, goal: 0.9, notes }] };
  },
};

class Flood {
  taken = 0;
  refused = 0;
  private lastSeq = 0;

  record(status: number, text: string): void {
    if (status === 503) this.refused += 1;
    else if (status !== 201) throw new Error(`an append was answered ${status}: ${text}`);
    else {
      this.taken += 1;
      this.lastSeq = Math.max(this.lastSeq, (JSON.parse(text) as { readonly last: number }).last);
    }
  }

  firstLost(head: number): boolean {
    return this.lastSeq > head;
  }
}

async function flood(cluster: BenchCluster, clients: number, forSeconds: number): Promise<Flood> {
  const request = requestOf('POST', '/messages?w=1', linesOf(LINES));
  const connections = await openAll(targetOf(cluster.master.url), clients);
  const until = performance.now() + forSeconds * 1000;
  const result = new Flood();
  const appendOn = async (connection: HttpConnection) => {
    while (performance.now() < until) {
      const { status, text } = await connection.ask(request);
      result.record(status, text);
      if (status === 503) await pause(RETRY_AFTER_MS);
    }
    connection.close();
  };
  await Promise.all(connections.map(appendOn));
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Milliseconds until an append with w=2 is taken. */
async function firstTaken(cluster: BenchCluster): Promise<number> {
  const startedAt = performance.now();
  const [connection] = await openAll(targetOf(cluster.master.url), 1);
  const request = requestOf('POST', '/messages?w=2', linesOf(1));
  while ((await connection?.ask(request))?.status !== 201);
  connection?.close();
  return Math.round(performance.now() - startedAt);
}

function seconds({ isQuick }: BenchContext): number {
  return isQuick ? 3 : 60;
}
