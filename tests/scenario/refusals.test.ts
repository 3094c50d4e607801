/** Why an append is refused: of several reasons at once the one whose end would end the others. */
import { SimCluster } from '../support/sim-cluster';

test('under an alarm of the broker clients are told of the alarm, also when it has silenced the secondaries', () => {
  const cluster = new SimCluster();
  cluster.start('master', ...cluster.members);
  cluster.runUntil('it takes appends', () => cluster.masterMachine.refusal(cluster.now) === null);
  cluster.world.setBlocked(true);
  cluster.runUntil('nobody is heard any more', () => !cluster.masterMachine.quorum.ok);
  const refused = cluster.append('refused', 1);
  cluster.run(100);
  expect(cluster.answers.get(refused)).toMatchObject({ problem: 'overloaded', detail: expect.stringMatching(/alarm/) });

  cluster.world.setBlocked(false);
  cluster.runUntil('it takes appends again', () => cluster.masterMachine.refusal(cluster.now) === null);
  const taken = cluster.append('taken', 'all');
  cluster.runUntil('it is acknowledged', () => cluster.answerOf(taken) === 'acknowledged');
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['taken']);
});
