/**
 * What a secondary survives, on real processes: each test does it harm while clients append, and
 * ends with all logs equal, nothing missing, nothing twice, and everything acknowledged where it
 * was said to be.
 */
import { readFileSync, rmSync } from 'node:fs';
import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { type MemberHealth, onCluster, type RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import type { LogLine, RealProcess } from '#tests/support/real/process';

const TEST_MS = 60_000;
const LONG_TEST_MS = 120_000;

const VICTIM = 'secondary-1';
const GOES_ON = 'nothing: w=1 and majority go on, w=all waits until it is back';

interface CatchingUp {
  readonly status: string;
  readonly applied: number;
  readonly head: number;
  readonly catchUp?: { readonly remaining: number; readonly perSecond: number | null };
}

async function memberOf(cluster: RealCluster, id = VICTIM): Promise<MemberHealth> {
  const { secondaries } = await cluster.master.health();
  const member = secondaries.find((each) => each.id === id);
  if (member === undefined) throw new Error(`${id} is no member`);
  return member;
}

/** A cluster at work: appends are on their way all the time. */
async function atWork(cluster: RealCluster): Promise<Clients> {
  await cluster.start();
  await cluster.untilAllVote();
  const clients = new Clients(() => cluster.master);
  clients.keepAppending();
  await clients.append('all');
  return clients;
}

/** Every test's end. Only w=all may have waited: no client was refused. */
async function expectUnharmed(cluster: RealCluster, clients: Clients): Promise<void> {
  await clients.stop();
  await expectConverged(cluster, clients);
  expect(clients.setbacks).toEqual([]);
}

function storeIdOf(process: RealProcess): Promise<LogLine> {
  return process.line('that its log is open', ({ msg }) => msg === 'log opened');
}

async function recordsAtStart(node: RealNode): Promise<number> {
  return Number((await storeIdOf(node.process)).records);
}

/** Until it has deliveries in hand and writes: some of them are in its log, others are not. */
async function isInTheMiddle(cluster: RealCluster, ackedBefore: number): Promise<void> {
  await eventually(`${VICTIM} is in the middle`, async () => {
    const { acked, lag } = await memberOf(cluster);
    expect(acked).toBeGreaterThan(ackedBefore + 5);
    expect(lag).toBeGreaterThan(0);
  });
}

it(
  'a secondary that is killed in mid-apply goes on where its disk ends',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    let watch = FaultWatch.begin('');
    for (let round = 1; round <= 3; round += 1) {
      await cluster.node(VICTIM).setFaults({ delayMs: 100 });
      const before = await memberOf(cluster);
      const burst = clients.burst(200, 1);
      await isInTheMiddle(cluster, before.acked);
      watch = FaultWatch.begin('secondary: kill -9 in mid-apply, the third in a row');
      await cluster.node(VICTIM).kill();
      await clients.append('majority');
      watch.writable();
      await burst;
      const { acked } = await memberOf(cluster);
      watch.lifted();
      const again = await cluster.startSecondary(VICTIM);
      expect(await recordsAtStart(again)).toBeGreaterThanOrEqual(acked);
      await clients.append('all');
    }
    await expectUnharmed(cluster, clients);
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'its log on disk, then its queue' });
  }),
  TEST_MS,
);

it(
  'a secondary that is stopped and started finds its data and is brought the rest',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    const { store } = await storeIdOf(cluster.node(VICTIM).process);
    const watch = FaultWatch.begin('secondary: restart with its data');
    await cluster.node(VICTIM).stop();
    await cluster.untilStatus(VICTIM, 'Unhealthy');
    await clients.append('majority');
    watch.writable();
    await clients.burst(100, 2);
    watch.lifted();
    const again = await cluster.startSecondary(VICTIM);
    expect((await storeIdOf(again.process)).store).toBe(store);
    await expectUnharmed(cluster, clients);
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'its log on disk, then its queue' });
  }),
  TEST_MS,
);

