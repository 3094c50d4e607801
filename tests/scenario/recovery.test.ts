/** Masters come and go: what survives, what it takes, who is told what. */
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

/** Three nodes, all of them voters, with `kept` acknowledged by all. */
function ready(options: SimOptions = {}): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  cluster.runUntil('all are voters', () => voters(cluster, 'master').length === cluster.members.length + 1);
  acknowledge(cluster, 'kept');
  return cluster;
}

function voters(cluster: SimCluster, master: string): string[] {
  return (
    cluster
      .masterOf(master)
      .view.outline.newestConfiguration()
      .members?.voters.map(({ node }) => node) ?? []
  );
}

function acknowledge(cluster: SimCluster, message: string, to = 'master'): void {
  const request = cluster.append(message, 'all', null, to);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

function reigns(cluster: SimCluster, node: string): boolean {
  return cluster.isUp(node) && cluster.masterOf(node).view.refusal(cluster.now) === null;
}

test('a master that lost its disk gets the log from the others, and is a voter again afterwards', () => {
  const cluster = ready();
  cluster.kill('master');
  cluster.wipe('master');
  cluster.run(4_000);
  cluster.start('master');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 5_000);
  expect(cluster.messages('master')).toEqual(['kept']);
  acknowledge(cluster, 'next');
  cluster.runUntil('it is a voter', () => voters(cluster, 'master').length === 3);
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['kept', 'next']);
});

test('with its disk lost and one secondary away, the master waits and says for whom', () => {
  const cluster = ready();
  cluster.kill('master', 'secondary-2');
  cluster.wipe('master');
  cluster.start('master');
  cluster.run(20_000);
  expect(reigns(cluster, 'master')).toBe(false);
  expect(cluster.masterMachine.view.waitingFor(cluster.now)).toContain('secondary-2');
  cluster.start('secondary-2');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 5_000);
  expect(cluster.messages('master')).toEqual(['kept']);
});

test('a standby takes over when the holder dies, with the whole log, and the old master stands by when it returns', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.run(2_000);
  expect(cluster.masterOf('standby').view.phaseName).toBe('standby');
  const waiting = cluster.append('in flight', 3);
  cluster.kill('master');
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 10_000);
  expect(cluster.answerOf(waiting)).toBeNull();
  acknowledge(cluster, 'after', 'standby');
  cluster.runUntil('it is a voter, the old one is not', () => {
    const list = voters(cluster, 'standby');
    return list.length === 3 && list.includes('standby') && !list.includes('master');
  });
  cluster.start('master');
  cluster.run(3_000);
  expect(cluster.masterMachine.view.phaseName).toBe('standby');
  acknowledge(cluster, 'and on', 'standby');
});

test('a master that comes back to find another epoch is deposed, and its clients are told that it is not known', () => {
  const cluster = ready();
  cluster.start('standby');
  cluster.cut('master');
  const lost = cluster.append('only here', 1);
  const blocked = cluster.append('only here too', 3);
  cluster.runUntil('the standby reigns', () => reigns(cluster, 'standby'), 10_000);
  expect(cluster.answerOf(lost)).toBe('acknowledged');
  acknowledge(cluster, 'elsewhere', 'standby');

  cluster.kill('standby');
  cluster.reconnect('master');
  cluster.runUntil('the old one is deposed', () => cluster.answerOf(blocked) === 'deposed', 5_000);
  expect(cluster.answers.get(blocked)).toMatchObject({ stored: 'unknown' });
  cluster.start('standby');
  cluster.runUntil('somebody reigns', () => reigns(cluster, 'master') || reigns(cluster, 'standby'), 20_000);
  const holder = reigns(cluster, 'master') ? 'master' : 'standby';
  expect(cluster.messages(holder)).toEqual(['kept', 'elsewhere']);
});

test('everything in memory restarted begins anew, once every member of the settings was heard', () => {
  const cluster = ready({ inMemory: true });
  cluster.kill('master', 'secondary-1', 'secondary-2');
  for (const node of ['master', 'secondary-1', 'secondary-2']) cluster.wipe(node);
  cluster.start('master', 'secondary-1');
  cluster.run(20_000);
  expect(reigns(cluster, 'master')).toBe(false);
  expect(cluster.masterMachine.view.waitingFor(cluster.now)).toContain('secondary-2');
  cluster.start('secondary-2');
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 5_000);
  acknowledge(cluster, 'new');
  for (const node of ['master', 'secondary-1', 'secondary-2']) expect(cluster.messages(node)).toEqual(['new']);
});

