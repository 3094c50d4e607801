/**
 * One simulated run: a seed draws the profile, the cluster starts, clients, readers and nemesis do
 * their work, everything is healed, and then the cluster has to converge; or, when more happened
 * than is promised to be survived (promise-ledger.ts), everybody who waits has to be answered. The
 * result says what was wrong, if anything; the same seed gives the same trace.
 */

import type { Entry } from '#protocol/entry';
import { entryOf, type LogRecord } from '#protocol/record';
import { SeededRandom } from '../support/seeded-random';
import { BrokenInvariant } from './checks/broken-invariant';
import { History } from './checks/history';
import { LogChecker } from './checks/log-checker';
import { PromiseLedger, type Standing } from './checks/promise-ledger';
import { Readers } from './checks/readers';
import { Violation } from './checks/violation';
import { Clients } from './model/clients';
import type { MasterProcess } from './model/master-process';
import { type Cores, REAL_CORES, World } from './model/world';
import { Nemesis } from './nemesis/nemesis';
import { describeProfile, drawProfile, keepsAll, type Profile, type ProfileWish } from './nemesis/profile';
import { follow } from './nemesis/schedules';

interface SimulationOptions extends ProfileWish {
  readonly seed: number;
  readonly cores?: Cores;
  readonly isTraced?: boolean;
}

export interface Failure {
  /** The rule that was broken, `invariant` for a machine that threw. */
  readonly rule: string;
  readonly what: string;
  /** The last steps and every node's state. */
  readonly trace: string;
}

export interface RunResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly hash: string;
  /** Steps of machines. */
  readonly steps: number;
  readonly simulatedMs: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly cuts: number;
  readonly reigns: number;
  readonly acts: Readonly<Record<string, number>>;
  /** What the run was still promised in the end. */
  readonly standing: Standing;
  readonly failure: Failure | null;
}

/** In which a healed cluster has to converge: some elections, backoffs and changes of the list. */
const CONVERGENCE_MS = 60_000;
/** After which a cluster that is not promised to converge has done what it does. */
const SETTLE_MS = 10_000;
const SUPERVISOR_MS = 1_000;
/** Beside the bound itself: what one request may add, and control records. */
const IN_FLIGHT_SLACK = 20_000;

export function simulate(options: SimulationOptions): RunResult {
  return new Simulation(options).run();
}

class Simulation {
  private readonly profile: Profile;
  private readonly world: World;
  private readonly ledger = new PromiseLedger();
  private readonly history = new History(this.ledger);
  private readonly checker: LogChecker;
  private readonly readers: Readers;
  private readonly clients: Clients;
  private readonly nemesis: Nemesis;
  /** Entries that were decoded, by their bytes: every disk of a run stores the same ones. */
  private readonly entries = new WeakMap<Uint8Array, Entry>();

  constructor(private readonly options: SimulationOptions) {
    const random = new SeededRandom(options.seed).split('run');
    this.profile = drawProfile(random.split('profile'), options);
    const {
      masters,
      secondaries,
      inFlightBytesMax,
      bufferBytesMax,
      tickMs,
      asBytes,
      clients,
      thinkMs,
      openMembership,
      inMemory,
    } = this.profile;
    const worldOptions = {
      masters,
      secondaries,
      openMembership,
      quorumAppend: true,
      inMemory,
      inFlightBytesMax,
      tickMs,
      asBytes,
    };
    const cores = withBuffers(options.cores ?? REAL_CORES, bufferBytesMax);
    this.world = new World({ ...worldOptions, cores }, { ...this.profile.faults }, random);
    this.world.trace.isFull = options.isTraced ?? false;
    this.checker = new LogChecker(
      this.ledger,
      { inFlightBytes: inFlightBytesMax + IN_FLIGHT_SLACK, bufferedRecords: bufferBytesMax / 60 },
      { appeared: (record) => this.appeared(record), halted: (node) => this.halted(node) },
    );
    this.world.watcher = this.checker;
    this.nemesis = new Nemesis(this.world, this.profile, this.ledger, random.split('nemesis'), {
      killing: (node) => this.killing(node),
      lost: (node) => this.checker.lost(this.world.diskOf(node)),
      admitting: (node) => this.checker.admitting(node),
    });
    const { world, history, ledger } = this;
    this.readers = new Readers(world, history, ledger, random.split('readers'), this.nemesis.nodes);
    this.clients = new Clients(world, history, this.readers, random.split('clients'), {
      count: clients,
      thinkMs,
      keepsAll: keepsAll(this.profile),
    });
  }

