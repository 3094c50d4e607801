/**
 * What a master survives, on real processes: killed with appends in flight, restarted, its data
 * lost. Each test ends with all logs equal, nothing missing, nothing twice, and everything
 * acknowledged where it was said to be; where the master's store was lost, everything that a
 * majority held (promised.ts). Takeovers are in master-standby.test.ts.
 */
import { rmSync } from 'node:fs';
import { expectConverged } from '#tests/support/checks/converged';
import { booksOf, Witnesses } from '#tests/support/checks/witnesses';
import { eventually } from '#tests/support/eventually';
import { Clients, type WriteConcern } from '#tests/support/http/clients';
import { onCluster, type RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import type { LogLine, RealProcess } from '#tests/support/real/process';
import { expectPromised } from './promised';

const TEST_MS = 90_000;
const MIX: readonly WriteConcern[] = [1, 2, 'all'];
const RECOVERING = 'no answer, then 503 recovering; retries with the id are answered';

/**
 * Two seconds are promised from the last needed vote on; the tests' machine may be busy with
 * something else.
 */
const AFTER_VOTE_MS_MAX = 8_000;

/** A cluster at work: appends are on their way all the time. */
async function atWork(cluster: RealCluster): Promise<Clients> {
  await cluster.start();
  const clients = new Clients(() => cluster.master);
  clients.keepAppending();
  await clients.append('all');
  return clients;
}

/** @param toldBeforeLoss acknowledgements that had come when the master lost its store */
async function expectRecovered(cluster: RealCluster, clients: Clients, toldBeforeLoss = 0): Promise<void> {
  await clients.append('all');
  await clients.stop();
  await expectPromised(cluster, clients, toldBeforeLoss);
}

/**
 * From the vote that made the majority to the moment at which appends were taken, as the master's
 * log says.
 */
async function readyAfterVoteMs(process: RealProcess): Promise<number> {
  const reigns = await process.line('that it reigns', ({ msg }) => msg === 'reigns');
  const vote = process.lines.find(({ msg, granted, epoch }) => msg === 'a vote' && granted && epoch === reigns.epoch);
  const at = (line: LogLine | undefined) => Date.parse(String(line?.time));
  return at(reigns) - at(vote);
}

async function untilWaitingFor(master: RealNode, whom: RegExp): Promise<void> {
  await eventually(`it says that it waits for ${whom}`, async () => {
    const { status, waitingFor } = await master.health();
    expect(status).toBe('recovering');
    expect(waitingFor).toMatch(whom);
  });
}

it(
  'a master that is killed with 100 appends in flight has told no client anything but the truth',
  onCluster({}, async (cluster) => {
    await cluster.start();
    const witnesses = new Witnesses();
    const setDelay = (delayMs: number) =>
      Promise.all(cluster.secondaryIds.map((id) => cluster.node(id).setFaults({ delayMs })));
    await setDelay(300);
    const asked = witnesses.askMany(cluster.master, 100, MIX);
    await eventually('some are answered', () => expect(witnesses.acknowledged.length).toBeGreaterThan(10));
    const watch = FaultWatch.begin('master: kill -9 with 100 appends in flight');
    await cluster.master.kill();
    await asked;
    expect(witnesses.unknown.length).toBeGreaterThan(10);

    watch.liftedBeforeWritable();
    const again = await cluster.startMaster();
    await eventually('it takes appends', async () => {
      expect((await witnesses.ask(again, 'majority'))?.status).toBe(201);
    });
    watch.writable();
    expect(witnesses.refused.length).toBeGreaterThan(0);
    expect(witnesses.refused.filter(({ why }) => !['recovering', 'standby', 'no-quorum'].includes(why))).toEqual([]);
    await setDelay(0);
    witnesses.expectTrue(await expectConverged(cluster, witnesses));
    await witnesses.retryUnknown(again, 'all');
    expect(witnesses.unknown).toEqual([]);
    witnesses.expectTrue(await expectConverged(cluster, witnesses));
    watch.converged({ clientSees: RECOVERING, broughtBackBy: 'its log on disk, a vote; queues deliver the rest' });
  }),
  TEST_MS,
);

it(
  'a master that is killed under load and started again is ready soon after the vote that it needed',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    const watch = FaultWatch.begin('master: kill -9 under load, restart with its data');
    await cluster.master.kill();
    watch.liftedBeforeWritable();
    const again = await cluster.startMaster();
    await clients.append('majority');
    watch.writable();
    expect(await readyAfterVoteMs(again.process)).toBeLessThan(AFTER_VOTE_MS_MAX);
    await expectRecovered(cluster, clients);
    watch.converged({ clientSees: RECOVERING, broughtBackBy: 'its log on disk, a vote' });
    expect(new Set(clients.setbacks.map(({ stored }) => stored ?? 'unknown'))).not.toContain(true);
  }),
  TEST_MS,
);

