/**
 * A broker that restrains the log: it throws everybody out, its memory alarm is on, somebody's
 * policy limits the queues, a queue is full. It is one of this file's own, with its tools and its
 * management API, which the master knows. Each test ends with all logs equal, nothing missing,
 * nothing twice, and everything acknowledged where it was said to be.
 */

import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { type MemberHealth, onShared, RealCluster } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import { ManagementApi, type Policy } from '#tests/support/real/management-api';
import { TEST_QUEUE_TYPE } from '#tests/support/real/process';
import { PrivateNode } from '../amqp/private-node';

const TEST_MS = 90_000;
const VICTIM = 'secondary-1';
const GOES_ON = 'nothing: w=1 and majority go on, w=all waits until it is back';
/** Of the broker's memory: below what it needs to run, and its default. */
const TOO_LOW = '0.00001';
const AS_EVER = '0.4';
/** Small enough to be filled by a test. */
const QUEUE_BYTES_MAX = 100_000;
const PADDING = 2_000;

let broker: PrivateNode;
let management: ManagementApi;
let cluster: RealCluster;
let clients: Clients;

beforeAll(async () => {
  const launched = await PrivateNode.launch();
  if (launched === null) throw new Error('these tests need rabbitmq-server on Linux');
  broker = launched;
  management = new ManagementApi(broker.management);
  const env = { MANAGEMENT_URL: broker.management, QUEUE_MAX_BYTES: String(QUEUE_BYTES_MAX) };
  cluster = new RealCluster({ brokerUrl: broker.url, env });
  clients = new Clients(() => cluster.master);
  // How often a queue reports its depth, in milliseconds; every five seconds unless told otherwise.
  await broker.ctl('eval', 'application:set_env(rabbit, quorum_tick_interval, 500).');
  await cluster.start();
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
  await cluster.ready(cluster.master);
  clients.keepAppending();
  await clients.append('all');
}

async function expectRecovered(): Promise<void> {
  await clients.append('all');
  await clients.stop();
  await expectConverged(cluster, clients);
  await cluster.ready(cluster.master);
}

/** The alarm is off afterwards, whatever came of it. */
async function underAlarm(play: () => Promise<void>): Promise<void> {
  await broker.ctl('set_vm_memory_high_watermark', TOO_LOW);
  try {
    await play();
  } finally {
    await broker.ctl('set_vm_memory_high_watermark', AS_EVER);
  }
}

async function underPolicy(name: string, policy: Policy, play: () => Promise<void>): Promise<void> {
  await management.setPolicy(name, policy);
  try {
    await play();
  } finally {
    await management.deletePolicy(name);
  }
}

async function memberOf(id: string): Promise<MemberHealth | undefined> {
  const { secondaries } = await cluster.master.health();
  return secondaries.find((each) => each.id === id);
}

it(
  'with every connection closed through the management api all nodes come back, and the reign goes on',
  withCluster(async () => {
    await atWork();
    const { epoch } = await cluster.master.health();
    // Two of each node: one publishes, one consumes.
    const connections = await management.connections(6);
    const watch = FaultWatch.begin('broker: every connection closed through the management API');
    await management.closeConnections(connections);
    watch.lifted();
    await clients.append('majority');
    watch.writable();
    await expectRecovered();
    expect(await cluster.master.health()).toMatchObject({ epoch });
    watch.converged({ clientSees: 'appends take longer', broughtBackBy: 'new sessions, batches published again' });
  }),
  TEST_MS,
);

it(
  'while the broker blocks publishers appends are refused with the reason; they are taken again by themselves',
  withCluster(async () => {
    await atWork();
    const watch = FaultWatch.begin('broker: memory alarm on, then off');
    await underAlarm(async () => {
      await eventually('it says that it is blocked', async () =>
        expect(await cluster.master.health()).toMatchObject({
          readOnly: true,
          broker: { connected: true, blocked: true },
        }),
      );
      // The secondaries cannot publish either, so they fall silent: that is no reason to look for
      // them.
      await cluster.untilStatus(VICTIM, 'Unhealthy');
      // A session that is new, because the busy machine lost the former one, is blocked with its
      // first publish.
      await eventually('an append is refused with the reason', async () => {
        const refused = await cluster.master.post({ message: 'refused', id: 'refused', w: 1 });
        expect(refused.status).toBe(503);
        expect(refused.json()).toMatchObject({ type: '/problems/overloaded', stored: false });
        expect(refused.json().detail).toMatch(/alarm/);
        expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      });
      expect((await cluster.master.get('/readyz')).status).toBe(503);
      expect((await cluster.master.entries()).length).toBeGreaterThan(0);
      watch.liftedBeforeWritable();
    });
    await clients.append('majority');
    watch.writable();
    await expectRecovered();
    watch.converged({ clientSees: '503 overloaded, with Retry-After', broughtBackBy: 'the end of the alarm' });
    expect(await cluster.master.health()).toMatchObject({ readOnly: false, broker: { blocked: false } });
  }),
  TEST_MS,
);

it(
  'a policy that limits the queues is named in the log, and what it throws away is fetched',
  withCluster(async () => {
    await atWork();
    const watch = FaultWatch.begin('broker: a policy limits length and deliveries of the queues');
    // RabbitMQ applies no part of a policy that names what a type of queue does not know.
    const definition = { 'max-length': 5, ...(TEST_QUEUE_TYPE === 'quorum' ? { 'delivery-limit': 2 } : {}) };
    await underPolicy('harmful', { pattern: `^${cluster.log}\\.entries\\.`, definition }, async () => {
      await clients.append('majority');
      watch.writable();
      const warning = await cluster.master.process.line(
        'the policy',
        ({ msg, policy }) => policy === 'harmful' && msg.startsWith('a policy limits a queue of the log'),
      );
      expect(warning).toMatchObject({ level: 40, settings: definition });
      for (let crash = 1; crash <= 4; crash += 1) {
        await cluster.node(VICTIM).kill();
        await clients.burst(30, 2);
        await cluster.startSecondary(VICTIM, crash < 4 ? { DELAY_MS: '600000' } : {});
        // A consumer that ended counts as long as it holds unsettled deliveries.
        await eventually('its backlog is delivered', async () => expect(await consumersOf(VICTIM)).toBeGreaterThan(0));
      }
      await clients.append('all');
    });
    watch.lifted();
    await expectRecovered();
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'fetches' });
  }),
  TEST_MS,
);

