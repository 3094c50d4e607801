/**
 * A bulk append is one append while its master lives: all of it is in the log, or none. These are
 * the two ways in which a part of it stays, both unacknowledged, and what the retry is told.
 */
import { BATCH_RECORDS_MAX } from '#protocol/limits';
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

const SEEDS = 40;

function ready(options: SimOptions): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  const voters = () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length;
  cluster.runUntil('all are voters', () => voters() === cluster.members.length + 1);
  untilTaken(cluster, 'master');
  return cluster;
}

function untilTaken(cluster: SimCluster, master: string): void {
  const takes = () => cluster.isUp(master) && cluster.masterOf(master).view.refusal(cluster.now) === null;
  cluster.runUntil(`${master} takes appends`, takes, 120_000);
}

function answered(cluster: SimCluster, request: number): string | null {
  cluster.runUntil(`request ${request} is answered`, () => cluster.answerOf(request) !== null, 20_000);
  return cluster.answerOf(request);
}

const bulk = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ message: `line ${at + 1}`, id: `id-of-line-${at + 1}` }));
const textsOf = (entries: readonly { readonly message: string }[]) => entries.map(({ message }) => message);

/** Retries the bulk; the lines that it is told are in the log, after which the others are sent alone. */
function retry(cluster: SimCluster, entries: ReturnType<typeof bulk>, master: string): readonly number[] {
  const again = cluster.appendAll(entries, 2, master);
  if (answered(cluster, again) === 'acknowledged') return [];
  const answer = cluster.answers.get(again);
  if (answer?.outcome !== 'ids-known') throw new Error(`${answer?.outcome}\n${cluster}`);
  const { lines } = answer;
  const others = entries.filter((_, at) => !lines.includes(at + 1));
  expect(answered(cluster, cluster.appendAll(others, 2, master))).toBe('acknowledged');
  return lines;
}

test('a crash in the middle of its write may leave the first lines, and the retry is told which', () => {
  const entries = bulk(5);
  const kept = new Set<number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const cluster = ready({ seed, faults: { tornRate: 1 } });
    cluster.slowStore('master', 500);
    const first = cluster.appendAll(entries, 1);
    cluster.run(100);
    expect(cluster.answerOf(first)).toBeNull();
    cluster.kill('master');
    cluster.slowStore('master', 0);
    cluster.start('master');
    untilTaken(cluster, 'master');
    const lines = retry(cluster, entries, 'master');
    expect(lines).toEqual(lines.map((_, at) => at + 1));
    kept.add(lines.length);
    cluster.runUntil('all show it', () => cluster.members.every((node) => cluster.messages(node).length === 5));
    for (const node of ['master', ...cluster.members]) expect(cluster.messages(node)).toEqual(textsOf(entries));
  }
  for (const lines of [1, 2, 3, 4]) expect(kept).toContain(lines);
});

test('a takeover may keep the batches that had left, and the retry is told which lines those are', () => {
  const cluster = ready({});
  cluster.start('standby');
  const entries = bulk(BATCH_RECORDS_MAX + 100);
  const first = cluster.appendAll(entries, 3);
  const seen = () => cluster.members.some((node) => cluster.messages(node).length > 0);
  cluster.runUntil('a secondary has the first batch', seen);
  cluster.kill('master');
  expect(cluster.answerOf(first)).toBeNull();
  untilTaken(cluster, 'standby');
  const lines = retry(cluster, entries, 'standby');
  expect(lines).toHaveLength(BATCH_RECORDS_MAX);
  expect(cluster.messages('standby')).toEqual(textsOf(entries));
});
