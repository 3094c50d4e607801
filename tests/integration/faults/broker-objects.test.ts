/**
 * What somebody with the broker's tools may do to the log's objects there: purge a queue, delete
 * it, delete an exchange. The nodes share one cluster, so that each fault also meets what those
 * before it have left. Each test ends with all logs equal, nothing missing, nothing twice, and
 * everything acknowledged where it was said to be.
 */
import type { Channel } from 'amqplib';
import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { onShared, RealCluster } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';

const TEST_MS = 60_000;
const VICTIM = 'secondary-1';
const GOES_ON = 'nothing: w=1 and majority go on, w=all waits until it is back';

const cluster = new RealCluster();
const clients = new Clients(() => cluster.master);
const { entriesQueue, entriesExchange, controlExchange } = cluster.topology;

beforeAll(async () => {
  await cluster.start();
}, TEST_MS);
afterAll(() => cluster.end(), TEST_MS);

/** Appends are on their way, and the cluster is well. */
async function atWork(): Promise<void> {
  await cluster.ready(cluster.master);
  clients.keepAppending();
  await clients.append('all');
}

/** A test on the cluster at work; `broughtBackBy` as in the table of faults. */
function fault(name: string, clientSees: string, broughtBackBy: string, play: (watch: FaultWatch) => Promise<void>) {
  return onShared(
    () => cluster,
    async () => {
      await atWork();
      const watch = FaultWatch.begin(name);
      await play(watch);
      await clients.append('majority');
      watch.writable();
      await clients.append('all');
      await clients.stop();
      await expectConverged(cluster, clients);
      watch.converged({ clientSees, broughtBackBy });
      await cluster.ready(cluster.master);
    },
  );
}

function onBroker(act: (channel: Channel) => Promise<unknown>): Promise<void> {
  return cluster.onBroker(async (channel) => void (await act(channel)));
}

/**
 * Makes a backlog in the queue of the secondary while it takes nothing, does something to it, and
 * lets it take again.
 */
async function withBacklog(count: number, act: () => Promise<void>): Promise<void> {
  await cluster.node(VICTIM).setFaults({ paused: true });
  await eventually('it consumes no more', async () => expect(await consumersOf(VICTIM)).toBe(0));
  await clients.burst(count, 2);
  await act();
  await cluster.node(VICTIM).setFaults({ paused: false });
}

function consumersOf(id: string): Promise<number> {
  return cluster.onBroker(async (channel) => (await channel.checkQueue(entriesQueue(id))).consumerCount);
}

async function fetchesOf(id: string): Promise<number> {
  const { counters } = await cluster.node(id).health<{ counters: { fetches: number } }>();
  return counters.fetches;
}

async function untilDeclared(id: string): Promise<void> {
  await eventually(`the queue of ${id} is there and consumed`, async () => {
    expect(await cluster.hasQueue(entriesQueue(id))).toBe(true);
    expect(await consumersOf(id)).toBe(1);
  });
}

it(
  'a queue that is purged is a hole, and the hole is fetched',
  fault('broker: a queue with a backlog is purged', GOES_ON, 'fetches', async (watch) => {
    const before = await fetchesOf(VICTIM);
    await withBacklog(100, async () => {
      const { messageCount } = await cluster.onBroker((channel) => channel.purgeQueue(entriesQueue(VICTIM)));
      expect(messageCount).toBeGreaterThan(0);
      watch.lifted();
    });
    await clients.append('all');
    expect(await fetchesOf(VICTIM)).toBeGreaterThan(before);
  }),
  TEST_MS,
);

it(
  'a queue that is deleted under its consumer is declared again, and what was in it is fetched',
  fault(
    'broker: a queue in use is deleted',
    GOES_ON,
    'the secondary joins, the master declares; fetches',
    async (watch) => {
      await onBroker((channel) => channel.deleteQueue(entriesQueue(VICTIM)));
      watch.lifted();
      await clients.append('all');
      await untilDeclared(VICTIM);
    },
  ),
  TEST_MS,
);

it(
  'a queue that is deleted with a backlog in it is declared again, and what was in it is fetched',
  fault(
    'broker: a queue with a backlog is deleted',
    GOES_ON,
    'the secondary joins, the master declares; fetches',
    async (watch) => {
      await withBacklog(100, async () => {
        await onBroker((channel) => channel.deleteQueue(entriesQueue(VICTIM)));
        watch.lifted();
      });
      await clients.append('all');
      await untilDeclared(VICTIM);
    },
  ),
  TEST_MS,
);

it(
  'all queues deleted at once are declared again',
  fault(
    'broker: the queues of all members deleted',
    'w>1 waits',
    'joins and returned batches; fetches',
    async (watch) => {
      await onBroker(async (channel) => {
        for (const id of cluster.secondaryIds) await channel.deleteQueue(entriesQueue(id));
      });
      watch.lifted();
      await clients.append('all');
      for (const id of cluster.secondaryIds) await untilDeclared(id);
    },
  ),
  TEST_MS,
);

it(
  'the entries exchange deleted is declared and bound again, and what the broker threw away is published again',
  fault('broker: the entries exchange is deleted', 'w>1 waits', 'a new session of the master', async (watch) => {
    const { epoch } = await cluster.master.health();
    await onBroker((channel) => channel.deleteExchange(entriesExchange));
    watch.lifted();
    await clients.append('all');
    expect(await cluster.master.health()).toMatchObject({ epoch });
  }),
  TEST_MS,
);

it(
  'the control exchange deleted is declared again, and who listened there hears the next claim',
  fault(
    'broker: the control exchange is deleted, then the master is killed',
    'no answer, 503 recovering',
    'a silent queue is bound again',
    async (watch) => {
      const sessions = () => cluster.master.process.linesOf('the session with the broker is set up').length;
      const before = sessions();
      await onBroker((channel) => channel.deleteExchange(controlExchange));
      await eventually('the master has declared it again', () => expect(sessions()).toBeGreaterThan(before));
      await clients.append('all');
      await cluster.master.kill();
      watch.liftedBeforeWritable();
      await cluster.startMaster();
    },
  ),
  TEST_MS,
);
