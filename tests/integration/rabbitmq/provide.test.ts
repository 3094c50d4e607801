/**
 * The broker that we start, for real: one story of start, orderly restart, kill, wipe and stop,
 * told of a private node and of a container, and the ways in which the processes around a private
 * node can die. What this machine cannot run is skipped, and said.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'amqplib';
import { eventually } from '#tests/support/eventually';
import { awaitGone, descendants, observe } from '#tests/support/real/processes';
import { runCommand } from '#tools/broker/command';
import { whyNoContainer } from '#tools/broker/docker';
import { OwnBroker } from '#tools/broker/own-broker';
import { findServer, tryPrivateNode } from '#tools/broker/private-node';
import { type ProvideOptions, provideBroker } from '#tools/broker/provide';

const QUEUE = 'kept';

async function startNode(options: Partial<ProvideOptions> = {}): Promise<OwnBroker> {
  const log = () => undefined;
  const env = { ...process.env, AMQP_URL: undefined };
  const broker = await provideBroker({ name: 'provide-test', log, env, ways: ['private-node'], ...options });
  if (!(broker instanceof OwnBroker)) throw new Error('expected a broker of our own');
  return broker;
}

/** Declares a durable quorum queue, and returns what waits in it. */
async function look(url: string, publish?: string): Promise<string | false> {
  const connection = await connect(url, { timeout: 5_000 });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  if (publish !== undefined) {
    channel.sendToQueue(QUEUE, Buffer.from(publish), { persistent: true });
    await channel.waitForConfirms();
  }
  const message = await channel.get(QUEUE, { noAck: false });
  await connection.close();
  return message ? message.content.toString() : false;
}

/** The server of a private node, and the process that keeps it from outliving its owner. */
function pidsOf(dataDir: string): { readonly leash: number; readonly server: number } {
  const { pid: leash } = JSON.parse(readFileSync(join(dataDir, 'lock'), 'utf8')) as { readonly pid: number };
  return { leash, server: Number(readFileSync(join(dataDir, 'rabbitmq.pid'), 'utf8')) };
}

let temporary: string;
const systemsOwn = process.env.TMPDIR;

function temporaryBrokers(): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('replicated-log-broker-'));
}

/**
 * Others may run brokers on this machine at the same time: ours make their temporary folders in one
 * of our own.
 */
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), 'provide-test-'));
  process.env.TMPDIR = temporary;
});

