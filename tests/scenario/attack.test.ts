/** Histories that were looked for on purpose, by reading: each one broke a promise once. */
import { SimCluster, type SimOptions } from '../support/sim-cluster';

const ABC = ['a', 'b', 'c'];

function voters(cluster: SimCluster, master = 'master'): readonly string[] {
  return cluster.isUp(master) ? cluster.masterOf(master).voters : [];
}

function reigns(cluster: SimCluster, node = 'master'): boolean {
  return cluster.isUp(node) && cluster.masterOf(node).refusal(cluster.now) === null;
}

function acknowledge(cluster: SimCluster, text: string, w: number | 'all' | 'majority' = 'all', to = 'master'): void {
  const request = cluster.append(text, w, null, to);
  cluster.runUntil(`${text} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

function settled(options: SimOptions = {}): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  cluster.runUntil('all are voters', () => voters(cluster).length === cluster.members.length + 1);
  for (const text of ABC) acknowledge(cluster, text);
  return cluster;
}

test('a force that came to nothing before another master reigned is void', () => {
  const cluster = settled();
  cluster.kill('secondary-1', 'secondary-2');
  cluster.runUntil('no quorum', () => !reigns(cluster), 20_000);
  expect(cluster.force().state).toBe('ready');
  cluster.cut('master');
  cluster.start('secondary-1', 'secondary-2', 'standby');
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 60_000);
  acknowledge(cluster, 'd', 3, 'standby');
  cluster.reconnect('master');
  cluster.run(5_000);
  expect(cluster.masterMachine.phaseName).toBe('standby');
  cluster.kill('standby', 'secondary-1', 'secondary-2');
  cluster.run(10_000);
  expect(cluster.masterMachine.forcedEpoch).toBeNull();
  cluster.start('secondary-1', 'secondary-2');
  cluster.run(20_000);
  for (const node of ['master', 'secondary-1', 'secondary-2']) expect(cluster.messages(node)).toEqual([...ABC, 'd']);
});

test('a reign that was cut off listens again before it may be forced', () => {
  const cluster = settled();
  cluster.cut('master');
  cluster.runUntil('no quorum', () => !reigns(cluster), 20_000);
  expect(cluster.force().state).toBe('listening');
  cluster.reconnect('master');
  cluster.runUntil('it is connected', () => cluster.masterMachine.link.connected, 20_000);
  expect(cluster.force().state).not.toBe('ready');
});