it.each([
  ['whose data folder is deleted', { LOG_STORE: 'disk' }, 'secondary: data folder deleted'],
  ['in memory mode', { LOG_STORE: 'memory' }, 'secondary: kill -9 in memory mode'],
])(
  'a secondary %s gets the whole log and is a voter again, with another store',
  async (_, env, fault) => {
    const play = onCluster({}, async (cluster) => {
      await Promise.all([
        cluster.startMaster(),
        cluster.startSecondary('secondary-2'),
        cluster.startSecondary(VICTIM, env),
      ]);
      await cluster.ready(cluster.master);
      await cluster.untilAllVote();
      const clients = new Clients(() => cluster.master);
      clients.keepAppending();
      await clients.burst(100, 'all');
      const { store } = await storeIdOf(cluster.node(VICTIM).process);
      const watch = FaultWatch.begin(fault);
      await cluster.node(VICTIM).kill();
      rmSync(cluster.dataDirOf(VICTIM), { recursive: true, force: true });
      await clients.append('majority');
      watch.writable();
      watch.lifted();
      const again = await cluster.startSecondary(VICTIM, env);
      const opened = await storeIdOf(again.process);
      expect(opened.records).toBe(0);
      expect(opened.store).not.toBe(store);
      await expectUnharmed(cluster, clients);
      watch.converged({ clientSees: GOES_ON, broughtBackBy: 'fetches from the master; then the voters list' });
      await cluster.untilAllVote();
    });
    await play();
  },
  TEST_MS,
);

it(
  'thirty crashes in a row over the same backlog lose nothing of it',
  onCluster({}, async (cluster) => {
    await cluster.start();
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    await clients.append('all');
    await cluster.node(VICTIM).kill();
    const watch = FaultWatch.begin('secondary: 30 crashes in a row with a backlog');
    await cluster.onBroker(async (channel) => {
      const queue = cluster.topology.entriesQueue(VICTIM);
      const waiting = async () => (await channel.checkQueue(queue)).messageCount;
      for (let crash = 1; crash <= 30; crash += 1) {
        await clients.append('majority');
        watch.writable();
        const node = await cluster.startSecondary(VICTIM, { DELAY_MS: '600000' });
        await eventually('the backlog is delivered', async () => expect(await waiting()).toBe(0));
        await node.kill();
        await eventually('the backlog is back', async () => expect(await waiting()).toBeGreaterThanOrEqual(crash));
      }
    });
    watch.lifted();
    await cluster.startSecondary(VICTIM);
    await clients.append('all');
    await expectUnharmed(cluster, clients);
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'its queue, which has no delivery limit within reach' });
  }),
  LONG_TEST_MS,
);

it(
  'a secondary that is frozen for longer than the broker waits goes on when it is thawed',
  onCluster({}, async (cluster) => {
    await Promise.all([
      cluster.startMaster(),
      cluster.startSecondary('secondary-2'),
      cluster.startSecondary(VICTIM, { AMQP_HEARTBEAT_S: '1' }),
    ]);
    await cluster.ready(cluster.master);
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    clients.keepAppending();
    await clients.append('all');
    const { process } = cluster.node(VICTIM);
    const watch = FaultWatch.begin("secondary: SIGSTOP for longer than the broker's heartbeat, SIGCONT");
    process.signal('SIGSTOP');
    await clients.append('majority');
    watch.writable();
    await cluster.untilStatus(VICTIM, 'Unhealthy');
    await eventually('the broker has given it up', async () =>
      expect(await cluster.hasQueue(cluster.topology.controlQueue(VICTIM))).toBe(false),
    );
    watch.lifted();
    process.signal('SIGCONT');
    await expectUnharmed(cluster, clients);
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'a new session with the broker, its queue' });
    expect(process.linesOf('the session with the broker is set up').length).toBeGreaterThanOrEqual(2);
    await cluster.untilStatus(VICTIM, 'Healthy');
  }),
  TEST_MS,
);

it(
  'a secondary that takes longer to append than the bound of silence stays Healthy throughout',
  onCluster({}, async (cluster) => {
    await cluster.start();
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    const watch = FaultWatch.begin('secondary: slower than the unhealthy bound, still beating');
    await cluster.node(VICTIM).setFaults({ delayMs: 4_000 });
    const from = cluster.master.process.lines.length;
    clients.keepAppending();
    await clients.append('majority');
    watch.writable();
    const { elapsedMs } = await clients.append('all');
    expect(elapsedMs).toBeGreaterThanOrEqual(4_000);
    expect(await memberOf(cluster)).toMatchObject({ status: 'Healthy' });
    watch.lifted();
    await cluster.node(VICTIM).setFaults({ delayMs: 0 });
    await expectUnharmed(cluster, clients);
    const changes = cluster.master.process.lines.slice(from).filter(({ msg }) => msg.startsWith('becomes '));
    expect(changes).toEqual([]);
    watch.converged({ clientSees: 'w=all waits as long as it takes', broughtBackBy: 'nothing was to be brought back' });
  }),
  TEST_MS,
);

