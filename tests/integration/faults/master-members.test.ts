/**
 * Changes of the members on real processes: one is taken out while a client waits for it, one joins
 * a log that is under way, a majority is lost for good and given up. Each test ends with all logs
 * equal, nothing missing, nothing twice, and everything acknowledged where it was said to be.
 */
import { rmSync } from 'node:fs';
import { expectConverged } from '#tests/support/checks/converged';
import { booksOf, Witnesses } from '#tests/support/checks/witnesses';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { onCluster, type RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';

const TEST_MS = 90_000;
const STRANGER = 'secondary-3';

interface Member {
  readonly id: string;
  readonly status: string;
  readonly voter: boolean;
}

async function membersOf(master: RealNode): Promise<Member[]> {
  return JSON.parse((await master.get('/members')).text) as Member[];
}

async function atWork(cluster: RealCluster): Promise<Clients> {
  await cluster.start();
  const clients = new Clients(() => cluster.master);
  await clients.burst(50, 'all');
  clients.keepAppending([1, 2]);
  return clients;
}

function force(master: RealNode, log: string) {
  const headers = { 'Content-Type': 'application/json' };
  return master.ask({ method: 'POST', path: '/members/force', headers, body: JSON.stringify({ log }) });
}

/** Asked again until it has listened, and has fetched what is left. */
async function forceThrough(master: RealNode, log: string): Promise<void> {
  await eventually('the force begins', async () => expect((await force(master, log)).status).toBe(202));
}

it(
  'a member that is removed while a client waits for it is waited for no more, and its queue is gone',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    const { master } = cluster;
    await cluster.node('secondary-2').stop();
    await cluster.untilStatus('secondary-2', 'Unhealthy');
    const watch = FaultWatch.begin('members: a stopped secondary is removed while a client waits with w=3');
    const witnesses = new Witnesses();
    const waiting = witnesses.ask(master, 3);
    await clients.append('majority');
    watch.writable();
    await eventually('its entry is held by the others', async () => {
      const found = JSON.parse((await master.get('/messages?id=witness-1')).text) as { seq: number }[];
      const { acks } = (await master.get(`/messages/${found[0]?.seq}/replication`)).json();
      expect(acks).toEqual(['master', 'secondary-1']);
    });
    expect(witnesses.acknowledged).toEqual([]);
    expect(await cluster.hasQueue(cluster.topology.entriesQueue('secondary-2'))).toBe(true);

    watch.lifted();
    expect((await master.ask({ method: 'DELETE', path: '/members/secondary-2' })).status).toBe(204);
    const answer = await waiting;
    expect(answer?.status).toBe(201);
    expect(answer?.json()).toMatchObject({ w: 2, acks: ['master', 'secondary-1'] });
    await eventually('its queue is gone', async () =>
      expect(await cluster.hasQueue(cluster.topology.entriesQueue('secondary-2'))).toBe(false),
    );
    expect((await membersOf(master)).map(({ id }) => id)).toEqual(['secondary-1']);
    expect((await master.ask({ method: 'DELETE', path: '/members/secondary-2' })).status).toBe(404);
    const tooMany = await master.post({ message: 'refused', id: 'refused', w: 3 });
    expect(tooMany.status).toBe(400);
    expect(tooMany.json()).toMatchObject({ type: '/problems/unsatisfiable-write-concern', nodes: 2, stored: false });

    await clients.append('all');
    await clients.stop();
    const left = { agreed: () => cluster.agreed(undefined, [master, cluster.node('secondary-1')]) };
    witnesses.expectTrue(await expectConverged(left, booksOf(clients, witnesses)));
    watch.converged({ clientSees: 'w=3 waits, and is answered at n=2', broughtBackBy: "the operator's DELETE" });
  }),
  TEST_MS,
);

