/** Makes a log long: bulk appends until it has at least so many entries. */
import type { BenchCluster } from '../cluster';
import { requestOf, targetOf } from './http-connection';
import { linesOf, openAll } from './load';

const LINES = 1_000;
const CLIENTS = 8;

export async function fill(cluster: BenchCluster, entries: number, say: (text: string) => void): Promise<number> {
  const head = await cluster.master.position();
  if (head < entries) {
    say(`fills the log from ${head} to ${entries} entries`);
    await appendLines(cluster, entries - head);
  }
  return cluster.agreed();
}

/** At least so many, as fast as they are taken. */
export async function appendLines(cluster: BenchCluster, entries: number): Promise<void> {
  const request = requestOf('POST', '/messages?w=2', linesOf(LINES));
  const connections = await openAll(targetOf(cluster.master.url), CLIENTS);
  let left = entries;
  await Promise.all(
    connections.map(async (connection) => {
      while (left > 0) {
        left -= LINES;
        const { status, text } = await connection.ask(request);
        if (status === 503) left += LINES;
        else if (status !== 201) throw new Error(`an append was answered ${status}: ${text}`);
      }
      connection.close();
    }),
  );
}