it(
  'a cluster that lost power goes on when a majority is back: the master says for whom it waits, and refuses until then',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    const watch = FaultWatch.begin('master: all three nodes killed, started one after the other');
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    const again = await cluster.startMaster();
    await untilWaitingFor(again, /1 more vote from secondary-1, secondary-2/);
    const refused = await again.post({ message: 'refused', id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/recovering', stored: false });
    expect(refused.headers['retry-after']).toBeDefined();
    expect((await again.get('/readyz')).status).toBe(503);
    expect((await again.entries()).length).toBeGreaterThan(0);

    watch.liftedBeforeWritable();
    await cluster.startSecondary('secondary-1');
    await clients.append('majority');
    watch.writable();
    expect(await readyAfterVoteMs(again.process)).toBeLessThan(AFTER_VOTE_MS_MAX);
    await cluster.startSecondary('secondary-2');
    await expectRecovered(cluster, clients);
    watch.converged({ clientSees: '503 recovering, naming who is missing', broughtBackBy: 'the vote of a secondary' });
  }),
  TEST_MS,
);

it(
  'a master whose data folder is deleted waits for both secondaries, says so, and gets from them what a majority held',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    await clients.burst(100, 'all');
    const watch = FaultWatch.begin('master: data folder deleted, one secondary away');
    await Promise.all([cluster.master.kill(), cluster.node('secondary-2').kill()]);
    rmSync(cluster.dataDirOf('master'), { recursive: true });
    const again = await cluster.startMaster();
    const toldBeforeLoss = clients.acknowledged.length;
    await untilWaitingFor(again, /secondary-2/);

    watch.liftedBeforeWritable();
    await cluster.startSecondary('secondary-2');
    await clients.append('majority');
    watch.writable();
    expect(await readyAfterVoteMs(again.process)).toBeLessThan(AFTER_VOTE_MS_MAX);
    await expectRecovered(cluster, clients, toldBeforeLoss);
    watch.converged({
      clientSees: '503 recovering, naming who is missing',
      broughtBackBy: 'the log of the secondary that is furthest, fetched; votes of both secondaries',
    });
    await cluster.untilAllVote();
  }),
  TEST_MS,
);

it(
  'a master in memory mode gets from its secondaries what a majority held, after each of two crashes',
  onCluster({}, async (cluster) => {
    await Promise.all([
      cluster.startMaster({ LOG_STORE: 'memory' }),
      ...cluster.secondaryIds.map((id) => cluster.startSecondary(id)),
    ]);
    await cluster.ready(cluster.master);
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    clients.keepAppending();
    await clients.burst(50, 'all');
    const watch = FaultWatch.begin('master: kill -9 in memory mode');
    let toldBeforeLoss = 0;
    for (let crash = 1; crash <= 2; crash += 1) {
      await cluster.master.kill();
      if (crash === 1) watch.liftedBeforeWritable();
      await cluster.startMaster({ LOG_STORE: 'memory' });
      toldBeforeLoss = clients.acknowledged.length;
      await clients.append('majority');
      watch.writable();
      await cluster.untilAllVote();
    }
    await expectRecovered(cluster, clients, toldBeforeLoss);
    watch.converged({ clientSees: RECOVERING, broughtBackBy: 'the log of a secondary, fetched; votes of both' });
  }),
  TEST_MS,
);

it(
  'a cluster that is in memory altogether begins anew when all of it was restarted, and only then',
  onCluster({ env: { LOG_STORE: 'memory' } }, async (cluster) => {
    const before = new Witnesses('before');
    await cluster.start();
    await before.askMany(cluster.master, 10, ['all']);
    const watch = FaultWatch.begin('master: all nodes killed, all of them in memory mode');
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    const again = await cluster.startMaster();
    await cluster.startSecondary('secondary-1');
    await untilWaitingFor(again, /secondary-2/);
    watch.liftedBeforeWritable();
    await cluster.startSecondary('secondary-2');
    const clients = new Clients(() => cluster.master);
    await clients.append('majority');
    watch.writable();
    await clients.burst(10, 'all');
    const log = await expectConverged(cluster, booksOf(clients));
    expect(log).toHaveLength(11);
    watch.converged({
      clientSees: '503 recovering until all were heard; the log begins at 1',
      broughtBackBy: 'word from every member that it has no log: memory alone keeps nothing',
    });
  }),
  TEST_MS,
);
