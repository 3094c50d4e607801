/**
 * What a client is told, and whether it is true: while disks are full, nodes are slow or away, and
 * after its master died.
 */
import { decodeWire, encodeWire } from '#protocol/wire/codec';
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

/** Three nodes, all of them voters. */
function ready(options: SimOptions = {}): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  const voters = () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length;
  cluster.runUntil('all are voters', () => voters() === cluster.members.length + 1);
  cluster.runUntil('it takes appends', () => takesAppends(cluster));
  return cluster;
}

function takesAppends(cluster: SimCluster): boolean {
  return cluster.masterMachine.view.refusal(cluster.now) === null;
}

function awaitAnswer(cluster: SimCluster, request: number, answer: string, ms = 5_000): void {
  cluster.runUntil(`request ${request} is answered`, () => cluster.answerOf(request) !== null, ms);
  expect(cluster.answerOf(request)).toBe(answer);
}

test('each write concern is answered after as many secondaries as it needs, the slowest last', () => {
  const cluster = ready();
  cluster.delay('secondary-1', 200);
  cluster.delay('secondary-2', 1_000);
  const began = cluster.now;
  const requests = ([1, 2, 'majority', 3, 'all'] as const).map((w) => cluster.append(`w=${w}`, w));
  const after = new Map<number, number>();
  cluster.runUntil('all are answered', () => {
    for (const request of requests)
      if (cluster.answerOf(request) === 'acknowledged' && !after.has(request)) after.set(request, cluster.now - began);
    return after.size === requests.length;
  });
  const [one = 0, two = 0, majority = 0, three = 0, all = 0] = requests.map((request) => after.get(request));
  expect(one).toBeLessThan(50);
  for (const fast of [two, majority]) expect([fast >= 200, fast < 300]).toEqual([true, true]);
  for (const slow of [three, all]) expect([slow >= 1_000, slow < 1_100]).toEqual([true, true]);
});

test('what a full disk refuses never appears, what was there stays, and it works again once there is room', () => {
  const cluster = ready();
  const kept = cluster.append('kept', 'all');
  awaitAnswer(cluster, kept, 'acknowledged');
  cluster.fullDisks.add('master');
  const refused = ['lost 1', 'lost 2', 'lost 3'].map((message) => cluster.append(message, 1));
  for (const request of refused) awaitAnswer(cluster, request, 'storage');
  cluster.run(2_000);
  expect(cluster.messages('master')).toEqual(['kept']);
  cluster.fullDisks.delete('master');
  awaitAnswer(cluster, cluster.append('next', 'all'), 'acknowledged');
  for (const node of ['master', ...cluster.members]) expect(cluster.messages(node)).toEqual(['kept', 'next']);
});

test('a client whose time is up before its entry was durable is told what became of it', () => {
  const cluster = ready();
  cluster.slowStore('master', 500);
  const stored = cluster.append('stored', 3);
  cluster.giveUp(stored, 'timeout');
  expect(cluster.answerOf(stored)).toBeNull();
  awaitAnswer(cluster, stored, 'write-concern-timeout');
  expect(cluster.answers.get(stored)).toMatchObject({ stored: true, seq: 1 });
  cluster.fullDisks.add('master');
  const lost = cluster.append('lost', 3);
  cluster.giveUp(lost, 'timeout');
  awaitAnswer(cluster, lost, 'storage');
  cluster.run(2_000);
  for (const node of ['master', ...cluster.members]) expect(cluster.messages(node)).toEqual(['stored']);
});

test('a timeout ends the waiting and nothing else: the entry reaches the node that was away', () => {
  const cluster = ready();
  cluster.kill('secondary-2');
  const request = cluster.append('text', 3);
  cluster.run(1_000);
  cluster.giveUp(request, 'timeout');
  expect(cluster.answers.get(request)).toMatchObject({ problem: 'write-concern-timeout', stored: true, w: 3 });
  expect(cluster.answers.get(request)).toMatchObject({ acks: ['master', 'secondary-1'] });
  cluster.start('secondary-2');
  cluster.runUntil('it is there', () => cluster.messages('secondary-2').includes('text'));
});

