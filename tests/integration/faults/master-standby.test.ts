/**
 * Two masters of one log, on real processes: one reigns, the other stands by and takes over when
 * the holder dies or freezes; what was fenced comes back as a standby. Each test ends with all logs
 * equal, nothing missing, nothing twice, and everything acknowledged where it was said to be, as
 * far as a majority held it when the other took over (promised.ts). A standby follows no log, so it
 * is compared once it reigns.
 */

import { expectConverged } from '#tests/support/checks/converged';
import { booksOf, Witnesses } from '#tests/support/checks/witnesses';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { onCluster, type RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import type { LogLine } from '#tests/support/real/process';
import { expectPromised } from './promised';

const TEST_MS = 90_000;
const MASTERS = ['master', 'master-2'] as const;

/** Ten seconds are promised for a takeover; the tests' machine may be busy with something else. */
const TAKEOVER_MS_MAX = 20_000;

/**
 * Starts both masters at once, and the secondaries; resolves with the one that reigns, and the
 * other. One of them may begin the log.
 */
async function startBoth(cluster: RealCluster): Promise<{ holder: RealNode; standby: RealNode }> {
  const secondaries = cluster.secondaryIds.map((id) => cluster.startSecondary(id));
  const [first, second] = MASTERS;
  const starts = [cluster.startMaster({ NODE_ID: first }), cluster.startMaster({ NODE_ID: second, STANDBY: 'true' })];
  const [masters] = await Promise.all([Promise.all(starts), ...secondaries]);
  const both = await eventually('one reigns, the other stands by', async () => {
    const found = await Promise.all(masters.map(async (node) => ({ node, health: await node.health() })));
    const holder = found.find(({ health }) => health.status === 'ok')?.node;
    const standby = found.find(({ health }) => health.status === 'standby' && health.holder === holder?.id)?.node;
    if (holder === undefined || standby === undefined)
      throw new Error(JSON.stringify(found.map(({ health }) => health)));
    return { holder, standby };
  });
  await cluster.ready(both.holder);
  await cluster.untilAllVote(both.holder);
  return both;
}

/** A client that knows both addresses tries them in turn. */
function inTurn(cluster: RealCluster): () => RealNode {
  let turn = 0;
  return () => {
    turn += 1;
    return cluster.node(MASTERS[turn % 2] ?? 'master');
  };
}

async function expectStandby(node: RealNode, holder: RealNode): Promise<void> {
  await eventually(`${node.id} stands by`, async () =>
    expect(await node.health()).toMatchObject({ status: 'standby', holder: holder.id, holderUrl: holder.url }),
  );
  const refused = await node.post({ message: 'refused', id: `refused-by-${node.id}`, w: 1 });
  expect(refused.status).toBe(503);
  expect(refused.json()).toMatchObject({ type: '/problems/standby', stored: false });
  expect(refused.headers['retry-after']).toBeDefined();
  expect([200, 503]).toContain((await node.get('/messages')).status);
  expect((await node.get('/readyz')).status).toBe(503);
}

/** The logs of whoever reigns and of the secondaries. */
function reignOf(cluster: RealCluster, master: RealNode) {
  return { agreed: () => cluster.agreed(undefined, [master, ...cluster.secondaryIds.map((id) => cluster.node(id))]) };
}

it(
  'of two masters one reigns; when it is killed the other takes over, and back, and retries with an id make one entry',
  onCluster({}, async (cluster) => {
    const { holder, standby } = await startBoth(cluster);
    await expectStandby(standby, holder);
    const clients = new Clients(inTurn(cluster));
    clients.keepAppending([1, 2, 2, 'all', 'all']);
    await clients.burst(50, 'all');
    const watch = FaultWatch.begin('master: kill -9 with a standby');
    watch.lifted();
    await takeOver(holder, standby);
    const toldByFirst = clients.acknowledged.length;
    await clients.append('majority');
    watch.writable();
    await clients.append('all');
    await clients.stop();
    await expectPromised(reignOf(cluster, standby), clients, toldByFirst);
    watch.converged({
      clientSees: 'no answer, 503 standby, 503 recovering; retries with the id make one entry',
      broughtBackBy: 'the standby: it gets the lock, the log and the votes of both secondaries',
    });

    const back = await cluster.startMaster({ NODE_ID: holder.id });
    await expectStandby(back, standby);
    clients.keepAppending([1, 2, 2, 'all', 'all']);
    await clients.burst(50, 'all');
    await takeOver(standby, back);
    const toldByBoth = clients.acknowledged.length;
    await clients.append('all');
    await clients.stop();
    await expectPromised(reignOf(cluster, back), clients, toldByBoth);
  }),
  TEST_MS,
);

async function takeOver(holder: RealNode, standby: RealNode): Promise<void> {
  const killedAt = performance.now();
  await holder.kill();
  await eventually('the standby reigns', async () => expect((await standby.get('/readyz')).status).toBe(200));
  expect(performance.now() - killedAt).toBeLessThan(TAKEOVER_MS_MAX);
}

it(
  'a master that is frozen is succeeded, and when it is thawed it is fenced: who waited there is told, and it stands by',
  onCluster({ env: { AMQP_HEARTBEAT_S: '1' } }, async (cluster) => {
    const { holder, standby } = await startBoth(cluster);
    const reign = await holder.health();
    const witnesses = new Witnesses();
    await witnesses.askMany(holder, 20, ['all']);
    await setPaused(cluster, true);
    const waiting = Promise.all([witnesses.ask(holder, 2), witnesses.ask(holder, 'all')]);
    await eventually('it has what they sent', async () => expect(await holder.entries()).toHaveLength(22));

    const watch = FaultWatch.begin("master: SIGSTOP with a standby, for longer than the broker's heartbeat; SIGCONT");
    holder.process.signal('SIGSTOP');
    await untilFollowed(cluster, standby, reign.epoch);
    await setPaused(cluster, false);
    const clients = new Clients(() => standby);
    await clients.append('majority');
    watch.writable();
    clients.keepAppending();
    expect(witnesses.unknown).toEqual([]);

    watch.lifted();
    holder.process.signal('SIGCONT');
    await waiting;
    expect(witnesses.unknown.map(({ why }) => why)).toEqual(['deposed', 'deposed']);
    await expectStandby(holder, standby);
    await witnesses.retryUnknown(standby, 'all');
    await clients.append('all');
    await clients.stop();
    const books = booksOf(clients, witnesses);
    witnesses.expectTrue(await expectConverged(reignOf(cluster, standby), books));
    watch.converged({
      clientSees: 'no answer; those that waited there: 503 deposed, stored: unknown',
      broughtBackBy: "the broker's heartbeat, which frees the lock; the epoch, which fences the old master",
    });

    await standby.kill();
    await eventually('the old one reigns', async () => expect((await holder.get('/readyz')).status).toBe(200));
    const cut = await holder.process.line(
      'its cut',
      ({ msg }) => msg === 'truncates records that were never committed',
    );
    expect(cut).toMatchObject({ afterSeq: 20, lastSeq: 22 });
    await expectConverged(reignOf(cluster, holder), books);
  }),
  TEST_MS,
);

/** Until both secondaries have voted for this master in an epoch after that one. */
async function untilFollowed(cluster: RealCluster, { id: master }: RealNode, after: number): Promise<void> {
  for (const id of cluster.secondaryIds) {
    const isVote = ({ msg, peer, epoch }: LogLine) => msg === 'votes' && peer === master && Number(epoch) > after;
    await cluster.node(id).process.line(`its vote for ${master}`, isVote);
  }
}

/**
 * Secondaries that are paused vote and beat, and take no entries. Resolves when the broker hands
 * them none any more.
 */
async function setPaused(cluster: RealCluster, paused: boolean): Promise<void> {
  await Promise.all(cluster.secondaryIds.map((id) => cluster.node(id).setFaults({ paused })));
  if (!paused) return;
  await cluster.onBroker(async (channel) => {
    for (const id of cluster.secondaryIds) {
      const consumers = async () => (await channel.checkQueue(cluster.topology.entriesQueue(id))).consumerCount;
      await eventually(`${id} consumes nothing`, async () => expect(await consumers()).toBe(0));
    }
  });
}
