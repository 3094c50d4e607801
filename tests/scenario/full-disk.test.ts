/**
 * A secondary without room: it asks its disk again and again, but less and less often, whatever
 * goes on around it.
 */
import { SimCluster } from '../support/fakes/sim-cluster';

const VICTIM = 'secondary-1';

/** Lines of failed stores that the trace still has. */
function failures(cluster: SimCluster): string[] {
  return cluster.world.trace.lines().filter((line) => line.includes('store.failed'));
}

function acknowledge(cluster: SimCluster, message: string, w: number | 'all'): void {
  const request = cluster.append(message, w);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

test('appends that go on do not cut the pauses of a secondary whose disk is full', () => {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  const voters = () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length;
  cluster.runUntil('all are voters', () => voters() === 3);
  acknowledge(cluster, 'kept', 'all');
  cluster.fullDisks.add(VICTIM);
  const failed = new Set<string>();
  for (let each = 1; each <= 100; each += 1) {
    acknowledge(cluster, `message ${each}`, 2);
    cluster.run(100);
    for (const line of failures(cluster)) failed.add(line);
  }
  // Ten seconds: 50 ms doubled up to 5 s are eight tries or nine, and each may be one from the
  // queue and one fetched.
  expect(failed.size).toBeGreaterThan(3);
  expect(failed.size).toBeLessThan(20);

  cluster.fullDisks.delete(VICTIM);
  cluster.runUntil('it has caught up', () => cluster.messages(VICTIM).length === 101, 6_000);
  acknowledge(cluster, 'last', 'all');
  expect(cluster.messages(VICTIM)).toEqual(cluster.messages('master'));
});