test('past the limit of bytes in flight appends are refused, and what was taken is not dropped', () => {
  const cluster = ready({ inFlightBytesMax: 2_000 });
  cluster.stopBroker();
  const requests = Array.from({ length: 60 }, (_, at) => {
    cluster.run(5);
    return cluster.append(`m${at + 1}`, 'all');
  });
  const refused = requests.filter((request) => cluster.answerOf(request) === 'overloaded');
  expect(refused.length).toBeGreaterThan(10);
  expect(refused.length).toBeLessThan(60);
  cluster.startBroker();
  const taken = requests.filter((request) => !refused.includes(request));
  cluster.runUntil('what was taken is answered', () =>
    taken.every((request) => cluster.answerOf(request) === 'acknowledged'),
  );
  awaitAnswer(cluster, cluster.append('after', 'all'), 'acknowledged');
  const expected = [...taken.map((request) => `m${requests.indexOf(request) + 1}`), 'after'];
  for (const node of ['master', ...cluster.members]) expect(cluster.messages(node)).toEqual(expected);
});

test('five hundred clients that wait for an absent node cost the next append nothing', () => {
  const cluster = ready();
  cluster.kill('secondary-2');
  const blocked = Array.from({ length: 500 }, (_, at) => cluster.append(`blocked ${at}`, 3));
  cluster.run(500);
  const quick = cluster.append('quick', 2);
  awaitAnswer(cluster, quick, 'acknowledged', 30);
  expect(blocked.filter((request) => cluster.answerOf(request) !== null)).toEqual([]);
  cluster.start('secondary-2');
  cluster.runUntil('all are released', () => blocked.every((request) => cluster.answerOf(request) === 'acknowledged'));
});

test('an entry that only the dead master had on its disk is the log of its next reign, under the same seq', () => {
  const cluster = ready();
  cluster.cut('master');
  const alone = cluster.append('alone', 1);
  awaitAnswer(cluster, alone, 'acknowledged');
  cluster.kill('master');
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual([]);
  cluster.reconnect('master');
  cluster.start('master');
  cluster.runUntil('it takes appends', () => takesAppends(cluster));
  awaitAnswer(cluster, cluster.append('next', 'all'), 'acknowledged');
  for (const node of cluster.members) expect(cluster.messages(node)).toEqual(['alone', 'next']);
});

test('the tail that nobody else had gives way to the log of the one who took over, and no committed entry does', () => {
  const cluster = ready();
  awaitAnswer(cluster, cluster.append('committed', 'all'), 'acknowledged');
  cluster.start('standby');
  cluster.cut('master');
  awaitAnswer(cluster, cluster.append('tail', 1), 'acknowledged');
  cluster.kill('master');
  const reigns = (node: string) => cluster.isUp(node) && cluster.masterOf(node).view.refusal(cluster.now) === null;
  cluster.runUntil('the standby reigns', () => reigns('standby'), 20_000);
  const over = cluster.append('taken over', 2, null, 'standby');
  awaitAnswer(cluster, over, 'acknowledged');
  cluster.kill('standby');
  cluster.reconnect('master');
  cluster.start('master');
  cluster.runUntil('the old master reigns again', () => reigns('master'), 120_000);
  expect(cluster.messages('master')).toEqual(['committed', 'taken over']);
});

