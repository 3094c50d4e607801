/**
 * Elections in odd circumstances, most of them found by the simulator: who may begin a log, who may
 * claim, who lets go.
 */
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

/** All members are voters, with `kept` acknowledged by all. */
function ready(options: SimOptions = {}): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  cluster.runUntil('all are voters', () => voters(cluster, 'master').length === cluster.members.length + 1);
  acknowledge(cluster, 'kept');
  return cluster;
}

function voters(cluster: SimCluster, master: string): string[] {
  const list = cluster.masterOf(master).view.outline.newestConfiguration().members;
  return list?.voters.map(({ node }) => node) ?? [];
}

function acknowledge(cluster: SimCluster, message: string, to = 'master'): void {
  const request = cluster.append(message, 'all', null, to);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

/** It has the lock, and takes appends. */
function reigns(cluster: SimCluster, node: string): boolean {
  if (!cluster.isUp(node) || cluster.broker.holder !== node) return false;
  return cluster.masterOf(node).view.link.connected && cluster.masterOf(node).view.refusal(cluster.now) === null;
}

test('a standby begins no log of its own beside that of a master who is away', () => {
  const cluster = ready({ secondaries: [] });
  cluster.cut('master');
  cluster.start('standby');
  cluster.run(20_000);
  expect(reigns(cluster, 'standby')).toBe(false);
  cluster.reconnect('master');
  cluster.runUntil('the master reigns again', () => reigns(cluster, 'master'), 30_000);
  expect(cluster.messages('master')).toEqual(['kept']);
  acknowledge(cluster, 'next');
});

test('a broker that has lost its data is no reason to begin anew while others have the log', () => {
  const cluster = ready();
  cluster.kill('master');
  cluster.wipe('master');
  cluster.world.stopBroker(true);
  cluster.run(1_000);
  cluster.startBroker();
  cluster.start('master');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 10_000);
  expect(cluster.messages('master')).toEqual(['kept']);
  acknowledge(cluster, 'next');
});

test('a log is begun by as many nodes as an append needs', () => {
  const cluster = new SimCluster({ secondaries: ['secondary-1', 'secondary-2', 'secondary-3', 'secondary-4'] });
  cluster.start('master', 'secondary-1');
  cluster.run(20_000);
  expect(cluster.log('master')).toEqual([]);
  cluster.start('secondary-3');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 10_000);
});

test('a claimant who cannot win lets one try who can', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  cluster.cut('master');
  cluster.runUntil('the standby has the lock', () => cluster.broker.holder === 'standby');
  cluster.reconnect('master');
  cluster.start('secondary-1');
  // Of the voters only master and secondary-2 are left, and masters do not vote for each other.
  const isNew = () => reigns(cluster, 'master') && cluster.masterMachine.view.epoch.epoch > 2;
  cluster.runUntil('the voter reigns', isNew, 20_000);
  acknowledge(cluster, 'next');
});

test('a claim names records that are durable, so a failed write cannot take from under a reign what it was elected for', () => {
  const cluster = ready();
  cluster.kill('master');
  cluster.wipe('master');
  cluster.slowStore('master', 5_000);
  cluster.start('master');
  const fetched = () => cluster.masterMachine.view.outline.lastIndex > 0;
  cluster.runUntil('it has fetched the log, and not stored it', fetched, 10_000);
  const fetchedAt = cluster.now;
  cluster.cut('master');
  cluster.slowStore('standby', 5_000);
  cluster.start('standby');
  cluster.runUntil('another has the lock', () => cluster.broker.holder === 'standby');
  cluster.reconnect('master');
  cluster.runUntil('it stands by', () => cluster.masterMachine.view.phaseName === 'standby');
  cluster.kill('standby');
  cluster.run(fetchedAt + 4_500 - cluster.now);
  cluster.fullDisks.add('master');
  cluster.run(2_000);
  cluster.fullDisks.delete('master');
  cluster.slowStore('master', 0);
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 20_000);
  expect(cluster.messages('master')).toEqual(['kept']);
});

test('a first write that was torn behind its first record is no log yet', () => {
  const cluster = new SimCluster({ tornWrites: true });
  // Nobody else must have it, and the broker knows the log by then.
  cluster.start('master', ...cluster.members);
  cluster.slowStore('master', 500);
  cluster.runUntil('the first records are being written', () => cluster.masterMachine.view.outline.lastIndex === 2);
  for (let tries = 0; cluster.log('master').length !== 1; tries += 1) {
    if (tries === 20) throw new Error('the write is never torn in the middle');
    cluster.kill('master');
    if (cluster.log('master').length !== 1) cluster.wipe('master');
    cluster.start('master');
    if (cluster.log('master').length === 0)
      cluster.runUntil('it writes again', () => cluster.masterMachine.view.outline.lastIndex === 2);
  }
  cluster.slowStore('master', 0);
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 10_000);
  acknowledge(cluster, 'first');
});

