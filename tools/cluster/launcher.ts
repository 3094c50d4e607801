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
import { retryDelayMs } from '#protocol/retry-policy';
import { type StoreLock, takeStoreLock } from '#storage/disk/lock';
import { StorageError } from '#storage/log-store';
import { writeBeginPermission } from '#storage/write-begin-permission';
import { BrokerError, messageOf } from '../broker/errors';
import { explainRefused, findRefused, suggestPort } from '../broker/ports';
import { type ProvidedBroker, provideBroker, WAYS } from '../broker/provide';
import { type GreetedNode, renderGreeting } from './greeting';
import { LaunchError } from './launch-error';
import { holdsStore, keepLogId, type LogPlan, planLog, readKeptLogId } from './log-plan';
import { Node, READY_MS_MAX } from './node';
import { environmentOf, type NodePlan, planNodes } from './node-plan';
import type { LauncherSettings } from './options';
import { awaitReady, readHealth } from './readiness';

/** Half a second less than the process lifecycle allows. */
const STOP_MS_MAX = 9_000;
/** Nodes of a launcher that was killed stop by themselves, within the 10 s of every node. */
const LEFTOVER_MS_MAX = 12_000;
const LEFTOVER_LOOK_MS = 100;
/**
 * How long is waited for nodes of which it is known that most have lost their stores: nobody but an
 * operator may be able to help.
 */
const SHORT_READY_MS_MAX = 15_000;
/** Not RabbitMQ's own ports, which the machine's broker may have; others when they are taken. */
const BROKER_PORTS = { amqp: 5690, management: 15_690 };
/** The first restart comes soon: a broker has no reason to be down that is worth watching. */
const BROKER_RESTART = { delayMsMin: 1_000, delayMsMax: 30_000 };

export interface LauncherOptions {
  readonly settings: LauncherSettings;
  /** The first signal to stop. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** The process must not exit before this has settled. */
  readonly hold: (work: Promise<unknown>) => void;
}

export class Launcher {
  private readonly plans: readonly NodePlan[];
  private readonly logsDir: string;
  private readonly startFailed = new AbortController();
  private lock: StoreLock | null = null;
  private broker: ProvidedBroker | null = null;
  private nodes: readonly Node[] = [];

  constructor(private readonly options: LauncherOptions) {
    this.plans = planNodes(options.settings);
    this.logsDir = join(options.settings.dataDir, 'logs');
  }

  /** Returns when the table is printed. @throws LaunchError; the signal's reason. */
  async start(): Promise<void> {
    const { settings, say, hold } = this.options;
    say(this.describePlan());
    this.lock = await takeLock(settings.dataDir);
    await this.requirePorts(this.lock.takenFrom !== null);
    const hadBroker = existsSync(join(settings.dataDir, 'broker'));
    const providing = this.provideBroker();
    hold(providing);
    const broker = await providing;
    this.broker = broker;
    say(`  ${broker.describe()}`);
    const kept = settings.memory ? null : await readKeptLogId(settings.dataDir);
    const log = await this.planLog(kept, broker.kind !== 'private-node' || hadBroker);
    say(`  starting ${this.names}`);
    this.nodes = this.plans.map((plan) => this.createNode(plan, broker, log.logId));
    const started = await this.startNodes(log);
    const keeping = this.keepLogId(kept).catch((error: unknown) => {
      if (!this.options.signal.aborted) say(`The id of the log is not kept: ${messageOf(error)}`);
    });
    if (started[0]?.readiness.ready === true) await keeping;
    say(this.greeting(started, broker, log));
  }

  /** Starts whoever is down, cutting short the wait for a restart. */
  startStopped(): void {
    for (const node of this.nodes) node.start();
  }

  /** Returns within 9.5 s. */
  async stop(): Promise<void> {
    const { say, settings } = this.options;
    const deadline = performance.now() + STOP_MS_MAX;
    const hasBroker = this.broker !== null && this.broker.kind !== 'given';
    if (this.nodes.length > 0) {
      say(`\nStopping ${this.names}${hasBroker ? ', then RabbitMQ' : ''} …`);
      const isOrderly = await Promise.all(this.nodes.map((node) => node.stop()));
      const killed = this.plans.filter((_, index) => !isOrderly[index]).map(({ name }) => name);
      const late = `  killed, having not stopped in time: ${killed.join(', ')}`;
      say(killed.length === 0 ? '  the nodes have stopped' : late);
    }
    const late = delay(deadline - performance.now(), false, { ref: false });
    const isStopped = await Promise.race([this.broker?.stop().then(() => true), late]);
    if (hasBroker) say(isStopped ? '  RabbitMQ has stopped' : '  RabbitMQ needs some more seconds to stop');
    await this.lock?.release();
    if (this.nodes.length === 0) return;
    const kept = `Stopped. The log is in ${shown(settings.dataDir)}; the next start finds it.`;
    say(settings.memory ? 'Stopped. Nothing is kept.' : kept);
  }

  private get names(): string {
    return this.plans.map(({ name }) => name).join(', ');
  }

  private describePlan(): string {
    const { memory, dataDir } = this.options.settings;
    const [master, ...secondaries] = this.plans;
    const count = secondaries.length === 1 ? 'a secondary' : `${secondaries.length} secondaries`;
    const list = secondaries.length === 0 ? '' : `, ${count} on ${secondaries.map(({ port }) => port).join(', ')}`;
    const place = memory ? 'memory' : shown(dataDir);
    return `Setting up a replicated log: RabbitMQ, a master on ${master?.port}${list}; kept in ${place}`;
  }

