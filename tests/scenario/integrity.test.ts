/** A node whose log is not the master's is found, says where, and builds nothing more on it. */
import { SimCluster } from '../support/fakes/sim-cluster';

function readyWith(entries: number): SimCluster {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  cluster.runUntil('it takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null);
  const requests = Array.from({ length: entries }, (_, at) => cluster.append(`m${at + 1}`, 'all'));
  cluster.runUntil('all are acknowledged', () => requests.every((each) => cluster.answerOf(each) === 'acknowledged'));
  return cluster;
}

test.each([1, 2, 37, 99, 100])('a log that differs from entry %i on is named with that seq, and stops', (seq) => {
  const cluster = readyWith(100);
  cluster.run(1_000);
  cluster.kill('secondary-1');
  const index = cluster.masterMachine.view.outline.indexOf(seq) ?? 0;
  cluster.tamper('secondary-1', index);
  cluster.start('secondary-1');
  cluster.runUntil('it has found the place', () => cluster.secondary('secondary-1').differsAt === seq, 10_000);
  cluster.runUntil(
    'the master knows',
    () => cluster.masterMachine.view.member(cluster.now, 'secondary-1').differsAt === seq,
  );
  expect(cluster.secondary('secondary-1').status).toBe('differs');

  const later = cluster.append('later', 2);
  const blocked = cluster.append('blocked', 3);
  cluster.runUntil('the others go on', () => cluster.answerOf(later) === 'acknowledged');
  cluster.run(2_000);
  expect(cluster.answerOf(blocked)).toBeNull();
  expect(cluster.messages('secondary-1')).not.toContain('later');
  expect(cluster.masterMachine.view.replication(seq)?.acks).not.toContain('secondary-1');

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

test('a log that differs is handed to no new master: what was acknowledged stays as it was', () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const cluster = readyWith(20);
    const acknowledged = cluster.messages('secondary-2');
    cluster.kill('secondary-1');
    cluster.tamper('secondary-1', cluster.masterMachine.view.outline.indexOf(7) ?? 0);
    cluster.start('secondary-1');
    cluster.runUntil('it has found the place', () => cluster.secondary('secondary-1').differsAt === 7, 10_000);
    cluster.run(seed * 37);
    cluster.kill('master');
    cluster.wipe('master');
    cluster.start('master');
    cluster.runUntil('it has the log', () => cluster.messages('master').length >= 20, 30_000);
    cluster.run(2_000);
    // Of three voters one lost its store and one's log differs: only an operator can say that they
    // are gone.
    expect(cluster.masterMachine.view.refusal(cluster.now)).not.toBeNull();
    expect(cluster.messages('master').slice(0, 20)).toEqual(acknowledged);
    expect(cluster.messages('secondary-2').slice(0, 20)).toEqual(acknowledged);
    expect(cluster.secondary('secondary-2').differsAt).toBeNull();
  }
});

test('a node whose log differs is none to commit with: the gate closes when the other one is down', () => {
  const cluster = readyWith(20);
  cluster.kill('secondary-1');
  cluster.tamper('secondary-1', cluster.masterMachine.view.outline.indexOf(7) ?? 0);
  cluster.start('secondary-1');
  cluster.runUntil(
    'the master knows',
    () => cluster.masterMachine.view.member(cluster.now, 'secondary-1').differsAt === 7,
    10_000,
  );
  expect(cluster.masterMachine.view.refusal(cluster.now)).toBeNull();
  cluster.kill('secondary-2');
  cluster.runUntil(
    'appends are refused',
    () => cluster.masterMachine.view.refusal(cluster.now)?.problem === 'no-quorum',
    20_000,
  );
  expect(cluster.masterMachine.view.canForce).toBe(true);
  cluster.start('secondary-2');
  cluster.runUntil('and taken again', () => cluster.masterMachine.view.refusal(cluster.now) === null, 20_000);
});