test('a reign that cannot commit lets one try who can', () => {
  const cluster = ready({ secondaries: ['secondary-1', 'secondary-2', 'secondary-3'] });
  cluster.start('standby');
  cluster.cut('master');
  cluster.slowStore('standby', 1_000);
  const elected = () => cluster.masterOf('standby').view.waitingFor(cluster.now).startsWith('a majority to hold');
  cluster.runUntil('the standby is elected by the three secondaries', elected, 20_000);
  // Of four voters one is lost and one, the master, stands by: the two that are left are no
  // majority.
  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  cluster.start('secondary-1');
  cluster.reconnect('master');
  cluster.runUntil(
    'the voter reigns',
    () => reigns(cluster, 'master') && cluster.masterMachine.view.epoch.epoch > 2,
    40_000,
  );
  acknowledge(cluster, 'next');
});

test('a member is ready when it has reached the head of the epoch it follows, not that of one that is over', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.kill('secondary-1');
  cluster.cut('secondary-2');
  for (const text of ['own 1', 'own 2', 'own 3']) {
    const request = cluster.append(text, 1);
    cluster.runUntil(`${text} is taken`, () => cluster.answerOf(request) === 'acknowledged');
  }
  for (const node of cluster.members) cluster.broker.purge(node);
  cluster.start('secondary-1');
  cluster.delay('secondary-1', 60_000);
  cluster.runUntil('it has heard of the head', () => cluster.secondary('secondary-1').head === 4, 5_000);
  cluster.kill('master');
  cluster.delay('secondary-1', 0);
  cluster.reconnect('secondary-2');
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 20_000);
  cluster.runUntil('all are ready', () => cluster.members.every((node) => cluster.secondary(node).ready), 10_000);
});

test('a source that loses what it had named is given up, and the next one is asked', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.runUntil('it has heard which log this is', () => cluster.masterOf('standby').view.identity !== null);
  cluster.cut('secondary-2');
  const request = cluster.append('held by one', 2);
  cluster.runUntil('it is acknowledged', () => cluster.answerOf(request) === 'acknowledged');
  cluster.slowStore('secondary-1', 4_000);
  cluster.append('being stored by one', 1);
  cluster.runUntil('it is', () => cluster.secondary('secondary-1').outline.lastSeq === 3);
  cluster.kill('master');
  const isAsked = () => cluster.masterOf('standby').view.waitingFor(cluster.now).startsWith('the log of secondary-1');
  cluster.runUntil('it is asked for its log', isAsked, 3_000);
  cluster.fullDisks.add('secondary-1');
  cluster.runUntil('it is lost', () => cluster.secondary('secondary-1').outline.lastSeq === 2, 6_000);
  cluster.fullDisks.delete('secondary-1');
  cluster.slowStore('secondary-1', 0);
  cluster.broker.purge('secondary-2');
  cluster.reconnect('secondary-2');
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 20_000);
  expect(cluster.messages('standby')).toEqual(['kept', 'held by one']);
});

test('a source that lost its store is not believed: what it lacks may be committed', () => {
  const cluster = ready();
  cluster.cut('secondary-1');
  const request = cluster.append('held by two', 2);
  cluster.runUntil('it is acknowledged', () => cluster.answerOf(request) === 'acknowledged');
  cluster.start('standby');
  cluster.kill('master');
  cluster.broker.purge('secondary-1');
  cluster.reconnect('secondary-1');
  const elected = () => cluster.masterOf('standby').view.waitingFor(cluster.now).startsWith('a majority to hold');
  cluster.runUntil('the standby is elected', elected, 20_000);
  cluster.cut('secondary-1');
  cluster.runUntil('secondary-2 has its first record', () => cluster.recordsOf('secondary-2').at(-1)?.epoch !== 1);
  cluster.kill('standby');
  cluster.delay('secondary-2', 1_000);
  cluster.start('master');
  const asks = () => cluster.masterMachine.view.waitingFor(cluster.now).startsWith('the log of secondary-2');
  cluster.runUntil('the master asks it for the log', asks, 10_000);
  cluster.kill('secondary-2');
  cluster.wipe('secondary-2');
  cluster.start('secondary-2');
  cluster.run(2_500);
  expect(cluster.messages('master')).toEqual(['kept', 'held by two']);
  cluster.reconnect('secondary-1');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 20_000);
  expect(cluster.messages('master')).toEqual(['kept', 'held by two']);
});

test('a standby that fetched a list of other members than its settings name lets go of the lock, too', () => {
  const cluster = ready({ secondaries: ['s1', 's2', 's3'], openMembership: true });
  cluster.start('guest');
  cluster.runUntil('the guest is a member', () => cluster.masterMachine.view.members.includes('guest'));
  for (const node of cluster.members) {
    cluster.tellMaster('master', { type: 'remove', request: 1_000, node });
    cluster.runUntil(`${node} is removed`, () => cluster.masterMachine.view.removed.includes(node));
  }
  cluster.runUntil('two voters are left', () => voters(cluster, 'master').join() === 'master,guest');
  acknowledge(cluster, 'held by two');
  cluster.start('standby');
  cluster.runUntil('the standby knows the log', () => cluster.masterOf('standby').view.identity !== null);
  cluster.cut('master');
  const length = cluster.recordsOf('guest').length;
  cluster.runUntil('the standby has the log', () => cluster.recordsOf('standby').length === length, 20_000);
  cluster.reconnect('master');
  cluster.runUntil('a master reigns', () => reigns(cluster, 'master') || reigns(cluster, 'standby'), 60_000);
});
