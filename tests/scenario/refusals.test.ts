/** Why an append is refused: of several reasons at once the one whose end would end the others. */
import { SimCluster } from '../support/fakes/sim-cluster';

test('under an alarm of the broker clients are told of the alarm, also when it has silenced the secondaries', () => {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  cluster.runUntil('it takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null);
  cluster.world.setBlocked(true);
  cluster.runUntil('nobody is heard any more', () => !cluster.masterMachine.view.quorum.ok);
  const refused = cluster.append('refused', 1);
  cluster.run(100);
  expect(cluster.answers.get(refused)).toMatchObject({ problem: 'overloaded', detail: expect.stringMatching(/alarm/) });

  cluster.world.setBlocked(false);
  cluster.runUntil('it takes appends again', () => cluster.masterMachine.view.refusal(cluster.now) === null);
  const taken = cluster.append('taken', 'all');
  cluster.runUntil('it is acknowledged', () => cluster.answerOf(taken) === 'acknowledged');
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['taken']);
});

test('when no node is missing but their stores are, the refusal names the voters and the way out, and the log warns', () => {
  const cluster = new SimCluster({ secondaries: ['secondary-1', 'secondary-2', 'secondary-3', 'secondary-4'] });
  cluster.start('master', ...cluster.members);
  const voters = () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length;
  cluster.runUntil('all are voters', () => voters() === 5);
  cluster.kill(...cluster.members);
  for (const node of cluster.members) cluster.wipe(node);
  cluster.start(...cluster.members);
  cluster.runUntil('all are heard', () => cluster.masterMachine.view.quorum.alive === 5);
  cluster.run(3_000);
  const { problem, detail, missing } = cluster.masterMachine.view.refusal(cluster.now) ?? {};
  expect({ problem, missing }).toEqual({ problem: 'no-quorum', missing: [] });
  expect(detail).toMatch(/of the voters \(master, .*POST \/members\/force/);
  expect(cluster.masterMachine.view.waitingFor(cluster.now)).toMatch(/majority of the voters \(master, /);
  expect(cluster.world.trace.lines().join('\n')).toMatch(/appends.refused/);

  expect(cluster.force().state).toBe('ready');
  const taken = () => cluster.masterMachine.view.refusal(cluster.now) === null;
  cluster.runUntil('it takes appends', taken, 30_000);
});

test('a standby that has heard everybody and may not begin the log says that it waits for the one who may', () => {
  const cluster = new SimCluster();
  cluster.start('standby', ...cluster.members);
  cluster.run(3_000);
  expect(cluster.masterOf('standby').view.waitingFor(cluster.now)).toBe(
    'a master that may begin the log: this one may not',
  );
  cluster.start('master');
  cluster.runUntil('the other begins it', () => cluster.masterMachine.view.refusal(cluster.now) === null, 30_000);
});
