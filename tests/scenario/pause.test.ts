/**
 * A secondary that an operator pauses is up, votes and beats, and takes no entries; whatever
 * happens meanwhile, it catches up when it goes on.
 */
import { SimCluster } from '../support/fakes/sim-cluster';

const PAUSED = 'secondary-1';

function setPaused(cluster: SimCluster, paused: boolean): void {
  cluster.world.secondaryOf(PAUSED)?.dispatch({ type: 'pause', paused });
}

function takesAppends(cluster: SimCluster): void {
  cluster.runUntil('it takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null);
}

function acknowledge(cluster: SimCluster, message: string, w: number): void {
  takesAppends(cluster);
  const request = cluster.append(message, w);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

function withPaused(): SimCluster {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  acknowledge(cluster, 'before', 3);
  cluster.runUntil('all have a vote, and know it', () =>
    [cluster.masterMachine.view, cluster.world.secondaryOf(PAUSED)?.shown].every(
      (shown) => shown?.outline.newestConfiguration().members?.voters.length === 3,
    ),
  );
  setPaused(cluster, true);
  return cluster;
}

test('it is alive all the while, and has what it had', () => {
  const cluster = withPaused();
  acknowledge(cluster, 'meanwhile', 2);
  const waits = cluster.append('for all', 'all');
  cluster.run(10_000);
  expect(cluster.answerOf(waits)).toBeNull();
  expect(cluster.messages(PAUSED)).toEqual(['before']);
  expect(cluster.masterMachine.view.member(cluster.now, PAUSED).status).toBe('Healthy');
  setPaused(cluster, false);
  cluster.runUntil('all have it', () => cluster.answerOf(waits) === 'acknowledged');
  expect(cluster.messages(PAUSED)).toEqual(['before', 'meanwhile', 'for all']);
});

test('its vote elects a master', () => {
  const cluster = withPaused();
  cluster.kill('master', 'secondary-2');
  cluster.start('master');
  cluster.runUntil('it is elected', () => String(cluster.masterMachine).startsWith('master reigning'));
  expect(cluster.messages(PAUSED)).toEqual(['before']);
  setPaused(cluster, false);
  takesAppends(cluster);
});

test.each<[what: string, meanwhile: (cluster: SimCluster) => void]>([
  ['its queue is purged', (cluster) => cluster.broker.purge(PAUSED)],
  ['its queue is deleted', (cluster) => cluster.world.deleteQueue(PAUSED)],
  [
    'it is cut off for a while',
    (cluster) => {
      cluster.cut(PAUSED);
      cluster.run(5_000);
      cluster.reconnect(PAUSED);
    },
  ],
  [
    'the broker is restarted',
    (cluster) => {
      cluster.stopBroker();
      cluster.run(500);
      cluster.startBroker();
    },
  ],
  [
    'another reign begins',
    (cluster) => {
      cluster.kill('master');
      cluster.start('master');
    },
  ],
])('it catches up when %s meanwhile', (_, meanwhile) => {
  const cluster = withPaused();
  acknowledge(cluster, 'first', 2);
  meanwhile(cluster);
  acknowledge(cluster, 'second', 2);
  cluster.run(2_000);
  expect(cluster.messages(PAUSED)).toEqual(['before']);
  setPaused(cluster, false);
  acknowledge(cluster, 'after', 3);
  expect(cluster.messages(PAUSED)).toEqual(['before', 'first', 'second', 'after']);
});
