/**
 * The main job, in order: one launcher for one data folder, ports that are free, a RabbitMQ, the
 * nodes, the table. Stopping is the other way round: the nodes all at once, then RabbitMQ, within
 * the 10 s that are promised.
 *
 * Whatever fails or interrupts the start, stop() takes apart what there is by then.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type StoreLock, takeStoreLock } from '#storage/disk/lock';
import { StorageError } from '#storage/log-store';
import { writeBeginPermission } from '#storage/write-begin-permission';
import type { ProvidedBroker } from '../broker/provide';
import { LaunchError } from './launch-error';
import { type NodePlan, planNodes } from './plan/cluster-plan';
import { holdsStore, keepLogId, readKeptLogId } from './plan/kept-log';
import { type LogPlan, planLog } from './plan/log-plan';
import { explainRefused, findRefused, suggestPort } from './plan/ports';
import { BrokerKeeper } from './processes/broker-keeper';
import { Cluster, READY_MS_MAX, type StartedNode } from './processes/cluster';
import { awaitReady, readHealth } from './processes/readiness';
import type { LauncherSettings } from './settings';
import { renderGreeting } from './terminal/greeting';

/**
 * A node stops within a second; one whose clients do not read their answers takes 5 s. Together
 * below 9.5 s.
 */
const NODES_STOP_MS_MAX = 6_000;
/** An orderly stop takes a second. */
const BROKER_STOP_MS_MAX = 2_400;

/** Nodes of a launcher that was killed stop by themselves, within the 10 s of every node. */
const LEFTOVER_MS_MAX = 12_000;
const LEFTOVER_LOOK_MS = 100;

/**
 * How long is waited for nodes of which it is known that most have lost their stores: nobody but an
 * operator may be able to help.
 */
const SHORT_READY_MS_MAX = 15_000;

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
  /** The id that the data folder has; null: none yet, or nothing is kept. */
  private keptLogId: string | null = null;

  constructor(private readonly options: LauncherOptions) {
    const { settings, signal, say } = options;
    this.nodes = planNodes(settings);
    this.keeper = new BrokerKeeper({
      dataDir: settings.memory ? null : join(settings.dataDir, 'broker'),
      environment: settings.environment,
      mayInstall: settings.mayInstall,
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
    const hadBroker = existsSync(join(settings.dataDir, 'broker'));
    const providing = this.keeper.provide();
    hold(providing);
    const broker = await providing;
    this.hasBroker = broker.kind !== 'given';
    say(`  ${broker.describe()}`);
    const log = await this.planLog(broker.kind !== 'private-node' || hadBroker);
    say(`  starting ${this.nodes.map(({ name }) => name).join(', ')}`);
    const logsDir = join(settings.dataDir, 'logs');
    const { logId } = log;
    const readyMsMax = log.state === 'fine' ? READY_MS_MAX : SHORT_READY_MS_MAX;
    this.cluster = new Cluster({ settings, nodes: this.nodes, broker, logId, readyMsMax, logsDir, signal, say });
    const started = await this.cluster.start();
    const keeping = this.keepLogId().catch((error: unknown) => {
      if (!signal.aborted) say(`The id of the log is not kept: ${error instanceof Error ? error.message : error}`);
    });
    const [master] = started;
    if (master?.readiness.ready === true) await keeping;
    say(await this.greeting(started, { broker, logsDir, log }));
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

  /** Permits the master to begin a log, where that is part of the plan. */
  private async planLog(brokerMayRemember: boolean): Promise<LogPlan> {
    const { settings } = this.options;
    const { dataDir, memory, logId: given } = settings;
    if (!memory) this.keptLogId = await readKeptLogId(dataDir);
    const folders = this.nodes.flatMap((node) => (node.dataDir === null ? [] : [node.dataDir]));
    const holds = await Promise.all(folders.map(holdsStore));
    const plan = planLog({ given, memory, kept: this.keptLogId, holds, brokerMayRemember });
    const [master] = folders;
    if (plan.permitsBirth && master !== undefined) await writeBeginPermission(master);
    return plan;
  }

  /** Keeps the id of the log as soon as the master reigns in it, for the next starts. */
  private async keepLogId(): Promise<void> {
    const { settings, signal } = this.options;
    const [master] = this.nodes;
    if (settings.memory || master === undefined) return;
    await awaitReady(master.url, { boundMs: Number.POSITIVE_INFINITY, signal });
    const health = await readHealth(master.url, settings.apiToken);
    if (health === null || health.log === null || health.log === this.keptLogId) return;
    await keepLogId(settings.dataDir, health.log);
    this.keptLogId = health.log;
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

  private async greeting(
    started: readonly StartedNode[],
    { broker, logsDir, log }: { broker: ProvidedBroker; logsDir: string; log: LogPlan },
  ): Promise<string> {
    const { apiToken, dataDir, memory, logName } = this.options.settings;
    const asked = started.map(async (node) => ({ ...node, health: await readHealth(node.plan.url, apiToken) }));
    return renderGreeting({
      nodes: await Promise.all(asked),
      broker: { amqpUrl: broker.amqpUrl, management: broker.management, description: broker.describe() },
      dataDir: memory ? null : shown(dataDir),
      logName,
      goneLog: log.state === 'gone' ? log.logId : null,
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
