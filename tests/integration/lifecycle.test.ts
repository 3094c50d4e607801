/** How the processes start, stop and start again: as a user sees it, from outside. */
import { createServer, type Server } from 'node:net';
import { eventually } from '../support/eventually';
import { onCluster, type RealCluster } from '../support/real/cluster';
import type { RealProcess } from '../support/real/process';

jest.setTimeout(150_000);

const STOP_MS_MAX = 10_000;

describe('a master that is told to stop', () => {
  it(
    'answers who waits that the entry’s fate is unknown, exits 0 in time, and knows the entry when it is back',
    onCluster({}, async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      const ids = ['a', 'b', 'c'];
      const blocked = ids.map((id) => master.post({ message: `waits ${id}`, w: 3, id }));
      await eventually('all wait', async () => expect((await master.health()).head).toBe(3));

      const startedAt = performance.now();
      expect(await master.stop()).toEqual({ code: 0, signal: null });
      expect(performance.now() - startedAt).toBeLessThan(STOP_MS_MAX);
      for (const [at, answer] of (await Promise.all(blocked)).entries()) {
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toBeDefined();
        expect(answer.json()).toMatchObject({
          type: '/problems/shutting-down',
          stored: 'unknown',
          id: ids[at],
          seq: expect.any(Number),
        });
      }
      expect(master.process.lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['stopping', 'stopped']));

      await cluster.startSecondary('secondary-2');
      const back = await cluster.startMaster();
      await cluster.ready(back);
      for (const id of ids) {
        const retried = await back.post({ message: `waits ${id}`, w: 3, id });
        expect(retried.status).toBe(200);
      }
      await cluster.agreed(3);
    }),
  );

  it(
    'goes on with its log in a higher epoch when it is started again',
    onCluster({}, async (cluster) => {
      const first = await cluster.start();
      for (const message of ['one', 'two']) await first.post({ message });
      const before = await first.health();
      await first.stop();

      const second = await cluster.startMaster();
      await cluster.ready(second);
      expect(await second.messages()).toEqual(['one', 'two']);
      const added = await second.post({ message: 'three' });
      expect(added.status).toBe(201);
      expect(added.json()).toMatchObject({ seq: 3 });
      const after = await second.health();
      expect(after.epoch).toBeGreaterThan(before.epoch);
      expect(Number(added.json().epoch)).toBe(after.epoch);
      await cluster.agreed(3);
    }),
  );

  it(
    'loses nothing that it acknowledged when it is killed in the middle of appends',
    onCluster({}, async (cluster) => {
      const first = await cluster.start();
      const acknowledged: string[] = [];
      const appending = appendUntilGone(cluster, acknowledged);
      await eventually('some are acknowledged', () => expect(acknowledged.length).toBeGreaterThan(20));
      await first.kill();
      await appending;

      const second = await cluster.startMaster();
      await cluster.ready(second);
      expect((await second.post({ message: 'after the crash' })).status).toBe(201);
      const shown = (await cluster.agreed()).map(({ message }) => message);
      expect(shown.filter((message) => acknowledged.includes(message))).toEqual(acknowledged);
      expect(new Set(shown).size).toBe(shown.length);
    }),
  );
});

describe('all processes', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)(
    'ended with %s and started again show the log of last time, and take appends',
    (signal) =>
      onCluster({}, async (cluster) => {
        const first = await cluster.start();
        for (const message of ['one', 'two']) expect((await first.post({ message })).status).toBe(201);
        const exits = await Promise.all(cluster.processes.map((process) => process.end(signal)));
        if (signal !== 'SIGKILL') expect(exits.map(({ code }) => code)).toEqual([0, 0, 0]);

        const [second] = await Promise.all([
          cluster.startMaster(),
          ...cluster.secondaryIds.map((id) => cluster.startSecondary(id)),
        ]);
        await cluster.ready(second);
        const added = await second.post({ message: 'three' });
        expect(added.json()).toMatchObject({ seq: 3 });
        const entries = await cluster.agreed(3);
        expect(entries.map(({ message }) => message)).toEqual(['one', 'two', 'three']);
      })(),
  );

  it(
    'may be started in any order: secondaries wait for their first master',
    onCluster({}, async (cluster) => {
      const early = await cluster.startSecondary('secondary-2');
      expect((await early.get('/livez')).status).toBe(200);
      expect((await early.get('/readyz')).status).toBe(503);
      expect(await early.messages()).toEqual([]);
      const master = await cluster.startMaster();
      await cluster.startSecondary('secondary-1');
      await cluster.ready(master);
      expect((await master.post({ message: 'all are here' })).status).toBe(201);
    }),
  );

  it(
    'live without a broker: they say what they wait for and refuse appends at once',
    onCluster({ env: { AMQP_URL: 'amqp://127.0.0.1:9' } }, async (cluster) => {
      const [master, secondary] = await Promise.all([cluster.startMaster(), cluster.startSecondary('secondary-1')]);
      for (const node of [master, secondary]) {
        expect((await node.get('/livez')).status).toBe(200);
        expect((await node.get('/readyz')).status).toBe(503);
        expect(await node.health()).toMatchObject({ broker: { connected: false } });
        expect(await node.messages()).toEqual([]);
      }
      const refused = await master.post({ message: 'too early' });
      expect(refused.status).toBe(503);
      expect(refused.json()).toMatchObject({ type: '/problems/recovering', stored: false });
      expect(await master.stop()).toEqual({ code: 0, signal: null });
      expect(await secondary.stop()).toEqual({ code: 0, signal: null });
    }),
  );
});

