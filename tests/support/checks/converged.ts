/**
 * How every fault test ends: all logs are equal, nothing is missing, nothing is there twice, and
 * what was acknowledged is where it was said to be. What is wrong comes as sentences, a few of each
 * kind, for a log may have thousands of entries.
 */
import type { Entry } from '#protocol/entry';
import type { Clients } from '../http/clients';
import type { RealCluster } from '../real/cluster';

/** What clients sent, by id, and what they were told. */
export type Book = Pick<Clients, 'sent' | 'acknowledged'>;

const SAID_MAX = 5;

/**
 * @param cluster or whoever of it has a log to compare: `agreed` resolves with the log that they
 * all show
 */
export async function expectConverged(cluster: Pick<RealCluster, 'agreed'>, book: Book): Promise<readonly Entry[]> {
  const log = await cluster.agreed();
  expect(flawsOf(log, book)).toEqual([]);
  return log;
}

/** What is wrong with the log that all nodes show; none: nothing. */
export function flawsOf(log: readonly Entry[], { sent, acknowledged }: Book): string[] {
  const seqs = new Map<string, number>();
  const flaws = { gap: [] as string[], stranger: [] as string[], twice: [] as string[], lost: [] as string[] };
  for (const [at, { id, seq, message }] of log.entries()) {
    if (seq !== at + 1) flaws.gap.push(`entry ${at + 1} has seq ${seq}`);
    if (sent.get(id) !== message) flaws.stranger.push(`seq ${seq} is not what ${id} sent`);
    if (seqs.has(id)) flaws.twice.push(`${id} is there twice, at ${seqs.get(id)} and ${seq}`);
    seqs.set(id, seq);
  }
  for (const { id, seq, w } of acknowledged) {
    const found = seqs.get(id);
    if (found !== seq) flaws.lost.push(`${id} was acknowledged at ${seq} with w=${w} and is ${found ?? 'nowhere'}`);
  }
  return Object.values(flaws).flatMap((each) => each.slice(0, SAID_MAX));
}