test('a secondary with a new disk is caught up and takes the place of its former store among the voters', () => {
  const cluster = ready();
  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  const before = cluster.masterMachine.view.outline.newestConfiguration().members?.voters;
  cluster.start('secondary-1');
  cluster.runUntil('the list has its new store', () => {
    const list = cluster.masterMachine.view.outline.newestConfiguration().members?.voters ?? [];
    return list.length === 3 && list.some((voter) => !before?.some(({ store }) => store === voter.store));
  });
  expect(cluster.messages('secondary-1')).toEqual(['kept']);
  acknowledge(cluster, 'next');
});

test('a removed member is gone at once: n is smaller, also for those who wait, and so is its queue', () => {
  const cluster = ready();
  cluster.kill('secondary-2');
  const blocked = cluster.append('waits for the third', 3);
  cluster.run(1_000);
  expect(cluster.answerOf(blocked)).toBeNull();
  cluster.tellMaster('master', { type: 'remove', request: 1, node: 'secondary-2' });
  cluster.runUntil('it is removed', () => cluster.memberChanges.get(1) === 'done');
  cluster.runUntil('the waiter is answered at n', () => cluster.answerOf(blocked) === 'acknowledged');
  expect(cluster.answers.get(blocked)).toMatchObject({ w: 2, acks: ['master', 'secondary-1'] });
  cluster.runUntil('its queue is gone', () => [...cluster.broker.queues.keys()].join() === 'secondary-1', 1_000);
  expect(cluster.masterMachine.view.members).toEqual(['secondary-1']);
  cluster.tellMaster('master', { type: 'remove', request: 2, node: 'secondary-2' });
  expect(cluster.memberChanges.get(2)).toBe('unknown');
});

test('an unknown node becomes a member by joining where the membership is open, and gets the whole log', () => {
  const cluster = new SimCluster({ secondaries: ['secondary-1'], openMembership: true });
  cluster.start('master', 'secondary-1');
  cluster.runUntil('it takes appends', () => reigns(cluster, 'master'));
  acknowledge(cluster, 'early');
  cluster.start('guest');
  cluster.runUntil('it is a member', () => cluster.masterMachine.view.members.includes('guest'));
  acknowledge(cluster, 'late');
  expect(cluster.messages('guest')).toEqual(['early', 'late']);
});

test('an unknown node stays outside where the membership is closed', () => {
  const cluster = ready();
  cluster.start('guest');
  cluster.run(5_000);
  expect(cluster.masterMachine.view.members).toEqual(['secondary-1', 'secondary-2']);
  expect(cluster.messages('guest')).toEqual([]);
});

test('a majority lost for good is given up by force alone, and the list says so', () => {
  const cluster = ready();
  cluster.kill('master', 'secondary-2');
  cluster.wipe('master');
  cluster.wipe('secondary-2');
  cluster.start('master', 'secondary-2');
  cluster.run(20_000);
  expect(reigns(cluster, 'master')).toBe(false);
  cluster.runUntil('it has fetched what is left', () => cluster.force().state === 'ready', 10_000);
  cluster.runUntil('it reigns', () => reigns(cluster, 'master'), 10_000);
  expect(cluster.messages('master')).toEqual(['kept']);
  acknowledge(cluster, 'next');
  expect(cluster.messages('secondary-2')).toEqual(['kept', 'next']);
});

test.each([1, 2, 3, 4, 5, 6])('two masters and repeated deaths never lose what all had (seed %i)', (seed) => {
  const cluster = ready({ seed });
  cluster.start('standby');
  const acknowledged = ['kept'];
  for (let round = 0; round < 6; round += 1) {
    cluster.runUntil('somebody reigns', () => reigns(cluster, 'master') || reigns(cluster, 'standby'), 30_000);
    const holder = reigns(cluster, 'master') ? 'master' : 'standby';
    acknowledge(cluster, `round ${round}`, holder);
    acknowledged.push(`round ${round}`);
    cluster.append(`unanswered ${round}`, 1, null, holder);
    cluster.run(cluster.random.below(6));
    cluster.kill(holder);
    cluster.run(cluster.random.below(3_000));
    cluster.start(holder);
  }
  cluster.runUntil('somebody reigns', () => reigns(cluster, 'master') || reigns(cluster, 'standby'), 30_000);
  const holder = reigns(cluster, 'master') ? 'master' : 'standby';
  acknowledge(cluster, 'last', holder);
  const texts = cluster.messages(holder).filter((text) => !text.startsWith('unanswered'));
  expect(texts).toEqual([...acknowledged, 'last']);
  const isEqual = (node: string) => JSON.stringify(cluster.log(node)) === JSON.stringify(cluster.log(holder));
  cluster.runUntil('all have the last list, too', () => cluster.members.every(isEqual));
});
