/**
 * A whole cluster of cores in one process for small scenarios: the simulator's world
 * (tests/simulation) with few faults, and words for what a test does to it. Every wire message goes
 * through the codec. Nothing happens but in `run`, in an order that the seed decides, so a failure
 * replays.
 */

import type { ForcePlan } from '#master/core/election/force';
import type { Answer, MasterEvent, NewEntry } from '#master/core/events';
import type { MasterMachine } from '#master/core/master';
import { entryOf, type LogRecord } from '#protocol/record';
import type { WriteConcern } from '#protocol/write-concern';
import type { SecondaryEvent } from '#secondary/core/events';
import type { SecondaryView } from '#secondary/core/view';
import type { BrokerModel } from '#tests/simulation/model/broker';
import { CALM, type Faults } from '#tests/simulation/model/faults';
import type { MasterProcess } from '#tests/simulation/model/master-process';
import type { SecondaryProcess } from '#tests/simulation/model/secondary-process';
import type { Shown } from '#tests/simulation/model/sim-process';
import { type Cores, REAL_CORES, World } from '#tests/simulation/model/world';
import { SeededRandom } from '../seeded-random';
import type { Timeline } from './timeline';

export interface SimOptions {
  readonly seed?: number;
  readonly secondaries?: readonly string[];
  readonly quorumAppend?: boolean;
  readonly openMembership?: boolean;
  /** Chance that a batch is lost on its way into a secondary's hands. */
  readonly dropRate?: number;
  /** Chance that it is handed over twice. */
  readonly duplicateRate?: number;
  /** Chance of an error after the append and before the ack. */
  readonly failRate?: number;
  /** Chance that the broker takes a batch and its confirm is lost. */
  readonly nackRate?: number;
  /** Stores end with their processes; the test wipes them. */
  readonly inMemory?: boolean;
  readonly inFlightBytesMax?: number;
  /** A write that a kill interrupts may be on the disk all the same, whole or as a prefix. */
  readonly tornWrites?: boolean;
  /** Anything else that goes wrong. */
  readonly faults?: Partial<Faults>;
  readonly cores?: Cores;
}

const TICK_MS = 25;
const MASTERS = ['master', 'standby'];
const MASTER = 'master';

export class SimCluster {
  readonly random: SeededRandom;
  readonly world: World;
  readonly faults: Faults;
  readonly answers = new Map<number, Answer>();
  /** Nodes whose next stores fail for want of room. */
  readonly fullDisks = {
    add: (node: string) => {
      this.world.diskOf(node).full = true;
    },
    delete: (node: string) => {
      this.world.diskOf(node).full = false;
    },
  };

  constructor(private readonly options: SimOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.faults = {
      ...CALM,
      dropRate: options.dropRate ?? 0,
      repeatRate: options.duplicateRate ?? 0,
      failRate: options.failRate ?? 0,
      lostConfirmRate: options.nackRate ?? 0,
      tornRate: options.tornWrites === true ? 0.5 : 0,
      ...options.faults,
    };
    this.world = new World(
      {
        masters: MASTERS,
        secondaries: this.members,
        openMembership: options.openMembership ?? false,
        quorumAppend: options.quorumAppend ?? true,
        inMemory: options.inMemory ?? false,
        inFlightBytesMax: options.inFlightBytesMax ?? 1 << 26,
        tickMs: TICK_MS,
        asBytes: true,
        cores: options.cores ?? REAL_CORES,
      },
      this.faults,
      this.random,
    );
  }

  get timeline(): Timeline {
    return this.world.timeline;
  }

  get broker(): BrokerModel {
    return this.world.broker;
  }

  /** Outcomes of changes of the members, by request. */
  get memberChanges(): ReadonlyMap<number, string> {
    return this.world.memberChanges;
  }

  get now(): number {
    return this.world.now;
  }

  get members(): readonly string[] {
    return this.options.secondaries ?? ['secondary-1', 'secondary-2'];
  }

  /** Lets this much simulated time pass. */
  run(ms: number): void {
    this.timeline.runUntil(this.timeline.now + ms);
  }

  /**
   * Lets time pass until the condition holds; throws with every node's state when it does not
   * within `ms`.
   */
  runUntil(what: string, condition: () => boolean, ms = 60_000): void {
    const deadline = this.timeline.now + ms;
    while (!condition()) {
      if (this.timeline.now >= deadline)
        throw new Error(`seed ${this.random.seed}: not within ${ms} ms: ${what}\n${this}`);
      this.timeline.runUntil(this.timeline.now + 5);
    }
  }

  start(...nodes: string[]): void {
    for (const node of nodes) this.world.start(node);
  }

  /**
   * kill -9: what was not durable is gone, or torn (`tornWrites`); what was delivered and not
   * settled goes back into the queue.
   */
  kill(...nodes: string[]): void {
    for (const node of nodes) this.world.kill(node);
  }

  /** A node's disk is replaced by an empty one; the node must be down. */
  wipe(node: string): void {
    this.world.diskOf(node).wipe();
  }

