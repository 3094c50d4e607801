/**
 * The main job, in order: one launcher for one data folder, ports that are free, a RabbitMQ, the nodes, the table. Stopping is
 * the other way round: the nodes all at once, then RabbitMQ, within the 10 s that are promised.
 *
 * Whatever fails or interrupts the start, stop() takes apart what there is by then.
 */
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProvidedBroker } from '../../rabbitmq/provide';
import { StorageError } from '../../shared/runtime/log-store/log-store';
import { type StoreLock, takeStoreLock } from '../../shared/runtime/log-store/store-lock';
import { BrokerKeeper } from './broker-keeper';
import { Cluster, type StartedNode } from './cluster';
import { type NodePlan, planNodes } from './cluster-plan';
import type { LauncherSettings } from './config';
import { renderGreeting } from './greeting';
import { LaunchError } from './launch-error';
import { explainRefused, findRefused, suggestPort } from './ports';
import { readHealth } from './readiness';

/** A node stops within a second; one whose clients do not read their answers takes 5 s. Together below 9.5 s. */
const NODES_STOP_MS_MAX = 6_000;
/** An orderly stop takes a second. */
const BROKER_STOP_MS_MAX = 2_400;

/** Nodes of a launcher that was killed stop by themselves, within the 10 s of every node. */
const LEFTOVER_MS_MAX = 12_000;
const LEFTOVER_LOOK_MS = 100;

export interface LauncherOptions {
  readonly settings: LauncherSettings;
  /** The first signal to stop. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** The process must not exit before this has settled. */
  readonly hold: (work: Promise<unknown>) => void;
}

export class Launcher {
  private readonly nodes: readonly NodePlan[];
  private readonly keeper: BrokerKeeper;
  private lock: StoreLock | null = null;
  private cluster: Cluster | null = null;
  private hasBroker = false;

  constructor(private readonly options: LauncherOptions) {
    const { settings, signal, say } = options;
    this.nodes = planNodes(settings);
    this.keeper = new BrokerKeeper({
      dataDir: settings.memory ? null : join(settings.dataDir, 'broker'),
      environment: settings.environment,
      signal,
      say,
    });
  }

  /** Returns when the table is printed. @throws LaunchError; the signal's reason. */
  async start(): Promise<void> {
    const { settings, signal, say, hold } = this.options;
    say(this.plan());
    this.lock = await takeLock(settings.dataDir);
    await this.requirePorts(this.lock.takenFrom !== null);
    const providing = this.keeper.provide();
    hold(providing);
    const broker = await providing;
    this.hasBroker = broker.kind !== 'given';
    say(`  ${broker.describe()}`);
    say(`  starting ${this.nodes.map(({ name }) => name).join(', ')}`);
    const logsDir = join(settings.dataDir, 'logs');
    this.cluster = new Cluster({ settings, nodes: this.nodes, broker, logsDir, signal, say });
    const started = await this.cluster.start();
    say(await this.greeting(started, broker, logsDir));
  }

  startStopped(): void {
    this.cluster?.startStopped();
  }

  /** Returns within 9.5 s. */
  async stop(): Promise<void> {
    const { say, settings } = this.options;
    if (this.cluster !== null) {
      say(`\nStopping ${this.nodes.map(({ name }) => name).join(', ')}${this.hasBroker ? ', then RabbitMQ' : ''} …`);
      const killed = await this.cluster.stop(NODES_STOP_MS_MAX);
      say(
        killed.length === 0 ? '  the nodes have stopped' : `  killed, having not stopped in time: ${killed.join(', ')}`,
      );
    }
    const isStopped = await this.keeper.stop(BROKER_STOP_MS_MAX);
    if (this.hasBroker) say(isStopped ? '  RabbitMQ has stopped' : '  RabbitMQ needs some more seconds to stop');
    await this.lock?.release();
    if (this.cluster === null) return;
    const where = shown(settings.dataDir);
    say(settings.memory ? 'Stopped. Nothing is kept.' : `Stopped. The log is in ${where}; the next start finds it.`);
  }

  private plan(): string {
    const { settings } = this.options;
    const [master, ...secondaries] = this.nodes;
    const where = settings.memory ? 'kept in memory' : `kept in ${shown(settings.dataDir)}`;
    const others = secondaries.map(({ port }) => port).join(', ');
    const list =
      secondaries.length === 0
        ? ''
        : `, ${secondaries.length === 1 ? 'a secondary' : `${secondaries.length} secondaries`} on ${others}`;
    return `Setting up a replicated log: RabbitMQ, a master on ${master?.port}${list}; ${where}`;
  }

  /** @throws LaunchError that names every port that cannot be had. */
  private async requirePorts(hasPredecessor: boolean): Promise<void> {
    const { settings, signal, say } = this.options;
    const { host, port } = settings;
    let refused = await findRefused(host, this.nodes);
    if (refused.length === 0) return;
    if (hasPredecessor) {
      say('  waiting for the nodes of a start that was killed to end');
      const deadline = performance.now() + LEFTOVER_MS_MAX;
      while (refused.length > 0 && performance.now() < deadline) {
        await delay(LEFTOVER_LOOK_MS, undefined, { signal });
        refused = await findRefused(host, this.nodes);
      }
      if (refused.length === 0) return;
    }
    throw new LaunchError(explainRefused(refused, host, await suggestPort(host, port + 10, this.nodes.length)));
  }

  private async greeting(started: readonly StartedNode[], broker: ProvidedBroker, logsDir: string): Promise<string> {
    const { apiToken, dataDir, memory } = this.options.settings;
    const asked = started.map(async (node) => ({ ...node, health: await readHealth(node.plan.url, apiToken) }));
    return renderGreeting({
      nodes: await Promise.all(asked),
      broker: { amqpUrl: broker.amqpUrl, management: broker.management, description: broker.describe() },
      dataDir: memory ? null : shown(dataDir),
      logsDir: shown(logsDir),
      hasApiToken: apiToken !== null,
      launcherPid: process.pid,
    });
  }
}

async function takeLock(dataDir: string): Promise<StoreLock> {
  try {
    mkdirSync(dataDir, { recursive: true });
    return await takeStoreLock(dataDir);
  } catch (cause) {
    if (cause instanceof StorageError && cause.code === 'locked') {
      throw new LaunchError(
        `npm start is running here already: ${cause.message}.\nUse that one, or stop it with Ctrl-C in its terminal (kill PID from elsewhere), or give this one its own place:\n  npm start -- --data DIR --port N`,
        { cause },
      );
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LaunchError(`The data folder ${dataDir} cannot be used: ${reason}`, { cause });
  }
}

/** As a person in this folder would say it. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : `./${short}`;
}