describe('wrong settings', () => {
  it(
    'of a master stop it with every fault listed',
    onCluster({}, async (cluster) => {
      const faulty = {
        HTTP_PORT: '99999',
        SECONDARIES: 'a,a',
        DEFAULT_W: '0',
        LOG_STORE: 'paper',
        LOG_LEVEL: 'loud',
        AMQP_URL: 'http://somewhere',
        LOG_NAME: 'no spaces please',
        HEARTBEAT_INTERVAL_MS: 'often',
        QUORUM_APPEND: 'maybe',
      };
      await expectFaults(cluster.spawnMaster(faulty), Object.keys(faulty));
    }),
  );

  it(
    'that contradict each other are faults too',
    onCluster({}, async (cluster) => {
      const faulty = {
        HEARTBEAT_INTERVAL_MS: '500',
        SUSPECT_AFTER_MS: '600',
        UNHEALTHY_AFTER_MS: '100',
        DEFAULT_W: '9',
      };
      await expectFaults(cluster.spawnMaster(faulty), ['SUSPECT_AFTER_MS', 'UNHEALTHY_AFTER_MS', 'DEFAULT_W']);
    }),
  );

  it(
    'of a secondary stop it too; it must be given its id',
    onCluster({}, async (cluster) => {
      const faulty = { NODE_ID: undefined, FAIL_RATE: '1.5', DELAY_MS: '-1', FAULT_INJECTION: 'a bit' };
      await expectFaults(cluster.spawnSecondary('secondary-1', faulty), Object.keys(faulty));
    }),
  );
});

describe('something in the way', () => {
  let squatter: Server;
  let port: number;

  beforeAll(async () => {
    squatter = createServer();
    await new Promise<void>((listening) => squatter.listen(0, '127.0.0.1', listening));
    const address = squatter.address();
    if (address === null || typeof address === 'string') throw new Error('not a port');
    port = address.port;
  });
  afterAll(() => new Promise((closed) => squatter.close(closed)));

  it.each(['master', 'secondary'] as const)('a port in use stops a %s, which names it and what to do', (role) =>
    onCluster({}, async (cluster) => {
      const env = { HTTP_PORT: String(port) };
      const process = role === 'master' ? cluster.spawnMaster(env) : cluster.spawnSecondary('secondary-1', env);
      expect(await process.exited).toEqual({ code: 69, signal: null });
      const [{ reason } = { reason: '' }] = process.linesOf('cannot start');
      expect(reason).toMatch(new RegExp(`port ${port} .*in use.*HTTP_PORT`));
    })(),
  );

  it(
    'a data folder that another process works in is left alone',
    onCluster({}, async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      await master.post({ message: 'mine', w: 2 });
      const second = cluster.spawnMaster();
      const { code } = await second.exited;
      expect(code).toBeGreaterThan(0);
      expect(`${second.said.stderr}${JSON.stringify(second.lines)}`).toMatch(/in use|another process|lock/i);
      expect((await master.post({ message: 'still mine', w: 2 })).status).toBe(201);
      expect(await master.messages()).toEqual(['mine', 'still mine']);
    }),
  );
});

async function expectFaults(process: RealProcess, variables: readonly string[]): Promise<void> {
  expect(await process.exited).toEqual({ code: 78, signal: null });
  const named = variables.filter((variable) => new RegExp(`^\\W*${variable}\\b`, 'm').test(process.said.stderr));
  expect({ named, stderr: process.said.stderr }).toEqual({ named: variables, stderr: process.said.stderr });
}

/** One client, until its connection breaks; notes what it got an answer for. */
async function appendUntilGone({ master }: RealCluster, acknowledged: string[]): Promise<void> {
  for (let at = 0; master.process.isRunning; at += 1) {
    const message = `append ${at}`;
    const status = await master.post({ message, w: 2 }).then(
      (answer) => answer.status,
      // The crash itself: the connection is reset, or refused.
      () => null,
    );
    if (status === 201) acknowledged.push(message);
    else return;
  }
}
