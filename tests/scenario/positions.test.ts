/**
 * What the master believes of its members' positions, and where that went wrong; found by the
 * simulator.
 */
import { SimCluster } from '../support/fakes/sim-cluster';

function ready(): SimCluster {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  acknowledge(cluster, 'kept');
  return cluster;
}

function acknowledge(cluster: SimCluster, message: string, { to = 'master', w = 3 } = {}): void {
  const request = cluster.append(message, w, null, to);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

function reigns(cluster: SimCluster, node: string): boolean {
  return cluster.isUp(node) && cluster.masterOf(node).view.refusal(cluster.now) === null;
}

test('a member with another store counts by it, even when its join was lost', () => {
  const cluster = ready();
  cluster.kill('secondary-1');
  cluster.world.diskOf('secondary-1').damage();
  cluster.cut('master');
  cluster.run(1_000);
  cluster.start('secondary-1');
  cluster.run(600);
  cluster.reconnect('master');
  cluster.runUntil('the link stands', () => reigns(cluster, 'master'));
  acknowledge(cluster, 'next');
});

test('the checksums of a tail that was cut are forgotten, so nobody is taken for different by them', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.cut('master');
  for (const text of ['own 1', 'own 2', 'own 3', 'own 4']) acknowledge(cluster, text, { w: 1 });
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 20_000);
  acknowledge(cluster, 'other 1', { to: 'standby' });
  cluster.cut('secondary-2');
  for (const text of ['other 2', 'other 3', 'other 4']) acknowledge(cluster, text, { to: 'standby', w: 2 });
  cluster.kill('standby');
  cluster.reconnect('master');
  cluster.runUntil('the master has caught up', () => cluster.messages('master').includes('other 4'), 20_000);
  cluster.slowStore('secondary-2', 2_000);
  cluster.reconnect('secondary-2');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 20_000);
  const request = cluster.append('last', 'all');
  cluster.runUntil('all hold the last', () => cluster.answerOf(request) === 'acknowledged', 40_000);
  for (const node of cluster.members) expect(cluster.masterMachine.view.member(cluster.now, node).differsAt).toBeNull();
});

test('the first ack of another store ends what the former one had acked', () => {
  const cluster = ready();
  acknowledge(cluster, 'next');
  const { epoch, outline, identity: log } = cluster.masterMachine.view;
  const index = outline.indexOf(1) ?? 0;
  const ack = { type: 'ack', ...epoch, log, node: 'secondary-1', store: 'another', index, applied: 1 } as const;
  cluster.tellMaster('master', { type: 'wire', message: ack, replyTo: 'secondary-1' });
  expect(cluster.masterMachine.view.replication(1)?.acks).toContain('secondary-1');
  expect(cluster.masterMachine.view.replication(2)?.acks).not.toContain('secondary-1');
});

test('a node that was removed stays removed though it lives and membership is open, until an operator takes it in again', () => {
  const cluster = new SimCluster({ openMembership: true });
  cluster.start('master', ...cluster.members);
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  cluster.tellMaster('master', { type: 'remove', request: 1, node: 'secondary-2' });
  cluster.runUntil('it is out', () => cluster.memberChanges.get(1) === 'done', 5_000);
  cluster.runUntil('it is told', () => cluster.secondary('secondary-2').status === 'removed', 5_000);
  cluster.kill('master');
  cluster.start('master');
  cluster.runUntil('it takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null, 20_000);
  cluster.run(5_000);
  expect(cluster.masterMachine.view.members).toEqual(['secondary-1']);
  expect(cluster.secondary('secondary-2').ready).toBe(false);
  const request = cluster.append('without it', 'all');
  cluster.runUntil('all who are left have it', () => cluster.answerOf(request) === 'acknowledged');
  expect(cluster.messages('secondary-2')).not.toContain('without it');

  cluster.tellMaster('master', { type: 'admit', request: 2, node: 'secondary-2' });
  cluster.runUntil('it is in', () => cluster.memberChanges.get(2) === 'done', 5_000);
  cluster.runUntil('it is ready', () => cluster.secondary('secondary-2').ready, 10_000);
  acknowledge(cluster, 'with it');
  expect(cluster.messages('secondary-2')).toEqual(cluster.messages('master'));
});