it(
  'a node that the settings do not name joins an open log, gets all of it and becomes a voter',
  onCluster({ env: { OPEN_MEMBERSHIP: 'true' } }, async (cluster) => {
    const clients = await atWork(cluster);
    const watch = FaultWatch.begin('members: a new node joins a log that is under way');
    const joined = await cluster.startSecondary(STRANGER);
    await clients.append('majority');
    watch.writable();
    await eventually('it is a voter', async () => {
      const member = (await membersOf(cluster.master)).find(({ id }) => id === STRANGER);
      expect(member).toMatchObject({ status: 'Healthy', voter: true });
    });
    await clients.append(4);
    await clients.stop();
    const log = await expectConverged(cluster, clients);
    expect(await joined.entries()).toHaveLength(log.length);
    expect(clients.setbacks).toEqual([]);
    watch.converged({ clientSees: 'nothing; w=4 can be asked for', broughtBackBy: 'fetches of the whole log' });
  }),
  TEST_MS,
);

it(
  'after a majority of the stores is lost for good the log goes on when an operator says so, and says that it was forced',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    expect((await force(cluster.master, cluster.log)).status).toBe(409);
    const watch = FaultWatch.begin('members: both secondaries lose their stores; an operator forces a new list');
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const id of cluster.secondaryIds) rmSync(cluster.dataDirOf(id), { recursive: true });
    const again = await cluster.startMaster();
    await eventually('it waits for the lost voters', async () => {
      const { status, waitingFor } = await again.health();
      expect(status).toBe('recovering');
      expect(waitingFor).toMatch(/secondary-1, secondary-2/);
    });
    expect((await force(again, 'another-log')).status).toBe(400);
    expect(await again.health()).toMatchObject({ status: 'recovering' });
    await forceThrough(again, cluster.log);
    await eventually('it reigns, says that it was forced, and has no quorum', async () => {
      const { status, epoch, forcedEpoch } = await again.health();
      expect({ status, forcedEpoch }).toEqual({ status: 'read-only', forcedEpoch: epoch });
    });

    watch.liftedBeforeWritable();
    await Promise.all(cluster.secondaryIds.map((id) => cluster.startSecondary(id)));
    await clients.append('majority');
    watch.writable();
    await clients.append('all');
    await clients.stop();
    await expectConverged(cluster, clients);
    watch.converged({
      clientSees: '503 recovering until the operator acts',
      broughtBackBy: "the operator's force; the log of the master, fetched by the others",
    });
    const forced = again.process.linesOf(
      'an operator forces a new configuration: entries that only the lost voters had are lost',
    );
    expect(forced).toMatchObject([{ level: 50 }]);
    await eventually('all are voters again', async () =>
      expect((await membersOf(again)).map(({ voter }) => voter)).toEqual([true, true]),
    );
  }),
  TEST_MS,
);

it(
  'a master that lives on while its secondaries lose their stores says that only an operator can help, and goes on by that',
  onCluster({}, async (cluster) => {
    const clients = await atWork(cluster);
    await clients.stop();
    const { master } = cluster;
    const watch = FaultWatch.begin('members: both secondaries lose their stores under a living master; force');
    const secondaries = cluster.secondaryIds.map((id) => cluster.node(id));
    await Promise.all(secondaries.map((node) => node.kill()));
    for (const id of cluster.secondaryIds) rmSync(cluster.dataDirOf(id), { recursive: true });
    await Promise.all(cluster.secondaryIds.map((id) => cluster.startSecondary(id)));
    await eventually('it hears both, and is read-only all the same', async () =>
      expect(await master.health()).toMatchObject({ status: 'read-only', readOnly: true, quorum: { alive: 3 } }),
    );
    const refused = await master.post({ message: 'refused', id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/no-quorum', stored: false });
    expect(refused.json().detail).toMatch(/POST \/members\/force/);

    watch.liftedBeforeWritable();
    await forceThrough(master, cluster.log);
    await clients.append('majority');
    watch.writable();
    await clients.append('all');
    await expectConverged(cluster, clients);
    watch.converged({ clientSees: '503 no-quorum, naming the way out', broughtBackBy: "the operator's force" });
    await cluster.untilAllVote();
  }),
  TEST_MS,
);
