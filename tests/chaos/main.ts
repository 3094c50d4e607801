/**
 * `npm run chaos`: a master, a standby, four secondaries and a RabbitMQ of their own on this
 * machine, hurt for M minutes while clients append and readers follow; then healed, and judged by
 * the same checkers as the simulation; at last a majority of the voters is lost, and an operator
 * forces a new list.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { defineProgram, flag, option, type ValuesOf } from '#process/cli/program';
import { runProgram, terminate } from '#process/cli/run-program';
import { positiveField, textField, wholeNumberField, wordField } from '#process/setting-fields';
import type { Entry } from '#protocol/entry';
import { QUEUE_TYPES } from '#protocol/topology';
import { OwnBroker } from '#tools/broker/own-broker';
import { provideBroker } from '#tools/broker/provide';
import { build } from '#tools/scripts/build';
import { History } from '../simulation/checks/history';
import { Violation } from '../simulation/checks/violation';
import { SeededRandom } from '../support/seeded-random';
import { ChaosClients } from './chaos-clients';
import { ChaosCluster, MASTERS, SECONDARIES } from './chaos-cluster';
import { LAST_ACT } from './faults/fault';
import { LastAct } from './faults/last-act';
import { ChaosNemesis } from './faults/nemesis';
import { Observer } from './observer';
import { pageOf } from './page';
import { type ChaosRun, describe, summarize } from './report';
import { TailReaders } from './tail-readers';
import { ChaosView } from './view';

const CONVERGENCE_MS = 120_000;
const READ_MS = 30_000;
const EXIT_INTERRUPTED = 130;

const PROGRAM = defineProgram({
  does: 'Starts a cluster and a RabbitMQ of its own, hurts them for minutes while clients append, heals them, and judges the logs.',
  synopsis: ['npm run chaos -- [options]'],
  options: {
    '--minutes': option('M', 'how long it is hurt (2)', positiveField(2)),
    '--seed': option(
      'N',
      'what the faults are drawn from (drawn itself)',
      wholeNumberField({ min: 0, max: Number.MAX_SAFE_INTEGER, fallback: Date.now() % 1_000_000 }),
    ),
    '--queues': option(
      'TYPE',
      `of the members' queues: ${QUEUE_TYPES.join(' or ')} (drawn by the seed)`,
      wordField(QUEUE_TYPES, null),
    ),
    '--out': option('DIR', 'where chaos-N.json and chaos-N.html go (chaos-reports)', textField('chaos-reports')),
    '--no-build': flag('run what is in dist/ as it is'),
  },
  notes: 'Exit codes: 0 nothing was broken; 1 something was, or it could not be run; 2 wrong use.',
});

async function main(values: ValuesOf<typeof PROGRAM>): Promise<number> {
  const { '--minutes': minutes, '--seed': seed } = values;
  const queueType = values['--queues'] ?? QUEUE_TYPES[seed % QUEUE_TYPES.length] ?? 'classic';
  const out = resolve(values['--out'] ?? '');
  if (!values['--no-build'] && !(await build())) return 1;
  say(`chaos for ${minutes} minutes, seed ${seed}, ${queueType} queues`);
  const broker = await provideBroker({ name: 'rlog-chaos', env: { ...process.env, AMQP_URL: undefined }, log: say });
  if (!(broker instanceof OwnBroker)) throw new Error('chaos needs a broker of its own');
  try {
    const dir = mkdtempSync(join(tmpdir(), 'rlog-chaos-'));
    const cluster = await ChaosCluster.open(broker, { dir, seed, queueType });
    endOnSignal(async () => {
      await cluster.close();
      await broker.stop();
    });
    try {
      const run = await new Chaos(cluster, seed).run(minutes * 60_000);
      write(run, out);
      if (run.violation !== null || run.deaths.length > 0) keepLogs(cluster, out, seed);
      return run.violation === null ? 0 : 1;
    } finally {
      await cluster.close();
    }
  } finally {
    await broker.stop();
  }
}

/** Stops what was started, then ends, however often it is asked to. */
function endOnSignal(stop: () => Promise<void>): void {
  let isStopping = false;
  const end = () => {
    if (isStopping) return;
    isStopping = true;
    void stop().finally(() => process.exit(EXIT_INTERRUPTED));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}

class Chaos {
  private readonly startedAt = performance.now();
  private readonly history = new History();
  private readonly observer: Observer;
  private readonly clients: ChaosClients;
  private readonly nemesis: ChaosNemesis;
  private readonly lastAct: LastAct;
  private readonly readers: TailReaders;
  private log: readonly Entry[] = [];
  private isBroken = false;

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly seed: number,
  ) {
    const random = new SeededRandom(seed);
    const clock = () => this.elapsedMs;
    const { history } = this;
    this.observer = new Observer(cluster, clock);
    this.clients = new ChaosClients(cluster, history, random.split('clients'), clock);
    const view = new ChaosView({ cluster, observer: this.observer });
    const parts = { cluster, observer: this.observer, random: random.split('nemesis'), clock, say };
    this.nemesis = new ChaosNemesis(parts, view);
    this.lastAct = new LastAct({ ...parts, random: random.split('last act') }, view, this.clients);
    this.readers = new TailReaders(cluster, random.split('readers'));
  }

  private get elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  async run(ms: number): Promise<ChaosRun> {
    const violation = await this.judged(ms);
    return {
      seed: this.seed,
      elapsedMs: this.elapsedMs,
      faults: this.nemesis.faults,
      attempts: this.clients.attempts,
      looks: this.observer.looks,
      entries: this.log.length,
      tails: this.readers.counts,
      deaths: this.cluster.deaths,
      violation,
    };
  }

  private async judged(ms: number): Promise<string | null> {
    try {
      this.observer.start();
      this.clients.start();
      for (const { running } of [this.observer, this.clients, this.readers])
        running.catch(() => {
          this.isBroken = true;
        });
      await this.nemesis.untilBegun();
      await this.nemesis.run(this.elapsedMs + ms, () => this.isBroken);
      await this.nemesis.heal();
      await this.clients.stop();
      if (this.isBroken) await Promise.all([this.observer.stop(), this.readers.stop()]);
      await this.converge();
      this.history.judge(this.log);
      await this.readers.untilLevel(this.log);
      await this.force();
      await Promise.all([this.observer.stop(), this.readers.stop()]);
      return null;
    } catch (error) {
      if (error instanceof Violation) return error.message;
      throw error;
    }
  }

  /**
   * A majority of the voters is lost, and an operator says so: what is left goes on, and nothing of
   * it is cut.
   */
  private async force(): Promise<void> {
    await this.nemesis.act(LAST_ACT, () => this.lastAct.strike());
    await this.nemesis.heal();
    await this.converge();
    this.lastAct.judge(this.log);
    this.history.judge(this.log);
    // What was committed before is in the new branch, too, so nobody has anything to drop.
    await this.readers.untilLevel(this.log);
  }

  /**
   * Every log equal to that of whoever reigns, which still takes an append that all nodes have to
   * hold (L1, L2).
   */
  private async converge(): Promise<void> {
    const deadline = performance.now() + CONVERGENCE_MS;
    for (let last = 'nothing'; ; ) {
      const difference = await this.difference().catch((error: unknown) => String(error));
      if (difference === null) return;
      last = difference;
      if (performance.now() >= deadline) throw new Violation('L1', `not within ${CONVERGENCE_MS} ms: ${last}`);
      await pause(300);
    }
  }

  private async difference(): Promise<string | null> {
    const healths = await Promise.all(MASTERS.map(async (node) => ({ node, health: await this.health(node) })));
    const holder = healths.find(({ health }) => health.status === 'ok')?.node;
    if (holder === undefined) return `nobody reigns: ${JSON.stringify(healths)}`;
    if ((await this.clients.append(holder)) !== 'ok') return 'an append for all was not acknowledged';
    const log = await this.entriesOf(holder);
    for (const node of SECONDARIES) {
      const own = await this.entriesOf(node);
      const at = log.findIndex((entry, index) => JSON.stringify(entry) !== JSON.stringify(own[index]));
      if (at >= 0 || own.length !== log.length)
        return `${node} differs at seq ${at + 1}, ${own.length} of ${log.length}`;
    }
    this.log = log;
    return null;
  }

  private async health(node: string): Promise<Record<string, unknown>> {
    return (await this.cluster.ask(node, { path: '/health', withinMs: READ_MS })).json();
  }

  private async entriesOf(node: string): Promise<Entry[]> {
    const answer = await this.cluster.ask(node, { path: '/messages', withinMs: READ_MS });
    return JSON.parse(answer.text) as Entry[];
  }
}

function write(run: ChaosRun, out: string): void {
  const summary = summarize(run);
  mkdirSync(out, { recursive: true });
  const file = join(out, `chaos-${run.seed}`);
  writeFileSync(
    `${file}.json`,
    `${JSON.stringify({ summary, faults: run.faults, attempts: run.attempts }, null, 1)}\n`,
  );
  writeFileSync(`${file}.html`, pageOf(run));
  say(describe(summary));
  for (const { node, said } of run.deaths) say(`--- ${node} ended by itself:\n${said}`);
  say(`written: ${file}.json and ${file}.html`);
}

/** For whoever looks for the reason. */
function keepLogs(cluster: ChaosCluster, out: string, seed: number): void {
  const file = join(out, `chaos-${seed}.log`);
  writeFileSync(file, cluster.logText());
  say(`what the nodes have logged: ${file}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// What watches the nodes goes on for ever after a breach, and nobody waits for it.
void runProgram(PROGRAM, ({ values }) => main(values), { onReaderGone: terminate }).then(() => process.exit());
