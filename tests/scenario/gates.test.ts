/** When a master takes appends, and what it says when it does not. */
import type { WireMessage } from '#protocol/wire/messages';
import { SimCluster } from '../support/fakes/sim-cluster';

function refusal(cluster: SimCluster): string | null {
  return cluster.masterMachine.view.refusal(cluster.now)?.problem ?? null;
}

function acknowledge(cluster: SimCluster, message: string, w: number): void {
  cluster.runUntil('it takes appends', () => refusal(cluster) === null);
  const request = cluster.append(message, w);
  cluster.runUntil(`${message} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

test('a first start without secondaries is read-only and names them, and begins the log with the first that comes', () => {
  const cluster = new SimCluster();
  cluster.start('master');
  cluster.run(3_000);
  expect(cluster.masterMachine.view.refusal(cluster.now)).toMatchObject({
    problem: 'no-quorum',
    quorum: { required: 2, alive: 1 },
    missing: [{ id: 'secondary-1' }, { id: 'secondary-2' }],
  });
  cluster.start('secondary-1');
  cluster.runUntil('it takes appends', () => refusal(cluster) === null, 3_000);
  acknowledge(cluster, 'first', 2);
});

test('a master alone that was restarted before its log began still begins it with the first secondary', () => {
  const cluster = new SimCluster();
  cluster.start('master');
  cluster.run(2_000);
  cluster.kill('master');
  cluster.start('master');
  cluster.run(2_000);
  expect(refusal(cluster)).toBe('no-quorum');
  cluster.start('secondary-2');
  cluster.runUntil('it takes appends', () => refusal(cluster) === null, 3_000);
});

test('without quorum append a master reigns alone, again after a restart', () => {
  const cluster = new SimCluster({ quorumAppend: false });
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  acknowledge(cluster, 'together', 3);
  cluster.kill('secondary-1', 'secondary-2');
  cluster.run(5_000);
  acknowledge(cluster, 'alone', 1);
  cluster.kill('master');
  cluster.start('master');
  cluster.runUntil('it takes appends', () => refusal(cluster) === null, 3_000);
  acknowledge(cluster, 'and again', 1);
  expect(cluster.messages('master')).toEqual(['together', 'alone', 'and again']);
  cluster.start('secondary-1', 'secondary-2');
  acknowledge(cluster, 'together again', 3);
});

test('a list that lost a voter before it had it is refused by name, until an operator gives the lost store up', () => {
  const cluster = new SimCluster({ secondaries: ['secondary-1'] });
  cluster.start('master', 'secondary-1');
  cluster.runUntil(
    'both are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 2,
  );
  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  cluster.start('secondary-1');
  cluster.run(4_000);
  expect(refusal(cluster)).toBe('no-quorum');
  expect(cluster.masterMachine.view.refusal(cluster.now)?.detail).toContain('2 of the voters (master, secondary-1)');
  // The lock may have been given up meanwhile: then a force listens anew, for 3 s.
  cluster.runUntil('the force has listened', () => cluster.force().state === 'ready', 5_000);
  cluster.runUntil('it takes appends', () => refusal(cluster) === null, 5_000);
  acknowledge(cluster, 'next', 2);
  expect(cluster.messages('secondary-1')).toEqual(['next']);
  cluster.runUntil(
    'both are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 2,
  );
  expect(cluster.masterMachine.view.forcedEpoch).not.toBeNull();
});

test('a secondary of two whose disk was lost comes back by itself', () => {
  const cluster = new SimCluster({ secondaries: ['secondary-1'] });
  cluster.start('master', 'secondary-1');
  acknowledge(cluster, 'kept', 2);
  cluster.runUntil(
    'both are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 2,
  );
  cluster.run(1_000);
  cluster.kill('secondary-1');
  cluster.wipe('secondary-1');
  cluster.start('secondary-1');
  acknowledge(cluster, 'next', 2);
  expect(cluster.messages('secondary-1')).toEqual(['kept', 'next']);
});

test('an epoch near the end of all numbers is not believed', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil('it takes appends', () => refusal(cluster) === null);
  const log = cluster.masterMachine.view.identity;
  const forged = { epoch: Number.MAX_SAFE_INTEGER, reign: 'f'.repeat(16), log };
  const positions = { headIndex: 9, head: 9, commit: 9, removed: [], httpUrl: '' };
  const message: WireMessage = { type: 'announce', ...forged, node: 'master', ...positions };
  cluster.tellSecondary('secondary-1', { type: 'wire', message, replyTo: null, fail: false });
  expect(cluster.secondary('secondary-1').epoch).toBeLessThan(10);
  const beat = { type: 'leave', ...forged, node: 'secondary-2' } as const;
  cluster.tellMaster('master', { type: 'wire', message: beat, replyTo: null });
  cluster.run(2_000);
  expect(cluster.masterMachine.view.epoch.epoch).toBeLessThan(10);
  acknowledge(cluster, 'goes on', 3);
});

test('secondaries that are slow for long make no master let go of the lock', () => {
  const cluster = new SimCluster();
  cluster.start('master', 'secondary-1', 'secondary-2');
  cluster.runUntil(
    'all are voters',
    () => cluster.masterMachine.view.outline.newestConfiguration().members?.voters.length === 3,
  );
  for (const node of cluster.members) cluster.delay(node, 20_000);
  const request = cluster.append('slow', 'all');
  for (let half = 0; half < 30; half += 1) {
    cluster.run(500);
    expect(cluster.masterMachine.view.link.connected).toBe(true);
  }
  expect(cluster.answerOf(request)).toBeNull();
  cluster.runUntil('it is acknowledged', () => cluster.answerOf(request) === 'acknowledged', 30_000);
});
