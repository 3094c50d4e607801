/**
 * A master and secondaries as real processes on the real broker of the test run, under a log name
 * of their own.
 *
 * What a test starts it need not stop: after each test (a shared cluster: after the file) every
 * process is killed and the log's queues and exchanges are deleted, whatever the test came to. When
 * it failed, the processes' logs go to stderr.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Channel, connect } from 'amqplib';
import type { Entry } from '#protocol/entry';
import { topologyOf } from '#protocol/topology';
import { eventually } from '../eventually';
import { HttpNode } from '../http/http-node';
import { type Environment, type Exit, type LogLine, RealProcess, RUN_DIR, TEST_QUEUE_TYPE } from './process';

const LINES_SHOWN = 120;

interface ClusterSettings {
  /** The master's SECONDARIES, started or not. */
  readonly secondaries?: readonly string[];
  /** Of every process, below what its start says. */
  readonly env?: Environment;
  /**
   * A broker of the test's own, which may be down at the end: what the log has there is left to it.
   * Default: the test run's.
   */
  readonly brokerUrl?: string;
}

export interface MemberHealth {
  readonly id: string;
  readonly status: 'Unknown' | 'Healthy' | 'Suspected' | 'Unhealthy';
  readonly acked: number;
  readonly lag: number;
  readonly lastSeenMs: number | null;
  readonly queue?: { readonly messages: number; readonly bytes: number; readonly overflowed: boolean };
}

export interface MasterHealth {
  readonly status: string;
  readonly epoch: number;
  readonly head: number;
  readonly commit: number;
  readonly readOnly: boolean;
  readonly quorum: { readonly required: number; readonly alive: number; readonly ok: boolean };
  readonly broker: { readonly connected: boolean; readonly blocked: boolean };
  readonly waitingFor?: string;
  readonly holder?: string | null;
  readonly forcedEpoch?: number;
  readonly secondaries: readonly MemberHealth[];
}

export interface SecondaryHealth {
  readonly status: string;
  readonly epoch: number;
  readonly applied: number;
  readonly head: number;
  readonly buffered: number;
  readonly counters: Readonly<Record<'duplicates' | 'gaps' | 'fetches' | 'staleEpoch' | 'redelivered', number>>;
}

/** One process of a cluster that serves HTTP. */
export class RealNode extends HttpNode {
  constructor(
    id: string,
    url: string,
    readonly process: RealProcess,
  ) {
    super(id, url);
  }

  override health<Health = MasterHealth>(): Promise<Health> {
    return super.health<Health>();
  }

  /** Ends it as a user would. */
  stop(): Promise<Exit> {
    return this.process.end('SIGTERM');
  }

  /** Ends it as a crash would. */
  kill(): Promise<Exit> {
    return this.process.end('SIGKILL');
  }
}

export class RealCluster {
  readonly log = `it-${randomUUID().slice(0, 8)}`;
  readonly topology = topologyOf(this.log);
  readonly secondaryIds: readonly string[];
  /** In the order of their starts, the ended ones too. */
  readonly processes: RealProcess[] = [];
  private readonly running = new Map<string, RealNode>();
  private readonly brokerUrl: string;

  constructor(private readonly settings: ClusterSettings = {}) {
    this.brokerUrl = settings.brokerUrl ?? brokerUrl();
    this.secondaryIds = settings.secondaries ?? ['secondary-1', 'secondary-2'];
  }

  /** Where a node's disk is, unless its start says otherwise. */
  dataDirOf(id: string): string {
    return join(RUN_DIR, this.log, id);
  }

  /** The master that was started last. */
  get master(): RealNode {
    return this.node('master');
  }

  /** The node that was started last under this id. */
  node(id: string): RealNode {
    const node = this.running.get(id);
    if (node === undefined) throw new Error(`${id} was not started`);
    return node;
  }

  get nodes(): RealNode[] {
    return [...this.running.values()];
  }

  /** Starts a master; resolves when it listens, which is before it takes appends. */
  startMaster(env: Environment = {}): Promise<RealNode> {
    return this.listening(this.spawnMaster(env), env.NODE_ID ?? 'master');
  }

  /**
   * Starts a secondary; resolves when it listens. With the id of one that ran before it finds that
   * one's disk.
   */
  startSecondary(id: string, env: Environment = {}): Promise<RealNode> {
    return this.listening(this.spawnSecondary(id, env), id);
  }

  /** A master that need not come up. */
  spawnMaster(env: Environment = {}): RealProcess {
    const SECONDARIES = this.secondaryIds.join(',');
    return this.spawn('master', { NODE_ID: 'master', SECONDARIES, ...this.settings.env, ...env });
  }

  /** A secondary that need not come up. */
  spawnSecondary(id: string, env: Environment = {}): RealProcess {
    return this.spawn('secondary', { NODE_ID: id, FAULT_INJECTION: 'true', ...this.settings.env, ...env });
  }

  /**
   * Starts the master and those secondaries (default: all) for the first time, and waits until each
   * is heard and appends are taken. With all of them it waits until all are voters too: a majority
   * of three survives a crash, one of two does not.
   */
  async start(ids: readonly string[] = this.secondaryIds): Promise<RealNode> {
    const [master] = await Promise.all([this.startMaster(), ...ids.map((id) => this.startSecondary(id))]);
    await this.ready(master, ids);
    if (ids.length === this.secondaryIds.length) await this.untilAllVote(master);
    return master;
  }

  /** Until this master takes appends and hears those secondaries. */
  async ready(master: RealNode, ids: readonly string[] = this.secondaryIds): Promise<void> {
    await eventually(`${master.id} takes appends and hears ${ids.join(', ')}`, async () => {
      const answer = await master.get('/readyz');
      if (answer.status !== 200) throw new Error(`/readyz: ${answer.text}`);
      await Promise.all(ids.map((id) => this.expectStatus(id, 'Healthy', master)));
    });
  }

