/**
 * The main job, in order: one launcher for one data folder, free ports, a RabbitMQ, the nodes, the
 * table. Stopping is the other way round, within the 10 s that are promised: the nodes all at once,
 * then RabbitMQ. A start that fails or is interrupted is taken apart by stop() too.
 */
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type StoreLock, takeStoreLock } from '#storage/disk/lock/lock';
import { StorageError } from '#storage/log-store';
import { LaunchError, messageOf } from '../broker/launch-error';
import { OwnBroker } from '../broker/own-broker';
import { findRefused } from '../broker/ports';
import { type ProvidedBroker, provideBroker, WAYS } from '../broker/provide';
import { retry } from '../broker/retry';
import { type GreetedNode, type GreetingFacts, renderGreeting } from './greeting';
import { keepLogId, prepareLog } from './kept-log';
import type { LauncherHost } from './launcher-host';
import { Node, READY_MS_MAX } from './node';
import { environmentOf, planNodes } from './node-plan';
import type { LauncherSettings } from './options';
import { awaitReady, readHealth } from './readiness';

/** Half a second less than the process lifecycle allows. */
const STOP_MS_MAX = 9_000;
/** Nodes of a launcher that was killed stop by themselves, within the 10 s of every node. */
const LEFTOVER_WAIT = { boundMs: 12_000, everyMs: 100 };
/** Not RabbitMQ's own ports, which the machine's broker may have; others when they are taken. */
const BROKER_PORTS = { amqp: 5690, management: 15_690 };
const BROKER_RESTART_MS = 3_000;

export class Launcher {
  private readonly plans: ReturnType<typeof planNodes>;
  private readonly names: string;
  private readonly logsDir: string;
  private readonly signal: AbortSignal;
  private readonly startFailed = new AbortController();
  private lock: StoreLock | null = null;
  private broker: ProvidedBroker | null = null;
  private nodes: readonly Node[] = [];

  constructor(
    private readonly settings: LauncherSettings,
    private readonly host: LauncherHost,
    private readonly say: (text: string) => void,
  ) {
    this.plans = planNodes(settings);
    this.names = this.plans.map(({ name }) => name).join(', ');
    this.logsDir = join(settings.dataDir, 'logs');
    this.signal = host.interrupted;
  }

  /** Returns when the table is printed. @throws LaunchError; the signal's reason. */
  async start(): Promise<void> {
    const { settings, plans, logsDir, signal, say } = this;
    const { dataDir, memory, logLevel, apiToken, logName } = settings;
    const ports = plans.map(({ name, port }) => `${name} (${port})`).join(', ');
    say(`Setting up a replicated log in ${memory ? 'memory' : shown(dataDir)}: RabbitMQ, ${ports}`);
    this.lock = await takeLock(dataDir);
    await this.requirePorts(this.lock.takenFrom !== null);
    const providing = this.provideBroker();
    this.host.busy = providing;
    const broker = await providing;
    this.broker = broker;
    say(`  ${broker.describe()}`);
    const folders = plans.flatMap((plan) => plan.dataDir ?? []);
    // A LOG_ID that the user has set goes before the one that was kept.
    const kept = memory || settings.logId ? { id: null, isGone: false } : await prepareLog(dataDir, folders);
    say(`  starting ${this.names}`);
    const onHopeless = (error: LaunchError) => this.startFailed.abort(error);
    this.nodes = plans.map((plan) => {
      const environment = environmentOf(plan, settings, broker, kept.id);
      return new Node({ plan, environment, logLevel, logsDir, signal, say, onHopeless });
    });
    this.startStopped();
    const nodes = await this.awaitNodes();
    const keeping = memory ? null : this.keepLogId(kept.id);
    if (nodes[0].notReady === null) await keeping;
    const facts = { nodes, logName, hasApiToken: apiToken !== null, launcherPid: process.pid };
    const places = { dataDir: memory ? null : shown(dataDir), logsDir: shown(logsDir) };
    say(renderGreeting({ ...facts, ...places, broker, goneLog: kept.isGone ? kept.id : null }));
  }

  /** Starts whoever is down, cutting short the wait for a restart. */
  startStopped(): void {
    for (const node of this.nodes) node.start();
  }