  run(): RunResult {
    const failure = this.attempt();
    const { world, history, checker, profile, ledger } = this;
    const { acknowledged, refused, unknown } = history;
    return {
      seed: this.options.seed,
      profile,
      hash: world.trace.hash.toString(16).padStart(8, '0'),
      steps: world.trace.steps,
      simulatedMs: world.now,
      acknowledged,
      refused,
      unknown,
      cuts: checker.cuts,
      reigns: checker.reigns,
      acts: this.nemesis.counts,
      standing: ledger.standing,
      failure,
    };
  }

  private attempt(): Failure | null {
    try {
      this.live();
      return null;
    } catch (error) {
      const rule = error instanceof Violation ? error.rule : error instanceof BrokenInvariant ? 'invariant' : null;
      if (rule === null) throw error;
      return { rule, what: (error as Error).message, trace: this.describe() };
    }
  }

  private live(): void {
    const { world, profile, nemesis, clients, readers, ledger } = this;
    for (const node of nemesis.nodes) nemesis.plan(nemesis.random.below(800), () => nemesis.start(node));
    for (const [node, ms] of profile.wild?.late ?? [])
      if (ms < profile.troubleMs) nemesis.plan(ms, () => nemesis.start(node));
    clients.start();
    readers.start();
    follow(profile.schedule, nemesis);
    if (profile.wild !== null && profile.schedule !== 'random') nemesis.startRandom(2 * profile.calmMs);
    if (profile.name === 'amnesia') nemesis.plan(profile.troubleMs - 1_000, () => this.forgetAll());
    world.timeline.runUntil(profile.troubleMs);
    nemesis.heal();
    if (ledger.isPromised) nemesis.emptyStrange();
    clients.stop();
    if (ledger.isPromised) {
      this.converge();
      this.judge();
    } else this.settle();
  }

  /** Nothing has to become of it but an answer to everybody whose time is up. */
  private settle(): void {
    const { timeline } = this.world;
    timeline.runUntil(timeline.now + SETTLE_MS);
    const masters = () => this.profile.masters.flatMap((node) => this.world.masterOf(node) ?? []);
    for (const process of masters()) for (const request of process.waiting) process.giveUp(request, 'timeout');
    const isAnswered = () => masters().every(({ waiting }) => waiting.length === 0);
    this.until('L2: every client whose time is up is answered', isAnswered);
    this.readers.stop();
  }

  private forgetAll(): void {
    this.nemesis.forgetAll();
    this.checker.reset();
    this.history.forget();
    this.readers.forget();
    for (const node of this.nemesis.nodes) this.nemesis.plan(100, () => this.nemesis.start(node));
  }

  /**
   * Waits until every log is equal to the master's and nobody waits; then one more append, to see
   * that it is alive.
   */
  private converge(): void {
    this.until('L1: the logs become equal', () => this.isConverged());
    this.until('L2: every client is answered', () => this.clients.open.size === 0);
    const { acknowledged } = this.history;
    this.until('L2: a last append is acknowledged by all', () => this.appendsAfter(acknowledged));
    this.until('L1: the logs are equal', () => this.isConverged());
  }

  /**
   * One that has just lost the lock may still refuse it, or be deposed over it; then the next one
   * has it.
   */
  private appendsAfter(acknowledged: number): boolean {
    const holder = this.holder();
    if (this.history.acknowledged > acknowledged) return true;
    if (holder !== null && this.clients.open.size === 0) this.clients.appendOnce(holder, 'all');
    return false;
  }

  private until(what: string, condition: () => boolean): void {
    const { timeline } = this.world;
    const deadline = timeline.now + CONVERGENCE_MS;
    while (!condition()) {
      this.takeIn();
      if (timeline.now >= deadline)
        throw new Violation(what.slice(0, 2), `not within ${CONVERGENCE_MS} ms: ${what.slice(4)}`);
      timeline.runUntil(timeline.now + 100);
    }
  }