  /** Until the master shows this secondary so. */
  async untilStatus(id: string, status: MemberHealth['status']): Promise<void> {
    await eventually(`${id} is ${status}`, () => this.expectStatus(id, status, this.master));
  }

  /**
   * Until every member is a voter: only then is the log safe from the loss of a minority, and every
   * later fault one of a whole cluster.
   */
  async untilAllVote(master = this.master): Promise<void> {
    await eventually('all members are voters', async () => {
      const members = JSON.parse((await master.get('/members')).text) as { id: string; voter: boolean }[];
      expect(members.filter(({ voter }) => !voter)).toEqual([]);
    });
  }

  /**
   * Until all these nodes show the same entries, `count` of them where it is given; resolves with
   * them.
   */
  async agreed(count?: number, nodes: readonly RealNode[] = this.nodes): Promise<Entry[]> {
    return eventually(`${nodes.map(({ id }) => id).join(', ')} show the same log`, async () => {
      const [first = [], ...others] = await Promise.all(nodes.map((node) => node.entries()));
      if (count !== undefined && first.length !== count) throw new Error(`${first.length} entries, not ${count}`);
      for (const other of others) expect(other).toEqual(first);
      return first;
    });
  }

  /** Does on the broker what a person does with its tools. */
  async onBroker<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
    const connection = await connect(this.brokerUrl, { timeout: 10_000 });
    try {
      return await act(await connection.createChannel());
    } finally {
      await connection.close();
    }
  }

  /** Is there such a queue, whoever has it? */
  hasQueue(queue: string): Promise<boolean> {
    return this.onBroker(async (channel) => {
      let refusal = 0;
      channel.on('error', ({ code }: { code?: number }) => {
        refusal = code ?? 0;
      });
      try {
        await channel.checkQueue(queue);
        return true;
      } catch (error) {
        // An exclusive one is refused (405), one that is not there is not found (404).
        if (refusal !== 404 && refusal !== 405) throw error;
        return refusal === 405;
      }
    });
  }

  /** Kills every process and deletes what the log has at the broker. */
  async end(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end('SIGKILL')));
    if (this.settings.brokerUrl !== undefined) return;
    const { entriesExchange, controlExchange, entriesQueue } = this.topology;
    await this.onBroker(async (channel) => {
      for (const id of new Set([...this.secondaryIds, ...this.running.keys()]))
        await channel.deleteQueue(entriesQueue(id));
      await channel.deleteExchange(entriesExchange);
      await channel.deleteExchange(controlExchange);
    });
  }

  /** What the processes said last, for a person who looks for the cause of a failure. */
  describe(): string {
    const parts = this.processes.map((process) => {
      const lines = process.lines.filter(({ msg }) => msg !== 'request done').slice(-LINES_SHOWN);
      return [`--- ${process.name}`, ...lines.map(describeLine), process.said.stdout, process.said.stderr].join('\n');
    });
    return `the processes of ${this.log}:\n${parts.join('\n')}\n`;
  }

  private spawn(role: 'master' | 'secondary', env: Environment): RealProcess {
    const id = env.NODE_ID ?? role;
    const own = {
      HTTP_PORT: '0',
      LOG_NAME: this.log,
      LOG_LEVEL: 'debug',
      AMQP_URL: this.brokerUrl,
      QUEUE_TYPE: TEST_QUEUE_TYPE,
      DATA_DIR: this.dataDirOf(id),
    };
    mkdirSync(RUN_DIR, { recursive: true });
    const process = RealProcess.start({ name: id, script: `services/${role}/main.js`, env: { ...own, ...env } });
    this.processes.push(process);
    return process;
  }

  private async listening(process: RealProcess, id: string): Promise<RealNode> {
    const { url } = await process.line('that it listens', ({ msg }) => msg === 'listening');
    const node = new RealNode(id, String(url), process);
    this.running.set(id, node);
    return node;
  }

  private async expectStatus(id: string, status: MemberHealth['status'], master: RealNode): Promise<void> {
    const { secondaries } = await master.health();
    const found = secondaries.find((each) => each.id === id);
    if (found?.status !== status) throw new Error(`${id} is ${found?.status ?? 'no member'}, not ${status}`);
  }
}

const open = new Set<RealCluster>();

/** A test on a cluster of its own. */
export function onCluster(settings: ClusterSettings, play: (cluster: RealCluster) => Promise<void>) {
  return async (): Promise<void> => {
    const cluster = new RealCluster(settings);
    open.add(cluster);
    await play(cluster);
    open.delete(cluster);
    await cluster.end();
  };
}

/** A test on a cluster that a file's tests share; `end` it in `afterAll`. */
export function onShared<Row extends unknown[]>(cluster: () => RealCluster, play: (...row: Row) => Promise<void>) {
  return async (...row: Row): Promise<void> => {
    try {
      await play(...row);
    } catch (error) {
      process.stderr.write(cluster().describe());
      throw error;
    }
  };
}

// A test that failed, or that ran out of its time and still runs, has left its cluster open.
afterEach(async () => {
  for (const cluster of open) {
    open.delete(cluster);
    process.stderr.write(cluster.describe());
    await cluster.end();
  }
});

function describeLine({ time, msg, node: _node, role: _role, level, ...facts }: LogLine): string {
  return `${String(time)} ${level} ${msg} ${JSON.stringify(facts)}`;
}

/** The broker of the test run. */
export function brokerUrl(): string {
  const url = process.env.RLOG_TEST_AMQP_URL;
  if (url === undefined) throw new Error('RLOG_TEST_AMQP_URL is not set: the jest project "integration" sets it');
  return url;
}