it(
  'a stopped secondary has a queue to be seen in /health, up to its bound; what falls out is fetched',
  withCluster(async () => {
    await atWork();
    await cluster.node(VICTIM).stop();
    const watch = FaultWatch.begin('broker: the queue of a stopped secondary is full');
    await clients.burst(20, 2);
    watch.writable();
    await eventually('its backlog is shown', async () => {
      const { queue } = (await memberOf(VICTIM)) ?? {};
      expect(queue?.messages).toBeGreaterThan(0);
      expect(queue?.bytes).toBeGreaterThan(0);
      expect(queue?.overflowed).toBe(false);
    });
    await Promise.all(Array.from({ length: 100 }, () => clients.append(2, PADDING)));
    await eventually('it is shown as full', async () => {
      const { queue } = (await memberOf(VICTIM)) ?? {};
      expect(queue?.overflowed).toBe(true);
      expect(queue?.bytes).toBeLessThanOrEqual(QUEUE_BYTES_MAX);
    });
    watch.lifted();
    await cluster.startSecondary(VICTIM);
    await clients.append('all');
    const { counters } = await cluster.node(VICTIM).health<{ counters: { fetches: number } }>();
    expect(counters.fetches).toBeGreaterThan(0);
    await expectRecovered();
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'its queue, and fetches for what fell out' });
    await eventually('it is shown as empty', async () =>
      expect((await memberOf(VICTIM))?.queue).toMatchObject({ messages: 0, overflowed: false }),
    );
  }),
  TEST_MS,
);

function consumersOf(id: string): Promise<number> {
  const queue = cluster.topology.entriesQueue(id);
  return cluster.onBroker(async (channel) => (await channel.checkQueue(queue)).consumerCount);
}
