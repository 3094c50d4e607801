/**
 * The walk-throughs of the task on a simulated cluster: what a client sees, and what a reader of
 * each node sees meanwhile.
 */
import { SimCluster } from '../support/fakes/sim-cluster';

const FOUR = ['Msg1', 'Msg2', 'Msg3', 'Msg4'];

test('w=3 waits for the node that is not there, and nobody else does', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1');
  cluster.runUntil('the master takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null);

  const msg1 = cluster.append('Msg1', 1);
  cluster.runUntil('Msg1 is answered', () => cluster.answerOf(msg1) === 'acknowledged');
  const msg2 = cluster.append('Msg2', 2);
  cluster.runUntil('Msg2 is answered', () => cluster.answerOf(msg2) === 'acknowledged');
  const msg3 = cluster.append('Msg3', 3);
  const msg4 = cluster.append('Msg4', 1);
  cluster.runUntil('Msg4 is answered', () => cluster.answerOf(msg4) === 'acknowledged', 50);
  expect(cluster.messages('master')).toEqual(FOUR);

  cluster.run(600_000);
  expect(cluster.answerOf(msg3)).toBeNull();

  cluster.start('secondary-2');
  cluster.runUntil('Msg3 is answered', () => cluster.answerOf(msg3) === 'acknowledged', 2_000);
  expect(cluster.messages('secondary-2')).toEqual(FOUR);
  expect(cluster.log('secondary-2').slice(0, 6)).toEqual(cluster.log('master').slice(0, 6));
});

test('without a quorum the master is read-only, and a refused message never appears', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  const first = cluster.append('kept', 'all');
  cluster.runUntil('it is answered', () => cluster.answerOf(first) === 'acknowledged');

  cluster.kill('secondary-1', 'secondary-2');
  cluster.runUntil('both are missed', () => !cluster.masterMachine.view.quorum.ok, 4_000);
  const refused = cluster.append('refused', 1);
  expect(cluster.answers.get(refused)).toMatchObject({
    problem: 'no-quorum',
    quorum: { required: 2, alive: 1 },
    missing: [
      { id: 'secondary-1', status: 'Unhealthy' },
      { id: 'secondary-2', status: 'Unhealthy' },
    ],
  });
  expect(cluster.messages('master')).toEqual(['kept']);

  cluster.start('secondary-2');
  cluster.runUntil('the gate is open', () => cluster.masterMachine.view.quorum.ok, 2_000);
  const next = cluster.append('taken', 2);
  cluster.runUntil('it is answered', () => cluster.answerOf(next) === 'acknowledged');
  expect(cluster.messages('secondary-2')).toEqual(['kept', 'taken']);
});

test('a secondary goes Healthy, Suspected, Unhealthy, and one beat makes it Healthy again', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  const status = (): string => cluster.masterMachine.view.member(cluster.now, 'secondary-1').status;
  cluster.runUntil('it is heard', () => status() === 'Healthy', 1_000);
  cluster.kill('secondary-1');
  cluster.runUntil('it is suspected', () => status() === 'Suspected', 2_100);
  cluster.runUntil('it is given up', () => status() === 'Unhealthy', 2_100);
  cluster.start('secondary-1');
  cluster.runUntil('it is back', () => status() === 'Healthy', 100);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'losses, duplicates and errors leave neither gap nor duplicate (seed %i)',
  (seed) => {
    const cluster = new SimCluster({ seed, dropRate: 0.2, duplicateRate: 0.2, failRate: 0.2, nackRate: 0.1 });
    cluster.start('master', 'secondary-1', 'secondary-2');
    cluster.runUntil('the master takes appends', () => cluster.masterMachine.view.refusal(cluster.now) === null);
    const requests: number[] = [];
    for (let count = 1; count <= 200; count += 1) {
      requests.push(cluster.append(`m${count}`, count % 2 === 0 ? 'all' : 1));
      cluster.run(cluster.random.below(5));
    }
    cluster.runUntil('everyone is answered', () =>
      requests.every((request) => cluster.answerOf(request) === 'acknowledged'),
    );
    cluster.runUntil('the logs are equal', () =>
      cluster.members.every((node) => cluster.log(node).length === cluster.log('master').length),
    );
    const expected = Array.from({ length: 200 }, (_, at) => `m${at + 1}`);
    for (const node of ['master', 'secondary-1', 'secondary-2']) expect(cluster.messages(node)).toEqual(expected);
    for (const node of cluster.members) expect(cluster.log(node)).toEqual(cluster.log('master'));
  },
);

test('a master restarted with its disk goes on with the same log in the next epoch', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  const before = cluster.append('before', 'all');
  cluster.runUntil('it is answered', () => cluster.answerOf(before) === 'acknowledged');
  const { epoch } = cluster.masterMachine.view.epoch;

  cluster.kill('master');
  cluster.run(5_000);
  cluster.start('master');
  cluster.runUntil('it reigns again', () => cluster.masterMachine.view.refusal(cluster.now) === null, 2_000);
  expect(cluster.masterMachine.view.epoch.epoch).toBeGreaterThan(epoch);
  const after = cluster.append('after', 'all');
  cluster.runUntil('it is answered', () => cluster.answerOf(after) === 'acknowledged');
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['before', 'after']);
});

test('a broker that was away costs time, and nothing else', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  cluster.stopBroker();
  const waiting = cluster.append('waits', 'all');
  cluster.run(2_000);
  expect(cluster.answerOf(waiting)).toBeNull();
  expect(cluster.messages('master')).toEqual(['waits']);
  cluster.startBroker();
  cluster.runUntil('it is answered', () => cluster.answerOf(waiting) === 'acknowledged', 2_000);
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['waits']);
});