test('the same id after the master died is the same entry, and a second message under it a conflict', () => {
  const cluster = ready();
  cluster.kill('secondary-1', 'secondary-2');
  cluster.append('text', 3, 'order-1');
  cluster.run(50);
  cluster.kill('master');
  cluster.start('master', ...cluster.members);
  cluster.runUntil('it takes appends', () => takesAppends(cluster), 20_000);
  awaitAnswer(cluster, cluster.append('text', 3, 'order-1'), 'acknowledged');
  awaitAnswer(cluster, cluster.append('other', 1, 'order-1'), 'id-conflict');
  for (const node of ['master', ...cluster.members]) expect(cluster.messages(node)).toEqual(['text']);
});

test('a queue that is purged or deleted loses nothing', () => {
  const cluster = ready();
  cluster.kill('secondary-1');
  const requests = [cluster.append('one', 2), cluster.append('two', 2)];
  for (const request of requests) awaitAnswer(cluster, request, 'acknowledged');
  cluster.broker.purge('secondary-1');
  cluster.start('secondary-1');
  cluster.runUntil('it has fetched what was purged', () => cluster.messages('secondary-1').length === 2, 5_000);
  cluster.world.deleteQueue('secondary-1');
  awaitAnswer(cluster, cluster.append('three', 3), 'acknowledged', 20_000);
  expect(cluster.messages('secondary-1')).toEqual(['one', 'two', 'three']);
});

/** A secondary follows a higher epoch: the master's reign is over. */
function depose(cluster: SimCluster): void {
  const { epoch } = cluster.masterMachine.view.epoch;
  const { store } = cluster.world.diskOf('secondary-1');
  const log = cluster.masterMachine.view.identity;
  const { lastIndex, lastEpoch, lastReign, lastSeq } = cluster.secondary('secondary-1').outline;
  const end = { lastIndex, lastEpoch, lastReign, lastLog: log, lastSeq };
  const follows = { epoch: epoch + 1, reign: 'other', log, node: 'secondary-1', store } as const;
  const join = { type: 'join', ...follows, ...end, storeKind: 'disk', httpUrl: '' } as const;
  cluster.tellMaster('master', { type: 'wire', message: decodeWire('join', encodeWire(join)), replyTo: null });
}

test('a retry does not hear that its entry is in no log while the entry waits to be stored', () => {
  const cluster = ready();
  cluster.slowStore('master', 500);
  cluster.append('first', 1);
  cluster.run(5);
  const asked = cluster.append('text', 1, 'order-1');
  depose(cluster);
  expect(cluster.answerOf(asked)).toBe('deposed');
  const retry = cluster.append('text', 1, 'order-1');
  expect(cluster.answers.get(retry)).toMatchObject({ problem: 'recovering', stored: 'unknown' });
  cluster.runUntil('it takes appends', () => takesAppends(cluster), 20_000);
  awaitAnswer(cluster, cluster.append('text', 'all', 'order-1'), 'acknowledged');
  expect(cluster.messages('master')).toEqual(['first', 'text']);
});

test('a retry whose entry is read while the reign ends is told that it may be kept or cut', () => {
  const cluster = ready();
  awaitAnswer(cluster, cluster.append('text', 'all', 'order-1'), 'acknowledged');
  const retry = cluster.append('text', 1, 'order-1');
  depose(cluster);
  expect(cluster.answerOf(retry)).toBeNull();
  cluster.run(5);
  expect(cluster.answers.get(retry)).toMatchObject({ problem: 'recovering', stored: 'unknown' });
  cluster.runUntil('it takes appends', () => takesAppends(cluster), 20_000);
  awaitAnswer(cluster, cluster.append('text', 'all', 'order-1'), 'acknowledged');
  expect(cluster.messages('master')).toEqual(['text']);
});

test('an id is free again when its entry could not be stored', () => {
  const cluster = ready();
  cluster.fullDisks.add('master');
  awaitAnswer(cluster, cluster.append('lost', 1, 'order-1'), 'storage');
  cluster.fullDisks.delete('master');
  awaitAnswer(cluster, cluster.append('other', 'all', 'order-1'), 'acknowledged');
  expect(cluster.messages('master')).toEqual(['other']);
});
