/**
 * What a disk may do to a node: be full, and turn a bit. Each test ends with all logs equal,
 * nothing missing, nothing twice, and everything acknowledged where it was said to be. Full disks
 * are tmpfs mounts; where they are not to be had the tests are skipped, and say why.
 */

import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { flipBit } from '#tests/support/real/bit-flip';
import {
  type MasterHealth,
  onCluster,
  type RealCluster,
  type RealNode,
  type SecondaryHealth,
} from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';
import type { LogLine } from '#tests/support/real/process';
import { SmallDisk, whyNoSmallDisk } from '#tests/support/real/small-disk';

const TEST_MS = 60_000;
const SECONDARY = 'secondary-1';
const DISK_BYTES = 4 * 1024 * 1024;
const DISK_FREE_MIN = 2 * 1024 * 1024;
/** More than is left in the last page of a file on a full disk. */
const PADDING = 8 * 1024;
/** More than a log's file is extended by. */
const ROOM_BYTES = 2 * 1024 * 1024;

/** These disks are never as large as the default. */
const ON_SMALL_DISK = { DISK_FREE_MIN: '0' };

const missing = whyNoSmallDisk();
if (missing !== null) process.stderr.write(`tests of full disks are skipped: ${missing}\n`);
const onSmallDisk = missing === null ? it : it.skip;

afterEach(() => SmallDisk.unmountAll());

async function startOn(cluster: RealCluster, id: string, disk: SmallDisk): Promise<void> {
  const env = (each: string) => (each === id ? { DATA_DIR: disk.dataDir, ...ON_SMALL_DISK } : {});
  const secondaries = cluster.secondaryIds.map((each) => cluster.startSecondary(each, env(each)));
  await Promise.all([cluster.startMaster(env('master')), ...secondaries]);
  await cluster.ready(cluster.master);
  await cluster.untilAllVote();
}