  /** @throws LaunchError that names every port that cannot be had. */
  private async requirePorts(hasPredecessor: boolean): Promise<void> {
    const { settings, signal, say } = this.options;
    const { host, port } = settings;
    const deadline = performance.now() + (hasPredecessor ? LEFTOVER_MS_MAX : 0);
    let refused = await findRefused(host, this.plans);
    if (refused.length > 0 && hasPredecessor) say('  waiting for the nodes of a start that was killed to end');
    while (refused.length > 0 && performance.now() < deadline) {
      await delay(LEFTOVER_LOOK_MS, undefined, { signal });
      refused = await findRefused(host, this.plans);
    }
    if (refused.length === 0) return;
    throw new LaunchError(explainRefused(refused, host, await suggestPort(host, port + 10, this.plans.length)));
  }

  private provideBroker(): Promise<ProvidedBroker> {
    const { settings, signal, say } = this.options;
    return provideBroker({
      dataDir: settings.memory ? undefined : join(settings.dataDir, 'broker'),
      name: 'rlog',
      env: settings.environment,
      ways: settings.mayInstall ? WAYS : WAYS.filter((way) => way !== 'install'),
      ports: BROKER_PORTS,
      log: (line) => say(`  ${line}`),
      signal,
      onDied: (how) => void this.reviveBroker(how),
    });
  }

  /** Meanwhile the nodes keep what they have, and come back to it at the same address. */
  private async reviveBroker(how: string): Promise<void> {
    const { broker } = this;
    const { signal, say } = this.options;
    if (broker === null || broker.kind === 'given' || signal.aborted) return;
    say(`RabbitMQ died (${how}). The nodes wait for it; it is started again.`);
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await delay(retryDelayMs(BROKER_RESTART, attempt, Math.random()), undefined, { signal });
        await broker.start(signal);
        say('RabbitMQ is back.');
        return;
      } catch (error) {
        if (signal.aborted) return;
        say(`RabbitMQ does not start: ${messageOf(error)}`);
        if (!(error instanceof BrokerError)) throw error;
      }
    }
  }

  /** Permits the master to begin a log, where that is part of the plan. */
  private async planLog(kept: string | null, brokerMayRemember: boolean): Promise<LogPlan> {
    const { memory, logId: given } = this.options.settings;
    const folders = this.plans.flatMap(({ dataDir }) => dataDir ?? []);
    const holds = await Promise.all(folders.map(holdsStore));
    const plan = planLog({ given, memory, kept, holds, brokerMayRemember });
    const [master] = folders;
    if (plan.permitsBirth && master !== undefined) await writeBeginPermission(master);
    return plan;
  }

  private createNode(plan: NodePlan, broker: ProvidedBroker, logId: string | null): Node {
    const { settings, signal, say } = this.options;
    const environment = environmentOf(plan, { settings, nodes: this.plans, broker, logId });
    const onHopeless = (error: LaunchError) => this.startFailed.abort(error);
    return new Node({ plan, settings, environment, logsDir: this.logsDir, signal, say, onHopeless });
  }

  /** Returns when all are ready, or the time for it is over. @throws LaunchError; the signal's reason. */
  private async startNodes(log: LogPlan): Promise<readonly GreetedNode[]> {
    const signal = AbortSignal.any([this.options.signal, this.startFailed.signal]);
    const boundMs = log.state === 'fine' ? READY_MS_MAX : SHORT_READY_MS_MAX;
    this.startStopped();
    const ready = await Promise.all(this.plans.map(({ url }) => awaitReady(url, boundMs, signal)));
    const health = await Promise.all(this.plans.map(({ url }) => readHealth(url, this.options.settings.apiToken)));
    return this.nodes.map((node, index) => {
      node.isStarting = false;
      const readiness = ready[index] ?? { ready: false, reason: 'not asked' };
      return { plan: node.plan, pid: node.pid, readiness, health: health[index] ?? null };
    });
  }

  /** Keeps the id of the log as soon as the master reigns in it, for the next starts. */
  private async keepLogId(kept: string | null): Promise<void> {
    const { settings, signal } = this.options;
    const [master] = this.plans;
    if (settings.memory || master === undefined) return;
    await awaitReady(master.url, Number.POSITIVE_INFINITY, signal);
    const log = (await readHealth(master.url, settings.apiToken))?.log ?? kept;
    if (log !== null && log !== kept) await keepLogId(settings.dataDir, log);
  }

  private greeting(nodes: readonly GreetedNode[], broker: ProvidedBroker, log: LogPlan): string {
    const { apiToken, dataDir, memory, logName } = this.options.settings;
    return renderGreeting({
      nodes,
      broker: { amqpUrl: broker.amqpUrl, management: broker.management, description: broker.describe() },
      dataDir: memory ? null : shown(dataDir),
      logName,
      goneLog: log.state === 'gone' ? log.logId : null,
      logsDir: shown(this.logsDir),
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
    if (!(cause instanceof StorageError && cause.code === 'locked'))
      throw new LaunchError(`The data folder ${dataDir} cannot be used: ${messageOf(cause)}`, { cause });
    throw new LaunchError(
      `npm start is running here already: ${cause.message}.\n` +
        'Use that one, or stop it with Ctrl-C in its terminal (kill PID from elsewhere), or give this one its own place:\n' +
        '  npm start -- --data DIR --port N',
      { cause },
    );
  }
}

/** As a person in this folder would say it. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : `./${short}`;
}