  /**
   * Removal is for good: an operator takes every node in again that should be a member in the end.
   */
  private takeIn(): void {
    const holder = this.holder();
    if (holder?.machine.view.refusal(this.world.now) !== null) return;
    for (const node of this.members) if (holder.machine.view.removed.includes(node)) this.nemesis.admit(holder, node);
  }

  private isConverged(): boolean {
    const holder = this.holder();
    if (holder === null) return false;
    const { machine, disk } = holder;
    if (
      machine.view.refusal(this.world.now) !== null ||
      machine.view.commit !== machine.view.head ||
      machine.view.members.length !== this.members.length
    )
      return false;
    return this.members.every((node) => {
      const process = this.world.secondaryOf(node);
      if (process === null || process.machine.status !== 'ok') return false;
      return process.disk.platter.length === disk.platter.length && process.machine.commit === machine.view.commit;
    });
  }

  /** Whom the healed cluster has to consist of, beside the masters. */
  private get members(): readonly string[] {
    return [...this.profile.secondaries, ...(this.profile.wild?.guests ?? [])];
  }

  private holder(): MasterProcess | null {
    for (const node of this.profile.masters) {
      const process = this.world.masterOf(node);
      if (process?.isUp === true && process.machine.view.phaseName === 'reigning' && this.world.broker.holder === node)
        return process;
    }
    return null;
  }

  private judge(): void {
    const holder = this.holder();
    if (holder === null) throw new Violation('L1', 'no master reigns in the end');
    const log = holder.disk.platter;
    this.checker.checkComplete(holder, log);
    for (const node of this.members) this.checkEqual(node, log);
    for (const process of this.world.processes.values()) this.checker.checkShown(process);
    this.readers.stop();
    this.readers.judge(holder);
    const entries: Entry[] = [];
    for (const { control, bytes } of log) if (control === null) entries.push(entryOf(bytes));
    this.history.judge(entries);
    if (keepsAll(this.profile) && this.checker.cuts > 0)
      throw new Violation('S4', `${this.checker.cuts} entries were cut, and the one master has kept its disk`);
  }

  private checkEqual(node: string, log: readonly LogRecord[]): void {
    const { platter } = this.world.diskOf(node);
    const at = log.findIndex((record, index) => {
      const own = platter[index];
      return own?.epoch !== record.epoch || Buffer.compare(own.bytes, record.bytes) !== 0;
    });
    if (at >= 0 || platter.length !== log.length) throw new Violation('L1', `${node} differs at index ${at + 1}`);
  }

  private appeared(record: LogRecord): void {
    if (record.control !== null) return;
    const { bytes } = record;
    const entry = this.entries.get(bytes) ?? entryOf(bytes);
    this.entries.set(bytes, entry);
    this.history.recordEntry(entry);
  }

  private killing(node: string): void {
    const process = this.world.masterOf(node);
    if (process === null) return;
    this.world.timeline.after(0, () => this.clients.lost(process));
  }

  /** A broken store ends its process; a supervisor starts it again. */
  private halted(node: string): void {
    const former = this.clients.open;
    for (const { process } of former) if (process.node === node && !process.isAlive) this.clients.lost(process);
    this.world.timeline.after(SUPERVISOR_MS, () => this.world.start(node));
  }

  private describe(): string {
    const { seed } = this.options;
    return [
      `seed ${seed}: ${describeProfile(this.profile)}`,
      ...this.world.trace.lines().slice(this.options.isTraced === true ? 0 : -80),
      `${this.ledger.standing}${this.ledger.why === null ? '' : `: ${this.ledger.why}`}`,
      `${this.world}`,
    ].join('\n');
  }
}

/** Small reorder buffers, so that their bound is met. */
function withBuffers(cores: Cores, bytesMax: number): Cores {
  return {
    ...cores,
    secondary: (settings, start) => cores.secondary({ ...settings, reorderBytesMax: bytesMax }, start),
  };
}
