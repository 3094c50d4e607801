/** Histories that were looked for on purpose, by reading: each one broke a promise once. */
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

const ABC = ['a', 'b', 'c'];

function voters(cluster: SimCluster, master = 'master'): readonly string[] {
  return cluster.isUp(master) ? cluster.masterOf(master).view.voters : [];
}

function reigns(cluster: SimCluster, node = 'master'): boolean {
  return cluster.isUp(node) && cluster.masterOf(node).view.refusal(cluster.now) === null;
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

test.each([1, 2, 3, 4, 5])(
  'a blank master that has heard of a log begins none when it has given the lock up and come back (seed %i)',
  (seed) => {
    const cluster = new SimCluster({ seed, secondaries: ['s1', 's2'], openMembership: true });
    cluster.start('master', 's1', 's2', 's3', 's4');
    cluster.runUntil('all are voters', () => voters(cluster).length === 5);
    for (const text of ABC) acknowledge(cluster, text);
    cluster.kill('master', 's1', 's2', 's3', 's4');
    cluster.wipe('master');
    cluster.wipe('s1');
    cluster.world.stopBroker(true);
    cluster.run(50);
    cluster.startBroker();
    cluster.start('s3', 's4', 'master');
    cluster.run(3_000);
    cluster.start('s1');
    cluster.run(30_000);
    expect(reigns(cluster)).toBe(false);
    cluster.start('s2');
    cluster.runUntil('three of five voters are heard, and vote', () => reigns(cluster), 60_000);
    expect(cluster.messages('master')).toEqual(ABC);
  },
);

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
  expect(cluster.masterMachine.view.phaseName).toBe('standby');
  cluster.kill('standby', 'secondary-1', 'secondary-2');
  cluster.run(10_000);
  expect(cluster.masterMachine.view.forcedEpoch).toBeNull();
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
  cluster.runUntil('it is connected', () => cluster.masterMachine.view.link.connected, 20_000);
  expect(cluster.force().state).not.toBe('ready');
});

test('a wiped master finds the log at nodes that its settings do not name', () => {
  const cluster = new SimCluster({ secondaries: ['s1'], openMembership: true });
  cluster.start('master', 's1', 's2', 's3', 's4');
  cluster.runUntil('all are voters', () => voters(cluster).length === 5);
  for (const text of ABC) acknowledge(cluster, text);
  cluster.kill('master', 's1');
  cluster.wipe('master');
  cluster.start('master');
  cluster.runUntil('a majority of the voters elects it', () => reigns(cluster), 60_000);
  expect(cluster.messages('master')).toEqual(ABC);
});

test('a master that was away while all members changed is elected by those of the newest list', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  cluster.start('standby');
  cluster.run(1_000);
  cluster.kill('master');
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 60_000);
  cluster.start('s3', 's4');
  for (const [type, node] of [
    ['admit', 's3'],
    ['admit', 's4'],
    ['remove', 's1'],
    ['remove', 's2'],
  ] as const) {
    const request = cluster.world.nextRequest();
    cluster.tellMaster('standby', { type, request, node });
    cluster.runUntil(`${type} ${node}`, () => cluster.memberChanges.get(request) === 'done', 20_000);
  }
  cluster.runUntil('they have votes', () => voters(cluster, 'standby').join() === 'standby,s3,s4', 20_000);
  acknowledge(cluster, 'd', 'all', 'standby');
  cluster.kill('standby', 's1', 's2');
  cluster.start('master');
  cluster.runUntil('a majority of the voters elects it', () => reigns(cluster), 60_000);
  expect(cluster.messages('master')).toEqual([...ABC, 'd']);
});

test('a change of the members that comes after the shutdown is answered', () => {
  const cluster = settled();
  cluster.kill('secondary-1', 'secondary-2');
  cluster.tellMaster('master', { type: 'shutdown' });
  cluster.tellMaster('master', { type: 'remove', request: 4711, node: 'secondary-1' });
  expect(cluster.memberChanges.get(4711)).toBe('refused');
});

test('a log is young while it has members that the settings do not name', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  expect(cluster.masterMachine.view.young).toEqual([]);
  cluster.start('s3');
  const request = cluster.world.nextRequest();
  cluster.tellMaster('master', { type: 'admit', request, node: 's3' });
  cluster.runUntil('s3 has a vote', () => voters(cluster).includes('s3'));
  expect(cluster.masterMachine.view.young).toEqual(['s3']);
});

test('a broker that has lost its data is told of a log that its master had to fetch', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  cluster.kill('master');
  cluster.wipe('master');
  cluster.world.stopBroker(true);
  cluster.run(50);
  cluster.startBroker();
  cluster.start('master');
  cluster.runUntil('it reigns', () => reigns(cluster));
  acknowledge(cluster, 'd');
  expect(cluster.broker.knowsLog).toBe(true);
});

test.failing('a branch of which nobody is left to hold a record does not bury the log that it began from', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  cluster.kill('s1', 's2');
  cluster.runUntil('no quorum', () => !reigns(cluster), 20_000);
  expect(cluster.force().state).toBe('ready');
  cluster.runUntil('a branch begins', () => cluster.masterMachine.view.forcedEpoch !== null, 20_000);
  cluster.run(2_000);
  cluster.slowStore('s1', 200);
  cluster.slowStore('s2', 200);
  cluster.start('s1', 's2');
  const isBranch = (node: string) => cluster.world.diskOf(node).promised.identity?.includes('/') === true;
  cluster.runUntil('both know of the branch', () => isBranch('s1') && isBranch('s2'), 20_000);
  cluster.kill('master', 's1', 's2');
  for (const node of ['s1', 's2']) expect(cluster.recordsOf(node).some(({ epoch }) => epoch > 1)).toBe(false);
  cluster.wipe('master');
  cluster.start('master', 's1', 's2');
  cluster.run(20_000);
  const states = new Set<string>();
  cluster.runUntil(
    'it goes on, by whatever command',
    () => {
      states.add(JSON.stringify([cluster.force(), cluster.force('new')]));
      return reigns(cluster);
    },
    60_000,
  );
  expect(cluster.messages('master')).toEqual(ABC);
});