it(
  'of two processes with one node id the second is told, counts for nothing, and takes over when the first dies',
  onCluster({}, async (cluster) => {
    const [, first] = await Promise.all([cluster.startMaster(), cluster.startSecondary(VICTIM)]);
    await cluster.ready(cluster.master, [VICTIM]);
    const clients = new Clients(() => cluster.master);
    clients.keepAppending([1, 2]);
    const second = await cluster.startSecondary(VICTIM, { DATA_DIR: `${cluster.dataDirOf(VICTIM)}-second` });
    const watch = FaultWatch.begin('secondary: two processes with one NODE_ID');
    await clients.append('majority');
    watch.writable();
    await second.process.line('that it is not alone', ({ msg }) => msg === 'another process runs under this node id');
    expect(await second.health()).toMatchObject({ status: 'passive', applied: 0 });

    const unmet = await cluster.master.post({ message: 'for three', w: 3, id: 'for-three', timeoutMs: 1_500 });
    clients.sent.set('for-three', 'for three');
    expect(unmet.status).toBe(504);
    expect(unmet.json().acks).toEqual(['master', VICTIM]);
    expect(await second.health()).toMatchObject({ status: 'passive', applied: 0 });
    expect(await first.health()).toMatchObject({ status: 'ok' });

    watch.lifted();
    await first.kill();
    await eventually('the second takes its place', async () =>
      expect(await second.health()).toMatchObject({ status: 'ok' }),
    );
    await clients.append(2);
    await clients.stop();
    await expectConverged(cluster, clients);
    watch.converged({
      clientSees: 'nothing; w is never met by both',
      broughtBackBy: 'the broker, which frees the node id when the first process ends',
    });
    await cluster.startSecondary('secondary-2');
    await clients.append('all');
    await expectConverged(cluster, clients);
  }),
  TEST_MS,
);

const MANY = 50_000;

/**
 * Node alone takes some 90 MiB of it; the log takes several times as much again as records, twice
 * that as messages.
 */
const MEMORY_MIB_MAX = 200;

/** A line for each request would cost more than the appends. */
const QUIET = { LOG_LEVEL: 'info' };

/** The most memory that the process has had, in MiB; null where the system does not say. */
function peakMemoryMiB({ pid }: RealProcess): number | null {
  if (process.platform !== 'linux') return null;
  const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return found === null ? null : Number(found[1]) / 1024;
}

it(
  'a wiped secondary fetches a long log in bounded memory, says how far it is, and may be killed on the way',
  onCluster({}, async (cluster) => {
    const starts = ['secondary-2', VICTIM].map((id) => cluster.startSecondary(id, QUIET));
    await Promise.all([cluster.startMaster(QUIET), ...starts]);
    await cluster.ready(cluster.master);
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    await clients.flood(MANY, 200);
    await clients.append('all');
    clients.keepAppending();
    const watch = FaultWatch.begin(`secondary: wiped, ${MANY} entries to fetch, killed three times on the way`);
    await cluster.node(VICTIM).kill();
    rmSync(cluster.dataDirOf(VICTIM), { recursive: true });
    await clients.append('majority');
    watch.writable();
    let reached = 0;
    for (const part of [0.2, 0.4, 0.6]) {
      const node = await cluster.startSecondary(VICTIM, { DELAY_MS: '150' });
      expect(await recordsAtStart(node)).toBeGreaterThanOrEqual(reached);
      reached = await eventually(`it has ${part} of the log`, async () => {
        const { applied, head, catchUp } = await node.health<CatchingUp>();
        expect(applied).toBeGreaterThanOrEqual(MANY * part);
        expect(applied).toBeLessThan(MANY);
        expect(catchUp?.remaining).toBe(head - applied);
        return applied;
      });
      expect((await node.get('/readyz')).status).toBe(503);
      await node.kill();
    }
    watch.lifted();
    const node = await cluster.startSecondary(VICTIM);
    expect(await recordsAtStart(node)).toBeGreaterThanOrEqual(reached);
    await clients.stop();
    await eventually('it is ready', async () => expect((await node.get('/readyz')).status).toBe(200));
    expect(peakMemoryMiB(node.process) ?? 0).toBeLessThan(MEMORY_MIB_MAX);
    await expectUnharmed(cluster, clients);
    watch.converged({ clientSees: GOES_ON, broughtBackBy: 'fetches, each from where its disk ends' });
    expect((await node.health<CatchingUp>()).catchUp).toBeUndefined();
  }),
  LONG_TEST_MS,
);
