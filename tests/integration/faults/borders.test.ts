/**
 * The borders of a log's life on real processes: births, disks and broker data that are lost,
 * folders of another log, forces, removals. What nodes with another log hold is never touched, and
 * a node is asked again and again until it says what it must.
 */
import { cpSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '#tests/support/eventually';
import { onCluster, type RealCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';

const TEST_MS = 120_000;
const ABC = ['a', 'b', 'c'];
const JSON_BODY = { 'Content-Type': 'application/json' };

interface Health {
  readonly status: string;
  readonly log: string | null;
  readonly applied?: number;
  readonly voters?: { readonly names: readonly string[]; readonly up: number | null };
  readonly young?: readonly string[];
  readonly foreign?: readonly { readonly id: string; readonly log: string; readonly lastSeq: number }[];
  readonly unsurvivable?: { readonly disks: number; readonly of: readonly string[]; readonly detail: string };
  readonly waitingFor?: string;
  readonly warning?: string;
}

async function append(node: RealNode, message: string, w: number | 'all' | 'majority' = 'all', id?: string) {
  const answer = await node.post(id === undefined ? { message, w } : { message, w, id });
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining(`"message":"${message}"`)]);
}

function healthOf(node: RealNode): Promise<Health> {
  return node.health<Health>();
}

async function untilStatus(node: RealNode, status: string): Promise<Health> {
  return eventually(`${node.id} is ${status}`, async () => {
    const health = await healthOf(node);
    expect(health.status).toBe(status);
    return health;
  });
}

function postForce(master: RealNode, log: string) {
  return master.ask({ method: 'POST', path: '/members/force', headers: JSON_BODY, body: JSON.stringify({ log }) });
}

/** As a broker that lost its data: nothing of the log is left there. */
async function loseBrokerData(cluster: RealCluster): Promise<void> {
  const { entriesExchange, controlExchange, entriesQueue } = cluster.topology;
  await cluster.onBroker(async (channel) => {
    for (const id of cluster.secondaryIds) await channel.deleteQueue(entriesQueue(id));
    await channel.deleteExchange(entriesExchange);
    await channel.deleteExchange(controlExchange);
  });
}

async function stopAll(cluster: RealCluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.kill()));
}

function wipe(cluster: RealCluster, ...ids: readonly string[]): void {
  for (const id of ids) rmSync(cluster.dataDirOf(id), { recursive: true, force: true });
}

/**
 * Every file of a store that says what is in it, without the zeros by which a log's file is
 * extended ahead.
 */
function filesOf(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name.endsWith('.log') || name === 'store.json');
  return Object.fromEntries(names.map((name) => [name, written(readFileSync(join(directory, name)))]));
}

function written(bytes: Buffer): string {
  let end = bytes.length;
  while (bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end).toString('base64');
}

it(
  'a master with open membership that loses its disk fetches the log that its id names, and begins no other',
  onCluster({ secondaries: ['secondary-1', 'secondary-2'], env: { OPEN_MEMBERSHIP: 'true' } }, async (cluster) => {
    const open = { SECONDARIES: '', LOG_ID: 'new' };
    const master = await cluster.startMaster(open);
    await Promise.all(cluster.secondaryIds.map((id) => cluster.startSecondary(id)));
    await cluster.ready(master);
    await cluster.untilAllVote(master);
    for (const text of ABC) await append(master, text);
    const { log, status, warning } = await healthOf(master);
    expect({ status, warning }).toEqual({ status: 'degraded', warning: expect.stringContaining(`LOG_ID=${log}`) });

    const watch = FaultWatch.begin('borders: the master of an open log loses its disk, and all nodes are killed');
    await stopAll(cluster);
    wipe(cluster, 'master');
    watch.liftedBeforeWritable();
    const named = { LOG_ID: String(log) };
    const again = await cluster.startMaster({ ...open, ...named });
    await Promise.all(cluster.secondaryIds.map((id) => cluster.startSecondary(id, named)));
    await cluster.ready(again);
    await append(again, 'd');
    watch.writable();
    expect(await cluster.agreed(4)).toMatchObject([...ABC, 'd'].map((message) => ({ message })));
    watch.converged({
      clientSees: '503 recovering, naming who is missing',
      broughtBackBy: 'the log that LOG_ID names, fetched from a secondary; votes of both',
    });
  }),
  TEST_MS,
);

