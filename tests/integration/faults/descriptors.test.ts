/**
 * A master that has no file descriptor left when it needs one for a new segment. The limit of the
 * running process is lowered by prlimit(1) to what it has open and one more: that may become a
 * client's, and a new segment takes two.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expectConverged } from '#tests/support/checks/converged';
import { eventually } from '#tests/support/eventually';
import { Clients } from '#tests/support/http/clients';
import { onCluster, type RealNode } from '#tests/support/real/cluster';
import { FaultWatch } from '#tests/support/real/fault-watch';

const MIB = 2 ** 20;
const SEGMENT_BYTES = 64 * MIB;
const LIMIT = 4_096;
const TEST_MS = 90_000;

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
if (!hasPrlimit) process.stderr.write('the test of file descriptors is skipped: there is no prlimit(1)\n');
const withPrlimit = hasPrlimit ? it : it.skip;

function limitFiles({ process: { pid } }: RealNode, limit: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:${LIMIT}`]);
}

/** The limit with which the process can open so many more. */
function limitLeaving({ process: { pid } }: RealNode, left: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let limit = 0;
  for (let free = 0; free < left; limit += 1) if (!open.has(limit)) free += 1;
  return limit;
}

withPrlimit(
  'a master without a file descriptor for a new segment refuses, stays up, and goes on when there is one',
  onCluster({}, async (cluster) => {
    const master = await cluster.start();
    const clients = new Clients(() => cluster.master);
    limitFiles(master, LIMIT);
    await clients.burst(20, 'all');
    const watch = FaultWatch.begin('master: no file descriptor is free for a new segment');
    const text = 'x'.repeat(MIB);
    let status = 201;
    for (let at = 1; status === 201 && at <= (2 * SEGMENT_BYTES) / MIB; at += 1) {
      const append = { id: `large-${at}`, message: text, w: 1 };
      // Each time: connections that the master had when it was limited may have ended since.
      limitFiles(master, limitLeaving(master, 1));
      // A connection that finds no descriptor is closed; its client connects again.
      const answer = await eventually('an answer', () => master.post(append));
      status = answer.status;
      if (status === 201) clients.sent.set(append.id, append.message);
      else expect(answer.json()).toMatchObject({ type: '/problems/storage', stored: false });
    }
    expect(status).toBe(503);
    expect(master.process.linesOf('the store failed')).toContainEqual(
      expect.objectContaining({ fatal: false, error: expect.stringContaining('no file descriptor is free') }),
    );
    expect(master.process.isRunning).toBe(true);

    watch.liftedBeforeWritable();
    limitFiles(master, LIMIT);
    await clients.append('majority');
    watch.writable();
    await clients.append('all');
    await expectConverged(cluster, clients);
    watch.converged({ clientSees: '503 storage, stored: false; reads go on', broughtBackBy: 'a free file descriptor' });
  }),
  TEST_MS,
);