  /** Returns within 9.5 s. */
  async stop(): Promise<void> {
    const { say, settings, broker } = this;
    const late = delay(STOP_MS_MAX, false, { ref: false });
    const isOwn = broker instanceof OwnBroker;
    if (this.nodes.length > 0) {
      say(`\nStopping ${this.names}${isOwn ? ', then RabbitMQ' : ''} …`);
      const killed = (await Promise.all(this.nodes.map((node) => node.stop()))).filter((name) => name !== null);
      say(`  the nodes have stopped${killed.length === 0 ? '' : `; killed, being late: ${killed.join(', ')}`}`);
    }
    const isStopped = await Promise.race([broker?.stop().then(() => true), late]);
    if (isOwn) say(isStopped ? '  RabbitMQ has stopped' : '  RabbitMQ needs some more seconds to stop');
    await this.lock?.release();
    if (this.nodes.length === 0) return;
    const kept = `The log is in ${shown(settings.dataDir)}; the next start finds it.`;
    say(`Stopped. ${settings.memory ? 'Nothing is kept.' : kept}`);
  }

  /** Nodes of a start that was killed get time to end. @throws LaunchError that names the ports. */
  private async requirePorts(hasPredecessor: boolean): Promise<void> {
    const { host } = this.settings;
    if (hasPredecessor) this.say('  the start before was killed: waiting until its nodes have ended');
    const attempt = async () => {
      const refused = await findRefused(host, this.plans);
      const remedy = 'Stop what listens there, or use other ports: npm start -- --port N';
      if (refused.length > 0) throw new LaunchError(['Ports cannot be had:', ...refused, remedy].join('\n'));
    };
    await (hasPredecessor ? retry(attempt, { ...LEFTOVER_WAIT, signal: this.signal }) : attempt());
  }

  private provideBroker(): Promise<ProvidedBroker> {
    const { settings, signal } = this;
    return provideBroker({
      dataDir: settings.memory ? undefined : join(settings.dataDir, 'broker'),
      name: 'rlog',
      env: settings.environment,
      ways: settings.mayInstall ? WAYS : WAYS.filter((way) => way !== 'install'),
      ports: BROKER_PORTS,
      log: (line) => this.say(`  ${line}`),
      signal,
      onDied: (how) => void this.reviveBroker(how),
    });
  }

  /** Meanwhile the nodes keep what they have, and come back to it at the same address. */
  private async reviveBroker(how: string): Promise<void> {
    const { broker, signal, say } = this;
    if (!(broker instanceof OwnBroker) || signal.aborted) return;
    say(`RabbitMQ is down: ${how}. The nodes wait for it; it is started again.`);
    try {
      await delay(BROKER_RESTART_MS, undefined, { signal });
      await broker.start(signal);
      say('RabbitMQ is back.');
    } catch (error) {
      void this.reviveBroker(messageOf(error));
    }
  }

  /** Returns when all are ready, or the time is over. @throws LaunchError; the signal's reason. */
  private async awaitNodes(): Promise<GreetingFacts['nodes']> {
    const signal = AbortSignal.any([this.signal, this.startFailed.signal]);
    const look = async (node: Node): Promise<GreetedNode> => {
      const notReady = await awaitReady(node.plan.url, READY_MS_MAX, signal);
      const health = await readHealth(node.plan.url, this.settings.apiToken);
      return { plan: node.plan, pid: node.pid, notReady, health };
    };
    const nodes = await Promise.all(this.nodes.map(look));
    for (const node of this.nodes) node.endStart();
    return nodes as [GreetedNode, ...GreetedNode[]];
  }

  /** Keeps the id of the log for the next starts, once the master reigns in it. */
  private async keepLogId(kept: string | null): Promise<void> {
    const { settings, signal, plans } = this;
    try {
      await awaitReady(plans[0].url, Number.POSITIVE_INFINITY, signal);
      const log = (await readHealth(plans[0].url, settings.apiToken))?.log ?? kept;
      if (log !== null && log !== kept) await keepLogId(settings.dataDir, log);
    } catch (error) {
      if (!signal.aborted) this.say(`The id of the log is not kept: ${messageOf(error)}`);
    }
  }
}

async function takeLock(dataDir: string): Promise<StoreLock> {
  try {
    mkdirSync(dataDir, { recursive: true });
    return await takeStoreLock(dataDir);
  } catch (cause) {
    const isLocked = cause instanceof StorageError && cause.code === 'locked';
    const text = isLocked
      ? `npm start is running here already: ${cause.message}.
Use that one, or stop it with Ctrl-C in its terminal (kill PID from elsewhere), or give this one its own place:
  npm start -- --data DIR --port N`
      : `The data folder ${dataDir} cannot be used: ${messageOf(cause)}`;
    throw new LaunchError(text, { cause });
  }
}

/** As a person in this folder would say it. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : `./${short}`;
}