onSmallDisk(
  'a master whose disk is full refuses, has nothing half-written, and takes appends again when there is room',
  onCluster({}, async (cluster) => {
    const disk = SmallDisk.mount(`${cluster.dataDirOf('master')}-small`, DISK_BYTES);
    await startOn(cluster, 'master', disk);
    const clients = new Clients(() => cluster.master);
    await clients.burst(20, 'all');
    const watch = FaultWatch.begin("disk: the master's is full");
    disk.fill();
    await useUpRoom(cluster, clients, () => false);
    const before = await cluster.master.entries();
    const refused = await cluster.master.post({ message: 'x'.repeat(PADDING), id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/storage', stored: false });
    expect(refused.headers['retry-after']).toBeDefined();
    expect(await cluster.agreed()).toEqual(before);

    const waiting = [clients.append(1, PADDING), clients.append(2, PADDING), clients.append('all', PADDING)];
    await eventually('clients are refused and try again', () => expect(clients.setbacks.length).toBeGreaterThan(10));
    expect(clients.setbacks.filter(({ why, stored }) => why !== 'storage' || stored !== false)).toEqual([]);
    expect(await cluster.master.entries()).toEqual(before);

    watch.liftedBeforeWritable();
    disk.makeRoom();
    await Promise.all(waiting);
    watch.writable();
    await expectConverged(cluster, clients);
    watch.converged({ clientSees: '503 storage, stored: false; reads go on', broughtBackBy: 'room on the disk' });

    await cluster.master.kill();
    const again = await cluster.startMaster({ DATA_DIR: disk.dataDir, ...ON_SMALL_DISK });
    expect(again.process.linesOf('log opened')).toMatchObject([{ tornBytes: 0 }]);
    await cluster.ready(again);
    await clients.append('all');
    await expectConverged(cluster, clients);
  }),
  TEST_MS,
);

onSmallDisk(
  'a secondary whose disk is full tries again with growing pauses and catches up when there is room',
  onCluster({}, async (cluster) => {
    const disk = SmallDisk.mount(`${cluster.dataDirOf(SECONDARY)}-small`, DISK_BYTES);
    await startOn(cluster, SECONDARY, disk);
    const clients = new Clients(() => cluster.master);
    await clients.burst(20, 'all');
    const { process } = cluster.node(SECONDARY);
    const failures = () => process.linesOf('the store failed').length;
    const watch = FaultWatch.begin("disk: a secondary's is full");
    disk.fill();
    await useUpRoom(cluster, clients, () => failures() > 0);
    clients.keepAppending();
    await clients.append('majority', PADDING);
    watch.writable();
    const startedAt = performance.now();
    await eventually('it has tried a few times', () => expect(failures()).toBeGreaterThanOrEqual(4));
    await clients.burst(20, 1);
    await cluster.untilStatus(SECONDARY, 'Healthy');
    await eventually('time enough to spin', () => expect(performance.now() - startedAt).toBeGreaterThan(3_000));
    // Ten tries a second would be no backoff.
    expect(failures()).toBeLessThan((performance.now() - startedAt) / 100);
    expect(process.isRunning).toBe(true);
    watch.lifted();
    disk.makeRoom();
    await clients.stop();
    await expectConverged(cluster, clients);
    expect(clients.setbacks).toEqual([]);
    watch.converged({
      clientSees: 'nothing: w=1 and majority go on, w=all waits',
      broughtBackBy: 'its queue, redelivered with backoff; fetches',
    });
  }),
  TEST_MS,
);

onSmallDisk(
  'nodes whose disks have less free than they are to keep refuse before the disks are full, say so, and go on with room',
  onCluster({}, async (cluster) => {
    const sizeBytes = 4 * DISK_FREE_MIN;
    const disks = ['master', SECONDARY].map((id) => {
      const disk = SmallDisk.mount(`${cluster.dataDirOf(id)}-small`, sizeBytes);
      return { id, disk, env: { DATA_DIR: disk.dataDir, DISK_FREE_MIN: String(DISK_FREE_MIN) } };
    });
    const [ofMaster, ofSecondary] = disks;
    if (ofMaster === undefined || ofSecondary === undefined) throw new Error('two disks');
    const others = cluster.secondaryIds.filter((id) => id !== SECONDARY).map((id) => cluster.startSecondary(id));
    await Promise.all([
      cluster.startMaster(ofMaster.env),
      cluster.startSecondary(SECONDARY, ofSecondary.env),
      ...others,
    ]);
    await cluster.ready(cluster.master);
    await cluster.untilAllVote();
    const clients = new Clients(() => cluster.master);
    await clients.burst(20, 'all');

    ofSecondary.disk.leave(DISK_FREE_MIN / 2);
    const secondary = cluster.node(SECONDARY);
    await secondary.process.line('that it lacks room', ({ msg }) => String(msg).startsWith('the disk has less than'));
    expect(await secondary.health()).toMatchObject({ storage: { freeBytesMin: DISK_FREE_MIN } });
    const { applied } = await secondary.health<SecondaryHealth>();
    await clients.append('majority', PADDING);
    const waiting = clients.append('all', PADDING);
    await eventually('it is refused more than once', () =>
      expect(secondary.process.linesOf('the store failed').length).toBeGreaterThan(1),
    );
    expect(await secondary.health()).toMatchObject({ applied });
    ofSecondary.disk.makeRoom();
    await waiting;
    expect(await secondary.health()).not.toHaveProperty('storage');

    ofMaster.disk.leave(DISK_FREE_MIN / 2);
    await eventually('the master says that it lacks room', async () =>
      expect(await cluster.master.health()).toMatchObject({ status: 'read-only', readOnly: true, storage: {} }),
    );
    const refused = await cluster.master.post({ message: 'x', id: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ type: '/problems/storage', stored: false });
    await cluster.master.kill();
    const again = await cluster.startMaster(ofMaster.env);
    await eventually('it reigns again, without room', async () => {
      const { status, storage } = await again.health<MasterHealth & { readonly storage?: object }>();
      expect({ status, storage }).toMatchObject({ status: 'read-only', storage: { freeBytesMin: DISK_FREE_MIN } });
      expect((await again.post({ message: 'x', id: 'refused', w: 1 })).json()).toMatchObject({
        type: '/problems/storage',
      });
    });
    ofMaster.disk.makeRoom();
    await clients.append('all');
    await expectConverged(cluster, clients);
  }),
  TEST_MS,
);

/**
 * A log's file is extended ahead of what is written; what is left of that takes some appends more.
 */
async function useUpRoom(cluster: RealCluster, clients: Clients, isUsedUp: () => boolean): Promise<void> {
  for (let at = 1; at <= ROOM_BYTES / PADDING; at += 1) {
    const append = { id: `room-${at}`, message: 'x'.repeat(PADDING), w: 1 };
    clients.sent.set(append.id, append.message);
    const { status } = await cluster.master.post(append);
    if (status !== 201 || isUsedUp()) return;
  }
  throw new Error(`a full disk has taken ${ROOM_BYTES} bytes`);
}

describe.each(['last', 'middle'] as const)('a bit that flips in the %s record of a stopped', (which) => {
  it.each([SECONDARY, 'master'])(
    '%s is found at the start, named, and repaired from the others',
    (id) => onCluster({}, (cluster) => flipAndRepair(cluster, id, which))(),
    TEST_MS,
  );
});

async function flipAndRepair(cluster: RealCluster, id: string, which: 'last' | 'middle'): Promise<void> {
  const isMaster = id === 'master';
  await cluster.start();
  await cluster.untilAllVote();
  const clients = new Clients(() => cluster.master);
  await clients.burst(60, 'all');
  const { store } = await openedBy(cluster.node(id));
  const watch = FaultWatch.begin(`disk: a bit flips in the ${which} record of a ${isMaster ? 'master' : 'secondary'}`);
  await cluster.node(id).kill();
  const seq = flipBit(cluster.dataDirOf(id), which);
  if (isMaster) watch.liftedBeforeWritable();
  else await clients.append('majority').then(() => watch.writable());
  watch.lifted();
  const again = isMaster ? await cluster.startMaster() : await cluster.startSecondary(id);
  await expectNamed(again, seq);
  expect((await openedBy(again)).store).not.toBe(store);
  await clients.append('majority');
  watch.writable();
  await clients.append('all');
  await expectConverged(cluster, clients);
  watch.converged({
    clientSees: isMaster ? 'no answer, then 503 recovering' : 'nothing: w=1 and majority go on, w=all waits',
    broughtBackBy: 'a new store with the good part of the old one; fetches',
  });
}

function openedBy(node: RealNode): Promise<LogLine> {
  return node.process.line('its store', ({ msg }) => msg === 'log opened');
}

/** A warning or an error says which seq is damaged. */
async function expectNamed(node: RealNode, seq: number): Promise<void> {
  const named = new RegExp(`seq ${seq}\\b`);
  await node.process.line(`that seq ${seq} is damaged`, (line) => line.level >= 40 && named.test(JSON.stringify(line)));
}