  /** A node's store takes this much longer, in milliseconds. */
  slowStore(node: string, ms: number): void {
    this.world.diskOf(node).extraMs = ms;
  }

  /**
   * A delivery is held for this long before the secondary looks at it, in milliseconds; until its
   * process ends.
   */
  delay(node: string, ms: number): void {
    this.secondaryProcessOf(node).delayMs = ms;
  }

  /**
   * Replaces what a stopped node has stored at an index by something else, as no checksum of its
   * own would notice.
   */
  tamper(node: string, index: number): void {
    const disk = this.world.diskOf(node);
    const record = disk.platter[index - 1];
    if (record === undefined || this.isUp(node)) throw new Error(`${node} has no record ${index}, or is up`);
    const text = Buffer.from(record.bytes).toString().replace('"message":"', '"message":"!');
    disk.tamper({ ...record, bytes: Buffer.from(text) });
  }

  /**
   * Returns the number of the request. An id that is known is not appended again, but waited for.
   */
  append(message: string, writeConcern: WriteConcern, id: string | null = null, to = MASTER): number {
    return this.appendAll([{ message, id }], writeConcern, to);
  }

  /** A bulk append. */
  appendAll(entries: readonly NewEntry[], writeConcern: WriteConcern, to = MASTER): number {
    return this.processOf(to).append({ entries, writeConcern }, (answer, request) => this.answers.set(request, answer));
  }

  /** LOG_ID of every node that is started from now on; null: auto. */
  set logId(logId: string | null) {
    this.world.logId = logId;
  }

  /** An append whose group stays open, or not, until the master is told to flush. */
  appendHeld(message: string, holds: boolean, to = MASTER): number {
    return this.processOf(to).appendHeld(message, holds, (answer, request) => this.answers.set(request, answer));
  }

  giveUp(request: number, why: 'timeout' | 'gone', to = MASTER): void {
    this.processOf(to).giveUp(request, why);
  }

  /** `acknowledged`, a refusal's or a failure's problem, or null while the client waits. */
  answerOf(request: number): string | null {
    const answer = this.answers.get(request);
    if (answer === undefined) return null;
    return 'problem' in answer ? answer.problem : answer.outcome;
  }

  /** The texts that a reader of the node sees, in order. */
  messages(node: string): string[] {
    const shown = this.shownBy(node);
    if (shown === null) throw new Error(`${node} is down`);
    const visible = shown.outline.seqAt(shown.durableIndex);
    const entries = this.recordsOf(node).filter(({ control }) => control === null);
    return entries.slice(0, visible).map(({ bytes }) => entryOf(bytes).message);
  }

  /** The records of the node's disk as text, to compare logs with. */
  log(node: string): string[] {
    return this.recordsOf(node).map(({ index, epoch, bytes }) => `${index}@${epoch} ${Buffer.from(bytes).toString()}`);
  }

  /** What is on the node's disk, also while it is down. */
  recordsOf(node: string): readonly LogRecord[] {
    return this.world.diskOf(node).platter;
  }

  /** What the node shows; null while it is down. */
  shownBy(node: string): Shown | null {
    return (this.world.masterOf(node) ?? this.world.secondaryOf(node))?.shown ?? null;
  }

  get masterMachine(): MasterMachine {
    return this.masterOf(MASTER);
  }

  masterOf(node: string): MasterMachine {
    return this.processOf(node).machine;
  }

  secondary(node: string): SecondaryView {
    return this.secondaryProcessOf(node).machine;
  }

  isUp(node: string): boolean {
    return this.world.processes.has(node);
  }

  /** The broker's process stops and comes back with its durable queues. */
  stopBroker(): void {
    this.world.stopBroker(false);
  }

  startBroker(): void {
    this.world.startBroker();
  }

  /** Cuts a node's connection; it notices, and does not come back before `reconnect`. */
  cut(node: string): void {
    this.world.bar(node);
  }

  reconnect(node: string): void {
    this.world.allow(node);
  }

  /** An operator's force; what it comes to. */
  force(begin: 'best' | 'new' = 'best', to = MASTER): ForcePlan {
    const request = this.world.nextRequest();
    this.tellMaster(to, { type: 'force', request, begin });
    const plan = this.world.forces.get(request);
    if (plan === undefined) throw new Error(`${to} does not say what becomes of the force`);
    return plan;
  }

  tellMaster(node: string, event: MasterEvent): void {
    this.processOf(node).dispatch(event);
  }

  tellSecondary(node: string, event: SecondaryEvent): void {
    this.secondaryProcessOf(node).dispatch(event);
  }

  toString(): string {
    return [`${this.world}`, ...this.world.trace.lines().slice(-60)].join('\n');
  }

  private processOf(node: string): MasterProcess {
    const process = this.world.masterOf(node);
    if (process === null) throw new Error(`${node} is down`);
    return process;
  }

  private secondaryProcessOf(node: string): SecondaryProcess {
    const process = this.world.secondaryOf(node);
    if (process === null) throw new Error(`${node} is down`);
    return process;
  }
}
