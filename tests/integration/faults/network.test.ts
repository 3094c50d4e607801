/**
 * What the network between a node and the broker may do, through a TCP proxy of the tests: cut a
 * connection, swallow it without a FIN, delay it, throttle it. Once at a secondary's link and once
 * at the master's; clients append meanwhile. Each test ends with all logs equal, nothing missing,
 * nothing twice, and everything acknowledged where it was said to be.
 *
 * The nodes of a file share one cluster, so that each fault also meets the log that the faults
 * before it have left.
 */

import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { brokerUrl, onShared, RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import { TcpProxy } from '#tests/support/real/tcp-proxy';

const TEST_MS = 60_000;
const SECONDARY = 'secondary-1';
const SETTINGS = { AMQP_HEARTBEAT_S: '2' };
const SESSION = 'the session with the broker is set up';
const GOES_ON = 'nothing: w=1 and majority go on, w=all waits';

const cluster = new RealCluster({ env: SETTINGS });
const clients = new Clients(() => cluster.master);
let masterLink: TcpProxy;
let secondaryLink: TcpProxy;
let setbacksBefore = 0;

beforeAll(async () => {
  [masterLink, secondaryLink] = await Promise.all([TcpProxy.open(brokerUrl()), TcpProxy.open(brokerUrl())]);
  await Promise.all([
    cluster.startMaster({ AMQP_URL: masterLink.url }),
    cluster.startSecondary(SECONDARY, { AMQP_URL: secondaryLink.url }),
    cluster.startSecondary('secondary-2'),
  ]);
  await cluster.ready(cluster.master);
  await cluster.untilAllVote();
}, TEST_MS);

afterAll(async () => {
  await cluster.end();
  await Promise.all([masterLink.close(), secondaryLink.close()]);
}, TEST_MS);

function sessionsOf(node: RealNode): number {
  return node.process.linesOf(SESSION).length;
}

async function newSession(node: RealNode, before: number): Promise<void> {
  await eventually(`${node.id} has a new session`, () => expect(sessionsOf(node)).toBeGreaterThan(before));
}

/** Appends are on their way, and the cluster is well. */
async function atWork(): Promise<void> {
  await cluster.ready(cluster.master);
  setbacksBefore = clients.setbacks.length;
  clients.keepAppending();
  await clients.append('all');
}

/** For the table: what is always so, and the refusals that there were this time. */
function clientSees(always: string): string {
  const told = clients.toldSince(setbacksBefore);
  return told === '' ? always : `${always}; ${told}`;
}

async function expectRecovered(): Promise<void> {
  await clients.stop();
  await expectConverged(cluster, clients);
}

async function lagOf(id: string): Promise<number> {
  const { secondaries } = await cluster.master.health();
  return secondaries.find((each) => each.id === id)?.lag ?? 0;
}

describe("a secondary's link", () => {
  const secondary = () => cluster.node(SECONDARY);

  it.each([['RST'], ['FIN']] as const)(
    'is cut (%s): it connects again and is brought what it missed',
    onShared(
      () => cluster,
      async (how: 'RST' | 'FIN') => {
        await atWork();
        const before = sessionsOf(secondary());
        const watch = FaultWatch.begin(`network: secondary's connections cut (${how})`);
        secondaryLink.cut(how);
        watch.lifted();
        await clients.append('majority');
        watch.writable();
        await newSession(secondary(), before);
        await expectRecovered();
        watch.converged({ clientSees: clientSees(GOES_ON), broughtBackBy: 'a new session, its queue' });
      },
    ),
    TEST_MS,
  );

  it(
    'is half-open: both ends notice by heartbeats and meet again',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const before = sessionsOf(secondary());
        const watch = FaultWatch.begin("network: secondary's connections half-open (no FIN), later ones too");
        secondaryLink.partition();
        await clients.append('majority');
        watch.writable();
        await cluster.untilStatus(SECONDARY, 'Unhealthy');
        await eventually('it has noticed', async () =>
          expect(await secondary().health()).toMatchObject({ status: 'disconnected' }),
        );
        watch.lifted();
        secondaryLink.heal();
        await newSession(secondary(), before);
        await expectRecovered();
        watch.converged({ clientSees: clientSees(GOES_ON), broughtBackBy: 'heartbeats, a new session, its queue' });
      },
    ),
    TEST_MS,
  );

  it(
    'is late by two seconds: it follows, later',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const watch = FaultWatch.begin("network: secondary's link delayed by 2 s");
        secondaryLink.slow({ delayMs: 2_000 });
        await clients.append('majority');
        watch.writable();
        const { elapsedMs } = await clients.append('all');
        expect(elapsedMs).toBeGreaterThanOrEqual(4_000);
        watch.lifted();
        secondaryLink.heal();
        await expectRecovered();
        watch.converged({
          clientSees: clientSees('w=all takes 4 s and more, w=1 and majority as ever'),
          broughtBackBy: 'nothing',
        });
      },
    ),
    TEST_MS,
  );

  it(
    'carries 1 KiB a second: it falls behind and catches up',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const watch = FaultWatch.begin("network: secondary's link at 1 KiB/s");
        secondaryLink.slow({ bytesPerSecond: 1024 });
        await clients.append('majority');
        watch.writable();
        await eventually('it is behind', async () => expect(await lagOf(SECONDARY)).toBeGreaterThan(50));
        watch.lifted();
        secondaryLink.heal();
        await expectRecovered();
        watch.converged({ clientSees: clientSees(GOES_ON), broughtBackBy: 'its queue; fetches for what was late' });
      },
    ),
    TEST_MS,
  );
});