it(
  'open membership without SECONDARIES and without LOG_ID is refused at the start, with exit code 78 and what to set',
  onCluster({}, async (cluster) => {
    const process = cluster.spawnMaster({ OPEN_MEMBERSHIP: 'true', SECONDARIES: '' });
    expect((await process.exited).code).toBe(78);
    expect(process.said.stdout + process.said.stderr).toMatch(/OPEN_MEMBERSHIP.*LOG_ID=new/s);
  }),
  TEST_MS,
);

it(
  'two nodes that never had the log are heard first: a young log begins anew, and those who know better keep what they hold',
  onCluster({ secondaries: ['s1', 's2', 's3', 's4'] }, async (cluster) => {
    const master = await cluster.start(['s1', 's2']);
    await eventually('three voters', async () => expect((await healthOf(master)).voters?.names.length).toBe(3));
    for (const text of ABC) await append(master, text, 'majority');
    const { young, unsurvivable } = await healthOf(master);
    expect(young).toEqual(['s3', 's4']);
    expect(unsurvivable).toMatchObject({ disks: 2, of: expect.arrayContaining(['master', 's1', 's2']) });

    await stopAll(cluster);
    wipe(cluster, 'master');
    await loseBrokerData(cluster);
    const again = await cluster.startMaster();
    await Promise.all(['s3', 's4'].map((id) => cluster.startSecondary(id)));
    await cluster.ready(again, ['s3', 's4']);
    await append(again, 'new', 'majority');
    const kept = filesOf(cluster.dataDirOf('s1'));
    const s1 = await cluster.startSecondary('s1');
    const { log } = await untilStatus(s1, 'foreign');
    expect((await s1.get('/messages')).json()).toMatchObject({ type: '/problems/foreign-log', log, lastSeq: 3 });
    expect((await s1.entries(`?log=${log}`)).map(({ message }) => message)).toEqual(ABC);
    expect((await s1.get('/readyz')).status).toBe(503);
    await eventually('the master shows it', async () =>
      expect((await healthOf(again)).foreign).toEqual([{ id: 's1', log, lastSeq: 3 }]),
    );
    await append(again, 'next', 'majority');
    await s1.stop();
    expect(filesOf(cluster.dataDirOf('s1'))).toEqual(kept);
  }),
  TEST_MS,
);

it(
  'everything is lost but one folder: it is cut by nobody, and an operator begins from it',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    for (const text of ABC) await append(master, text);
    await stopAll(cluster);
    wipe(cluster, 'master', 'secondary-2');
    await loseBrokerData(cluster);
    const watch = FaultWatch.begin('borders: everything is lost but the folder of one secondary');
    const again = await cluster.startMaster();
    const survivor = await cluster.startSecondary('secondary-1');
    await cluster.startSecondary('secondary-2');
    const { waitingFor } = await untilStatus(again, 'recovering');
    expect(waitingFor).toMatch(/majority of the voters|secondary/);
    expect(await survivor.messages()).toEqual(ABC);
    const early = await postForce(again, cluster.log);
    expect([early.status, early.json().type]).toEqual([409, '/problems/not-yet']);
    expect((await postForce(again, 'new')).json()).toMatchObject({ type: '/problems/log-exists' });
    watch.liftedBeforeWritable();
    const forced = await eventually('the force begins', async () => {
      const answer = await postForce(again, cluster.log);
      expect(answer.status).toBe(202);
      return answer.json();
    });
    expect(forced).toMatchObject({ lastSeq: 3 });
    await cluster.ready(again);
    await append(again, 'd');
    watch.writable();
    expect(await cluster.agreed(4)).toMatchObject([...ABC, 'd'].map((message) => ({ message })));
    watch.converged({
      clientSees: '503 recovering until the operator acts',
      broughtBackBy: "the operator's force, from the best log that was heard",
    });
  }),
  TEST_MS,
);

