/**
 * A cluster of real cores on a simulated clock, disks and a broker; what the small scenarios and
 * the simulator share. It does nothing by itself: whoever has it starts and stops nodes, and lets
 * time pass.
 */
import type { ForcePlan } from '#master/core/election/force';
import { MasterMachine } from '#master/core/master';
import type { MasterCoreSettings, MasterStart } from '#master/core/settings';
import type { LogRecord } from '#protocol/record';
import { secondaryParts } from '#secondary/core/parts';
import { SecondaryMachine } from '#secondary/core/secondary';
import type { SecondarySettings, SecondaryStart } from '#secondary/core/settings';
import { Timeline } from '#tests/support/fakes/timeline';
import type { SeededRandom } from '#tests/support/seeded-random';
import { BrokenInvariant } from '../checks/broken-invariant';
import { RunTrace } from '../trace';
import { BrokerModel } from './broker';
import { DiskModel, type DiskWatcher } from './disk';
import type { Faults } from './faults';
import { MasterProcess } from './master-process';
import { type SecondaryCore, SecondaryProcess } from './secondary-process';
import type { Shown, SimProcess } from './sim-process';

/** Makes the machines, and may change what is around them; a planted bug is another factory. */
export interface Cores {
  /** A disk was put in. */
  disk?(disk: DiskModel): void;
  master(settings: MasterCoreSettings, start: MasterStart): MasterMachine;
  secondary(settings: SecondarySettings, start: SecondaryStart): SecondaryCore;
}

export const REAL_CORES: Cores = {
  master: (settings, start) => new MasterMachine(settings, start),
  secondary: (settings, start) => new SecondaryMachine(secondaryParts(settings, start)),
};

interface WorldOptions {
  readonly masters: readonly string[];
  /** The masters' SECONDARIES. */
  readonly secondaries: readonly string[];
  readonly openMembership: boolean;
  readonly quorumAppend: boolean;
  /** Stores end with their processes; left out: they do not. */
  readonly inMemory?: boolean;
  readonly inFlightBytesMax: number;
  readonly tickMs: number;
  /** Every wire message goes through the codec. */
  readonly asBytes: boolean;
  readonly cores: Cores;
}

/** Who looks on. Whatever is wrong is thrown. */
export interface Watcher extends DiskWatcher {
  stepped(process: SimProcess, event: { readonly type: string }, effects: readonly { readonly do: string }[]): void;
  started(process: SimProcess): void;
  halted(node: string, why: string): void;
  /** The store goes on under another id. */
  renewed(disk: DiskModel): void;
}

/** A supervisor's pause. */
const RESTART_MS = 1_000;

export class World {
  readonly timeline = new Timeline();
  readonly broker: BrokerModel;
  readonly trace = new RunTrace();
  readonly disks = new Map<string, DiskModel>();
  readonly processes = new Map<string, SimProcess>();
  /** Outcomes of changes of the members, by request. */
  readonly memberChanges = new Map<number, string>();
  /** What each force came to, by request. */
  readonly forces = new Map<number, ForcePlan>();
  /** Of the processes and clients: reigns, delays, injected faults. */
  readonly random: SeededRandom;
  watcher: Watcher | null = null;
  /** LOG_ID of every node that is started from now on; null: auto. */
  logId: string | null = null;
  private readonly diskRandom: SeededRandom;
  private readonly barred = new Set<string>();
  private requests = 0;

  constructor(
    readonly options: WorldOptions,
    readonly faults: Faults,
    random: SeededRandom,
  ) {
    this.random = random.split('processes');
    this.diskRandom = random.split('disks');
    this.broker = new BrokerModel(this.timeline, random.split('broker'), faults);
  }

  get now(): number {
    return this.timeline.now;
  }

  /** The wall clock of every node. */
  get timestamp(): string {
    return `t${this.timeline.now}`;
  }

  nextRequest(): number {
    this.requests += 1;
    return this.requests;
  }

  step<Event extends { type: string }, Effect extends { do: string }>(
    process: SimProcess,
    event: Event,
    run: (now: number) => Effect[],
  ): Effect[] {
    let effects: Effect[];
    try {
      effects = run(this.now);
    } catch (cause) {
      throw new BrokenInvariant(`${process.node} threw at ${event.type}: ${String(cause)}`, { cause });
    }
    this.trace.record(this.now, { node: process.node, event, effects }, process.shown);
    this.watcher?.stepped(process, event, effects);
    return effects;
  }

  start(node: string): void {
    if (this.processes.has(node)) return;
    const disk = this.diskOf(node);
    disk.checkAtStart();
    const seqOfId = (id: string) => disk.seqOfId(id);
    const start = { outline: disk.outline, promised: disk.promised, checksum: disk.checksum, seqOfId };
    const process = this.options.masters.includes(node)
      ? new MasterProcess(this, node, disk, this.options.cores.master(this.masterSettings(node, disk.store), start))
      : new SecondaryProcess(
          this,
          node,
          disk,
          this.options.cores.secondary(this.secondarySettings(node, disk.store), start),
        );
    this.processes.set(node, process);
    this.watcher?.started(process);
    process.begin();
  }

