/** A node whose log is not the master's is found, says where, and builds nothing more on it. */
import { SimCluster } from '../support/sim-cluster';

function readyWith(entries: number): SimCluster {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  cluster.runUntil('it takes appends', () => cluster.masterMachine.refusal(cluster.now) === null);
  const requests = Array.from({ length: entries }, (_, at) => cluster.append(`m${at + 1}`, 'all'));
  cluster.runUntil('all are acknowledged', () => requests.every((each) => cluster.answerOf(each) === 'acknowledged'));
  return cluster;
}

test.each([1, 2, 37, 99, 100])('a log that differs from entry %i on is named with that seq, and stops', (seq) => {
  const cluster = readyWith(100);
  cluster.run(1_000);
  cluster.kill('secondary-1');
  const index = cluster.masterMachine.outline.indexOf(seq) ?? 0;
  cluster.tamper('secondary-1', index);
  cluster.start('secondary-1');
  cluster.runUntil('it has found the place', () => cluster.secondary('secondary-1').differsAt === seq, 10_000);
  cluster.runUntil(
    'the master knows',
    () => cluster.masterMachine.member(cluster.now, 'secondary-1').differsAt === seq,
  );
  expect(cluster.secondary('secondary-1').status).toBe('differs');

  const later = cluster.append('later', 2);
  const blocked = cluster.append('blocked', 3);
  cluster.runUntil('the others go on', () => cluster.answerOf(later) === 'acknowledged');
  cluster.run(2_000);
  expect(cluster.answerOf(blocked)).toBeNull();
  expect(cluster.messages('secondary-1')).not.toContain('later');
  expect(cluster.masterMachine.replication(seq)?.acks).not.toContain('secondary-1');

  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  cluster.start('secondary-1');
  cluster.runUntil('with a new store it is whole again', () => cluster.answerOf(blocked) === 'acknowledged', 10_000);
  cluster.runUntil('the logs are equal', () => `${cluster.log('secondary-1')}` === `${cluster.log('master')}`);
});

test('logs that agree are never called different', () => {
  const cluster = readyWith(50);
  cluster.kill('master');
  cluster.start('master');
  cluster.run(10_000);
  for (const node of cluster.members) expect(cluster.secondary(node).differsAt).toBeNull();
});