it(
  'a secondary with the folder of a former life of the log is foreign, until it is wiped',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    for (const text of ['x', 'y', 'z', 'old']) await append(master, text);
    await stopAll(cluster);
    const former = `${cluster.dataDirOf('secondary-2')}-former`;
    renameSync(cluster.dataDirOf('secondary-2'), former);
    wipe(cluster, 'master', 'secondary-1');
    await loseBrokerData(cluster);
    const anew = await cluster.start();
    for (const text of ABC) await append(anew, text);
    const watch = FaultWatch.begin('borders: a secondary gets the folder of another log');
    await cluster.node('secondary-2').kill();
    wipe(cluster, 'secondary-2');
    cpSync(former, cluster.dataDirOf('secondary-2'), { recursive: true });
    const foreign = await cluster.startSecondary('secondary-2');
    await append(anew, 'd', 'majority');
    watch.writable();
    const { log } = await untilStatus(foreign, 'foreign');
    expect((await foreign.entries(`?log=${log}`)).map(({ message }) => message)).toEqual(['x', 'y', 'z', 'old']);
    const { foreign: shown } = await untilStatus(anew, 'degraded');
    expect(shown).toEqual([{ id: 'secondary-2', log, lastSeq: 4 }]);
    await foreign.kill();
    expect(filesOf(cluster.dataDirOf('secondary-2'))).toEqual(filesOf(former));
    wipe(cluster, 'secondary-2');
    watch.lifted();
    await cluster.startSecondary('secondary-2');
    await append(anew, 'e');
    expect(await cluster.agreed(5)).toMatchObject([...ABC, 'd', 'e'].map((message) => ({ message })));
    watch.converged({
      clientSees: 'nothing: w=1 and majority go on, w=all waits',
      broughtBackBy: 'an operator who wipes the folder; fetches',
    });
  }),
  TEST_MS,
);

it(
  'a master with the folder of another log takes no append, and the members keep what they hold',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    for (const text of ['x', 'y']) await append(master, text);
    await stopAll(cluster);
    const former = `${cluster.dataDirOf('master')}-former`;
    renameSync(cluster.dataDirOf('master'), former);
    wipe(cluster, 'secondary-1', 'secondary-2');
    await loseBrokerData(cluster);
    const anew = await cluster.start();
    for (const text of ABC) await append(anew, text);
    await cluster.master.kill();
    renameSync(cluster.dataDirOf('master'), `${cluster.dataDirOf('master')}-own`);
    cpSync(former, cluster.dataDirOf('master'), { recursive: true });
    const strange = await cluster.startMaster();
    await eventually('it says that the members hold another log', async () => {
      const refused = (await strange.post({ message: 'no', w: 1 })).json();
      expect(refused).toMatchObject({ type: '/problems/another-log', stored: false });
    });
    for (const id of cluster.secondaryIds) {
      const node = cluster.node(id);
      const { log } = await untilStatus(node, 'foreign');
      expect((await node.entries(`?log=${log}`)).map(({ message }) => message)).toEqual(ABC);
    }
    await strange.kill();
    wipe(cluster, 'master');
    renameSync(`${cluster.dataDirOf('master')}-own`, cluster.dataDirOf('master'));
    const back = await cluster.startMaster();
    await cluster.ready(back);
    await append(back, 'd');
    expect(await cluster.agreed(4)).toMatchObject([...ABC, 'd'].map((message) => ({ message })));
  }),
  TEST_MS,
);

it.each([
  ['LOG_NAME', { LOG_NAME: 'another-name' }, /another-name/],
  ['LOG_ID', { LOG_ID: '0123456789abcdef' }, /0123456789abcdef/],
] as const)(
  'a node whose %s is not that of its folder is refused at the start with exit code 78, and names both',
  (_variable, env, named) =>
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      await append(master, 'a');
      const { log } = await healthOf(master);
      await master.stop();
      const process = cluster.spawnMaster(env);
      expect((await process.exited).code).toBe(78);
      const said = process.said.stdout + process.said.stderr + JSON.stringify(process.lines);
      expect(said).toMatch(named);
      expect(said).toContain('LOG_ID' in env ? String(log) : cluster.log);
    })(),
  TEST_MS,
);

