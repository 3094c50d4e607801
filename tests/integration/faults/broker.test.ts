/**
 * A broker that goes away and comes back, as a process: restarted, killed, down for long, there
 * later than the nodes, without its data. It is one of this file's own, and the nodes share one
 * cluster where they can, so that each fault also meets what those before it have left. Each test
 * ends with all logs equal, nothing missing, nothing twice, and everything acknowledged where it
 * was said to be; where the master's data is lost too, everything that a majority held
 * (promised.ts).
 *
 * The broker is down for 20 s and late by 10 s, where an operator would say a minute: every backoff
 * has reached its longest by then.
 */
import { rmSync } from 'node:fs';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { onShared, RealCluster } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import { launchOwnBroker } from '#tests/support/real/own-broker';
import type { OwnBroker } from '#tools/broker/own-broker';
import { expectPromised } from './promised';

const TEST_MS = 120_000;
const LATE_MS = 10_000;
const DOWN_MS = 20_000;
const SESSION = 'the session with the broker is set up';
const WAITS = 'w>1 waits; 503 no-quorum once the secondaries are silent';

let broker: OwnBroker;
let cluster: RealCluster;
let clients: Clients;

beforeAll(async () => {
  broker = await launchOwnBroker('rlog-faults');
  cluster = new RealCluster({ brokerUrl: broker.amqpUrl });
  clients = new Clients(() => cluster.master);
}, TEST_MS);

afterAll(async () => {
  await cluster?.end();
  await broker?.stop();
}, TEST_MS);

function withCluster(play: () => Promise<void>) {
  return onShared(() => cluster, play);
}

/** Appends are on their way, and the cluster is well. */
async function atWork(): Promise<void> {
  await started();
  clients.keepAppending();
  await clients.append('all');
}

/** The first test that runs finds no nodes. */
async function started(): Promise<void> {
  if (cluster.nodes.length === 0) await cluster.start();
  await cluster.ready(cluster.master);
}

/** @param toldBeforeLoss acknowledgements that had come when the master lost its store */
async function expectRecovered(toldBeforeLoss = 0): Promise<void> {
  await clients.append('all');
  await clients.stop();
  await expectPromised(cluster, clients, toldBeforeLoss);
  await cluster.ready(cluster.master);
}

async function untilPassed(ms: number, since: number): Promise<void> {
  await eventually(`${ms} ms have passed`, () => expect(performance.now() - since).toBeGreaterThan(ms));
}

/** How many sessions with a broker each node has had. */
function sessions(): number[] {
  return cluster.nodes.map(({ process }) => process.linesOf(SESSION).length);
}

async function untilNewSessions(before: readonly number[]): Promise<void> {
  await eventually('every node has a new session', () => {
    for (const [at, count] of sessions().entries()) expect(count).toBeGreaterThan(before[at] ?? 0);
  });
}

it(
  'a broker that starts later than the nodes is found by all of them',
  withCluster(async () => {
    await broker.halt();
    const starts = cluster.secondaryIds.map((id) => cluster.startSecondary(id));
    const [master] = await Promise.all([cluster.startMaster(), ...starts]);
    const watch = FaultWatch.begin('broker: started 10 s after the nodes');
    const startedAt = performance.now();
    const refused = await master.post({ message: 'refused', id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/recovering', stored: false });
    await untilPassed(LATE_MS, startedAt);
    for (const { process } of cluster.nodes) expect(process.isRunning).toBe(true);
    expect(await master.health()).toMatchObject({
      status: 'recovering',
      waitingFor: expect.stringContaining('the broker'),
    });
    await broker.start();
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await expectRecovered();
    watch.converged({ clientSees: '503 recovering', broughtBackBy: 'connections tried again, at most 5 s apart' });
  }),
  TEST_MS,
);

it(
  'a broker that is restarted while nothing happens is connected to again, in the same epoch',
  withCluster(async () => {
    await started();
    const { epoch } = await cluster.master.health();
    const before = sessions();
    const watch = FaultWatch.begin('broker: restart, idle');
    await broker.halt();
    await broker.start();
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await untilNewSessions(before);
    await expectRecovered();
    watch.converged({ clientSees: WAITS, broughtBackBy: 'new sessions; the master goes on in its epoch' });
    expect(await cluster.master.health()).toMatchObject({ epoch, status: 'ok' });
  }),
  TEST_MS,
);

it(
  'a broker that is killed under load loses nothing that matters: what it has not confirmed is published again',
  withCluster(async () => {
    await atWork();
    const { epoch } = await cluster.master.health();
    const watch = FaultWatch.begin('broker: kill -9 under load');
    const inFlight = clients.burst(100, 'all');
    await broker.kill();
    await broker.start();
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await inFlight;
    await expectRecovered();
    expect(await cluster.master.health()).toMatchObject({ epoch });
    watch.converged({ clientSees: WAITS, broughtBackBy: 'new sessions, unconfirmed batches published again' });
  }),
  TEST_MS,
);

it(
  'while the broker is down the log can be read, is read-only, and says why; who waits goes on waiting',
  withCluster(async () => {
    await atWork();
    await broker.kill();
    const watch = FaultWatch.begin('broker: down for 20 s under load');
    const downAt = performance.now();
    await eventually('it is read-only', async () => {
      const { status, readOnly, broker: link } = await cluster.master.health();
      expect({ status, readOnly, link }).toMatchObject({
        status: 'read-only',
        readOnly: true,
        link: { connected: false },
      });
    });
    const refused = await cluster.master.post({ message: 'refused', id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/no-quorum', stored: false });
    expect(refused.headers['retry-after']).toBeDefined();
    for (const node of cluster.nodes) expect((await node.entries()).length).toBeGreaterThan(0);
    await untilPassed(DOWN_MS, downAt);
    for (const { process } of cluster.nodes) expect(process.isRunning).toBe(true);
    await broker.start();
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await expectRecovered();
    watch.converged({ clientSees: WAITS, broughtBackBy: 'connections tried again, at most 5 s apart' });
  }),
  TEST_MS,
);

it(
  'a broker that has lost all its data is given what it needs, and the logs are as they were',
  withCluster(async () => {
    await atWork();
    await cluster.node('secondary-1').kill();
    await clients.burst(50, 2);
    const watch = FaultWatch.begin('broker: all its data deleted, with a backlog of a stopped secondary in it');
    await broker.kill();
    await broker.wipe();
    await broker.start();
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await cluster.startSecondary('secondary-1');
    await expectRecovered();
    watch.converged({ clientSees: WAITS, broughtBackBy: 'the master declares everything anew; fetches' });
    const queue = cluster.topology.entriesQueue('secondary-1');
    const { consumerCount } = await cluster.onBroker((channel) => channel.checkQueue(queue));
    expect(consumerCount).toBe(1);
  }),
  TEST_MS,
);

it(
  'with the data of the broker and of the master gone at once the log is that of the secondaries, with all that a majority held',
  withCluster(async () => {
    await atWork();
    const watch = FaultWatch.begin("broker: all its data and the master's deleted");
    await cluster.master.kill();
    await broker.kill();
    await broker.wipe();
    rmSync(cluster.dataDirOf('master'), { recursive: true });
    await Promise.all([broker.start(), cluster.startMaster()]);
    const toldBeforeLoss = clients.acknowledged.length;
    watch.liftedBeforeWritable();
    await clients.append('majority');
    watch.writable();
    await expectRecovered(toldBeforeLoss);
    watch.converged({ clientSees: '503 recovering', broughtBackBy: 'the log of a secondary, fetched; votes of both' });
  }),
  TEST_MS,
);