  kill(node: string): void {
    const process = this.processes.get(node);
    if (process === undefined) return;
    this.processes.delete(node);
    process.end();
  }

  masterOf(node: string): MasterProcess | null {
    const process = this.processes.get(node);
    return process instanceof MasterProcess ? process : null;
  }

  secondaryOf(node: string): SecondaryProcess | null {
    const process = this.processes.get(node);
    return process instanceof SecondaryProcess ? process : null;
  }

  diskOf(node: string): DiskModel {
    const known = this.disks.get(node);
    if (known !== undefined) return known;
    const watcher: DiskWatcher = {
      stored: (disk, record) => this.watcher?.stored(disk, record),
      cut: (disk, record) => this.watcher?.cut(disk, record),
      promised: (disk, promised) => this.watcher?.promised(disk, promised),
    };
    const { timeline, diskRandom: random, faults } = this;
    const disk = new DiskModel(node, { timeline, random, faults, watcher });
    this.disks.set(node, disk);
    this.options.cores.disk?.(disk);
    return disk;
  }

  /** Cuts the node off until `allow`. */
  bar(node: string): void {
    this.barred.add(node);
    this.broker.severNode(node);
  }

  allow(node: string): void {
    this.barred.delete(node);
  }

  isBarred(node: string): boolean {
    return this.barred.has(node);
  }

  stopBroker(withoutData: boolean): void {
    this.broker.stop(withoutData);
  }

  startBroker(): void {
    this.broker.start();
  }

  setBlocked(blocked: boolean): void {
    if (!this.broker.isUp || this.broker.isBlocked === blocked) return;
    this.broker.setBlocked(blocked);
    for (const process of this.processes.values()) process.tellBlocked(blocked);
  }

  deleteQueue(node: string): void {
    const consumer = this.broker.queues.get(node)?.consumer ?? null;
    this.broker.queues.delete(node);
    const process = this.secondaryOf(node);
    consumer?.connection.down(() => process?.enter(() => process.cancelled()));
  }

  /** A store is broken: its process ends. */
  halted(node: string, why: string): void {
    this.trace.note(this.now, `halted ${node} ${why}`);
    this.kill(node);
    this.watcher?.halted(node, why);
  }

  memberChanged(request: number, outcome: string): void {
    this.memberChanges.set(request, outcome);
  }

  forced(request: number, plan: ForcePlan): void {
    this.forces.set(request, plan);
  }

  shown(node: string): Shown | null {
    return this.processes.get(node)?.shown ?? null;
  }

  toString(): string {
    const nodes = [...this.processes.values()].map(
      ({ node, machine, isUp }) => `${node} ${isUp ? '' : '(cut) '}${machine}`,
    );
    const disks = [...this.disks.values()].map(
      ({ node, store, platter, promised }) =>
        `${node}/${store} has ${platter.at(-1)?.index ?? 0}@${platter.at(-1)?.epoch ?? 0}, promised ${promised.epoch} ${promised.reign} ${promised.votedFor ?? ''}, lists ${listsOf(platter)}`,
    );
    return [`t=${this.now} lock ${this.broker.holder ?? 'free'}`, ...nodes, ...disks].join('\n');
  }

  /**
   * It came back with less than it had acknowledged: its process ends, and the next start is
   * another store.
   */
  renewStore(node: string): void {
    this.trace.note(this.now, `renew ${node}`);
    this.kill(node);
    this.diskOf(node).renew();
    this.watcher?.renewed(this.diskOf(node));
    this.timeline.after(RESTART_MS, () => this.start(node));
  }

  private secondarySettings(node: string, store: string): SecondarySettings {
    const inMemory = this.options.inMemory ?? false;
    return { node, store, inMemory, logId: this.logId, heartbeatIntervalMs: 500, gapTimeoutMs: 200 };
  }

  private masterSettings(node: string, store: string): MasterCoreSettings {
    const { secondaries, openMembership, quorumAppend, inFlightBytesMax } = this.options;
    return {
      node,
      store,
      secondaries,
      openMembership,
      birth: node === this.options.masters[0] && this.logId === null ? 'auto' : 'never',
      logId: this.logId,
      inMemory: this.options.inMemory ?? false,
      quorumAppend,
      heartbeatIntervalMs: 500,
      suspectAfterMs: 1_500,
      unhealthyAfterMs: 3_000,
      inFlightBytesMax,
    };
  }
}

/** The newest voters lists of a log, for people. */
function listsOf(log: readonly LogRecord[]): string {
  const lists = log.flatMap(({ index, epoch, control }) =>
    control?.control === 'members'
      ? [`${index}@${epoch}: ${control.voters.map(({ node, store }) => `${node}/${store.slice(0, 4)}`).join(' ')}`]
      : [],
  );
  return lists.slice(-3).join('; ');
}