it(
  'a member that is removed stays removed over a restart of the master though it lives, and comes back when it is taken in',
  onCluster({ env: { OPEN_MEMBERSHIP: 'true' } }, async (cluster) => {
    const master = await cluster.start();
    await append(master, 'a');
    expect((await master.ask({ method: 'DELETE', path: '/members/secondary-2' })).status).toBe(204);
    const removed = cluster.node('secondary-2');
    await untilStatus(removed, 'removed');
    await master.kill();
    const again = await cluster.startMaster();
    await cluster.ready(again, ['secondary-1']);
    await append(again, 'b');
    expect((await again.get('/members')).json()).toMatchObject([{ id: 'secondary-1' }]);
    expect((await removed.get('/readyz')).status).toBe(503);
    expect((await again.ask({ method: 'DELETE', path: '/members/master' })).status).toBe(409);
    const body = JSON.stringify({ id: 'secondary-2' });
    const admitted = await again.ask({ method: 'POST', path: '/members', headers: JSON_BODY, body });
    expect([admitted.status, admitted.json().id]).toEqual([201, 'secondary-2']);
    await append(again, 'c');
    expect(await cluster.agreed(3)).toMatchObject(ABC.map((message) => ({ message })));
  }),
  TEST_MS,
);

it(
  'a bulk append that is sent again to a master that still recovers is not told that it is in no log',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    const bulk = {
      method: 'POST',
      path: '/messages?w=all',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: '{"message":"a","id":"id-a"}\n{"message":"b","id":"id-b"}\n',
    };
    expect((await master.ask(bulk)).status).toBe(201);
    await stopAll(cluster);
    const again = await cluster.startMaster();
    const answer = await again.ask(bulk);
    expect([answer.status, answer.json().stored]).toEqual([503, 'unknown']);
    await Promise.all(cluster.secondaryIds.map((id) => cluster.startSecondary(id)));
    await cluster.ready(again);
    expect((await again.ask(bulk)).status).toBe(200);
    expect(await cluster.agreed(2)).toMatchObject([{ message: 'a' }, { message: 'b' }]);
  }),
  TEST_MS,
);

it(
  'while one secondary of two never started, health says that the loss of the one disk with a vote would need a force',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(['secondary-1']);
    await append(master, 'a', 'majority');
    const { status, voters, unsurvivable, young } = await healthOf(master);
    expect({ status, young }).toEqual({ status: 'degraded', young: ['secondary-1', 'secondary-2'] });
    expect(voters?.names).toEqual(['master']);
    expect(unsurvivable).toMatchObject({ disks: 1, of: ['master'] });
    expect(unsurvivable?.detail).toMatch(/force/);
    await cluster.startSecondary('secondary-2');
    await cluster.untilAllVote(master);
    await eventually('all is well', async () => {
      const health = await healthOf(master);
      expect([health.status, health.unsurvivable, health.young]).toEqual(['ok', undefined, undefined]);
    });
  }),
  TEST_MS,
);

it(
  'a secondary that is put back to an older copy of its folder becomes another store, and gets what it lacks',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    await append(master, 'a');
    const watch = FaultWatch.begin('borders: a secondary is put back to an older copy of its folder');
    await cluster.node('secondary-1').stop();
    const copy = `${cluster.dataDirOf('secondary-1')}-copy`;
    cpSync(cluster.dataDirOf('secondary-1'), copy, { recursive: true });
    await cluster.startSecondary('secondary-1');
    for (const text of ['b', 'c']) await append(master, text);
    await cluster.node('secondary-1').kill();
    wipe(cluster, 'secondary-1');
    renameSync(copy, cluster.dataDirOf('secondary-1'));
    const rolledBack = await cluster.startSecondary('secondary-1');
    expect((await rolledBack.process.exited).code).toBe(74);
    watch.lifted();
    await cluster.startSecondary('secondary-1');
    await append(master, 'd', 'majority');
    watch.writable();
    await append(master, 'e');
    await cluster.untilAllVote(master);
    expect(await cluster.agreed(5)).toMatchObject([...ABC, 'd', 'e'].map((message) => ({ message })));
    watch.converged({
      clientSees: 'nothing: w=1 and majority go on, w=all waits',
      broughtBackBy: 'the master, which tells it; a new store with what is there; fetches',
    });
  }),
  TEST_MS,
);