afterAll(() => {
  if (systemsOwn === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = systemsOwn;
  rmSync(temporary, { recursive: true });
});

const server = findServer(process.env);
const isInstalled = 'script' in server;
const story = isInstalled ? describe : describe.skip;
if (!isInstalled) console.warn('skipped: the private node, because no rabbitmq-server is installed here');

/**
 * The broker of the whole run is a child of this very process when the tests run in it, one file
 * after the other.
 */
const others = new Set(descendants(process.pid));

function startedHere(): number[] {
  return descendants(process.pid).filter((pid) => !others.has(pid));
}

/** From the first start to the last trace. */
async function live(broker: OwnBroker): Promise<void> {
  const { amqpUrl } = broker;
  const ours = startedHere();
  expect(broker.describe()).toMatch(/^RabbitMQ \d+\.\d+/);
  await expect(look(amqpUrl, 'm')).resolves.toBe('m');

  await broker.halt();
  await broker.start();
  await expect(look(amqpUrl)).resolves.toBe('m');

  await broker.kill();
  await expect(connect(amqpUrl, { timeout: 1_000 })).rejects.toThrow();
  await broker.start();
  await expect(look(amqpUrl)).resolves.toBe('m');

  await broker.kill();
  await broker.wipe();
  await broker.start();
  await expect(look(amqpUrl)).resolves.toBe(false);

  const last = startedHere();
  await broker.stop();
  await broker.stop();
  expect(await awaitGone([...new Set([...ours, ...last])], 2_000)).toEqual([]);
  expect(temporaryBrokers()).toEqual([]);
}

const STORY = 'keeps a confirmed message through a restart and a kill, loses it by a wipe, and leaves nothing';

describe('a container for a test', () => {
  it(STORY, async () => {
    const reason = await whyNoContainer({ env: process.env, log: () => undefined });
    if (reason !== undefined) {
      console.warn(`skipped: the container, because of Docker: ${reason}`);
      return;
    }
    await live(await startNode({ ways: ['container'] }));
    const listing = ['--all', '--filter', 'label=replicated-log', '--filter', 'name=provide-test', '--quiet'];
    expect(await runCommand(['docker', 'ps', ...listing], { timeoutMs: 5_000 })).toBe('');
  }, 120_000);
});

story('a private node for a test', () => {
  it(STORY, async () => {
    await live(await startNode());
  }, 120_000);

  it('serves its management at the address that it says', async () => {
    const broker = await startNode();
    try {
      const { origin, username, password } = new URL(broker.management);
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
      const overview = await fetch(`${origin}/api/overview`, { headers: { authorization } });
      await expect(overview.json()).resolves.toMatchObject({
        rabbitmq_version: /RabbitMQ ([\d.]+)/.exec(broker.describe())?.[1],
      });
    } finally {
      await broker.stop();
    }
  }, 60_000);
});

story('interruption and failure', () => {
  it('stops what it has started when aborted while the node boots', async () => {
    const abort = new AbortController();
    const providing = startNode({ signal: abort.signal });
    const interrupted = expect(providing).rejects.toMatchObject({ name: 'AbortError' });
    await eventually('a node runs', () =>
      expect(startedHere().map((pid) => observe(pid)?.commandLine)).toContainEqual(
        expect.stringContaining('provide-test@localhost'),
      ),
    );
    const started = startedHere();
    abort.abort();
    await interrupted;
    expect(await awaitGone(started, 2_000)).toEqual([]);
    expect(temporaryBrokers()).toEqual([]);
  }, 60_000);

  it('tells of a death it has not ordered, once, and can start again', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'provide-test-'));
    const deaths: string[] = [];
    const broker = await startNode({ dataDir, onDied: (how) => deaths.push(how) });
    try {
      process.kill(pidsOf(dataDir).server, 'SIGKILL');
      await eventually('its death is told', () => expect(deaths).not.toEqual([]));
      expect(deaths).toEqual(['exit code 137']);
      await broker.start();
    } finally {
      await broker.stop();
      rmSync(dataDir, { recursive: true });
    }
  }, 60_000);

  it('stops a server whose leash was killed before the next one gets its files', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'provide-test-'));
    const deaths: string[] = [];
    const broker = await startNode({ dataDir, onDied: (how) => deaths.push(how) });
    const { leash, server: first } = pidsOf(dataDir);
    process.kill(leash, 'SIGKILL');
    await eventually('its death is told', () => expect(deaths).toEqual(['SIGKILL']));
    expect(observe(first)).toBeDefined();
    await broker.start();
    expect(observe(first)).toBeUndefined();
    await broker.stop();
    rmSync(dataDir, { recursive: true });
  }, 60_000);

  it('refuses a data folder that is in use, and leaves its broker alone', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'provide-test-'));
    const first = await startNode({ dataDir });
    try {
      await expect(startNode({ dataDir })).rejects.toMatchObject({
        code: 'start-failed',
        message: expect.stringContaining(`in use by process ${pidsOf(dataDir).leash}`),
      });
      await expect(look(first.amqpUrl, 'm')).resolves.toBe('m');
    } finally {
      await first.stop();
      rmSync(dataDir, { recursive: true });
    }
  }, 60_000);

  it('shows the end of the log of a node that does not start, and leaves nothing of it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'provide-test-'));
    const script = join(folder, 'server');
    writeFileSync(script, '#!/bin/sh\necho no space left\nexit 7\n', { mode: 0o755 });
    if ('missing' in server) throw new Error(server.missing);
    const broken = { epmd: server.epmd, script };
    const starting = tryPrivateNode({ name: 'broken', log: () => undefined, env: process.env }, broken);
    await expect(starting).rejects.toMatchObject({
      code: 'start-failed',
      message: expect.stringMatching(/exit code 7.*console\.log\nno space left/s),
    });
    expect(temporaryBrokers()).toEqual([]);
    rmSync(folder, { recursive: true });
  }, 60_000);
});

story('the process that has asked for a broker', () => {
  let dataDir: string;
  let owner: ChildProcess | undefined;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'provide-test-'));
  });

  afterEach(() => {
    owner?.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** A broker in a process of its own. */
  async function runOwner(): Promise<ReturnType<typeof pidsOf>> {
    const args = ['--require', require.resolve('tsx/cjs'), join(__dirname, 'owner.ts'), dataDir];
    owner = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, AMQP_URL: '' } });
    if (!owner.stdout) throw new Error('the owner has no stdout');
    for await (const line of createInterface({ input: owner.stdout })) if (line === 'up') return pidsOf(dataDir);
    throw new Error('the owner ended without a broker');
  }

  it('takes its broker along when it is killed', async () => {
    const { leash, server: started } = await runOwner();
    const around = descendants(leash);
    owner?.kill('SIGKILL');
    expect(await awaitGone([leash, started, ...around], 12_000)).toEqual([]);
    expect(existsSync(join(dataDir, 'lock'))).toBe(false);
  }, 60_000);

  it('that is killed gives the folder to the next one once its broker has stopped', async () => {
    const { server: first } = await runOwner();
    owner?.kill('SIGKILL');
    const next = await startNode({ dataDir, name: 'rlog-owner' });
    expect(observe(first)).toBeUndefined();
    await next.stop();
  }, 60_000);
});