describe("the master's link", () => {
  it.each([['RST'], ['FIN']] as const)(
    'is cut (%s): it goes on in its epoch, and those who waited are answered',
    onShared(
      () => cluster,
      async (how: 'RST' | 'FIN') => {
        await atWork();
        const { epoch } = await cluster.master.health();
        const before = sessionsOf(cluster.master);
        const watch = FaultWatch.begin(`network: master's connections cut (${how})`);
        masterLink.cut(how);
        watch.lifted();
        await clients.append('majority');
        watch.writable();
        await newSession(cluster.master, before);
        await expectRecovered();
        expect(await cluster.master.health()).toMatchObject({ epoch });
        watch.converged({
          clientSees: clientSees('w>1 waits'),
          broughtBackBy: 'a new session, batches published again',
        });
      },
    ),
    TEST_MS,
  );

  it(
    'is half-open for the connections there were: heartbeats find out, the lock is freed and taken again',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const { epoch } = await cluster.master.health();
        const before = sessionsOf(cluster.master);
        const watch = FaultWatch.begin("network: master's connections half-open (no FIN), new ones work");
        masterLink.freeze();
        watch.lifted();
        await clients.append('majority');
        watch.writable();
        await newSession(cluster.master, before);
        await expectRecovered();
        expect(await cluster.master.health()).toMatchObject({ epoch });
        watch.converged({
          clientSees: clientSees('w>1 waits'),
          broughtBackBy: "heartbeats, the broker's end of the old session, a new one",
        });
      },
    ),
    TEST_MS,
  );

  it(
    'is half-open for new connections, too: read-only until the network is back',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const before = sessionsOf(cluster.master);
        const watch = FaultWatch.begin("network: master's connections half-open (no FIN), later ones too");
        masterLink.partition();
        await eventually('it is read-only', async () =>
          expect(await cluster.master.health()).toMatchObject({ readOnly: true }),
        );
        const refused = await cluster.master.post({ message: 'refused', id: `refused-${before}`, w: 1 });
        expect(refused.status).toBe(503);
        expect(refused.json()).toMatchObject({ type: '/problems/no-quorum', stored: false });
        expect(await cluster.master.entries()).not.toEqual([]);
        await eventually('it has noticed', async () =>
          expect(await cluster.master.health()).toMatchObject({ broker: { connected: false } }),
        );
        watch.liftedBeforeWritable();
        masterLink.heal();
        await clients.append('majority');
        watch.writable();
        await expectRecovered();
        watch.converged({
          clientSees: clientSees('reads go on'),
          broughtBackBy: 'a new session, batches published again',
        });
      },
    ),
    TEST_MS,
  );

  it(
    'is late by two seconds: appends are acknowledged, later',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const watch = FaultWatch.begin("network: master's link delayed by 2 s");
        masterLink.slow({ delayMs: 2_000 });
        const { elapsedMs } = await clients.append('all');
        watch.writable();
        expect(elapsedMs).toBeGreaterThanOrEqual(4_000);
        watch.lifted();
        masterLink.heal();
        await expectRecovered();
        watch.converged({ clientSees: clientSees('w>1 takes 4 s and more'), broughtBackBy: 'nothing' });
      },
    ),
    TEST_MS,
  );

  it(
    'carries 1 KiB a second: appends wait, and none is lost or done twice',
    onShared(
      () => cluster,
      async () => {
        await atWork();
        const watch = FaultWatch.begin("network: master's link at 1 KiB/s");
        masterLink.slow({ bytesPerSecond: 1024 });
        await clients.append('majority');
        watch.writable();
        await eventually('both are behind', async () => {
          expect(await lagOf(SECONDARY)).toBeGreaterThan(20);
          expect(await lagOf('secondary-2')).toBeGreaterThan(20);
        });
        watch.lifted();
        masterLink.heal();
        await expectRecovered();
        watch.converged({
          clientSees: clientSees('w>1 takes seconds'),
          broughtBackBy: 'batches published again, fetches',
        });
      },
    ),
    TEST_MS,
  );
});
