/**
 * A whole cluster of cores in one process, on a simulated clock, disk and broker. Every wire message goes through the codec. Nothing
 * happens but in `run`, in an order that the seed decides, so a failure replays.
 *
 * The broker is no kinder than RabbitMQ: what was delivered and not settled comes back in front when a consumer goes, control messages reach
 * only who is bound, a publish can be lost before its confirm (`loseConfirms`), batches can be dropped or come twice (`dropRate`,
 * `duplicateRate`).
 */

import { crc32 } from 'node:zlib';
import type { Answer, MasterEffect, MasterEvent } from '../../services/master/core/events';
import { MasterMachine, type MasterSettings } from '../../services/master/core/master';
import type { SecondaryEffect, SecondaryEvent } from '../../services/secondary/core/events';
import { type PromisedEpoch, SecondaryMachine } from '../../services/secondary/core/secondary';
import { LogOutline } from '../../shared/protocol/log-outline';
import { entryOf, type LogRecord } from '../../shared/protocol/record';
import type { WireMessage } from '../../shared/protocol/wire';
import { decodeWire, encodeWire } from '../../shared/protocol/wire-codec';
import type { WriteConcern } from '../../shared/protocol/write-concern';
import { SeededRandom } from './seeded-random';
import { SimBroker } from './sim-broker';
import { Timeline } from './timeline';

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
  readonly inFlightBytesMax?: number;
  /** A write that a kill interrupts may be on the disk all the same, whole or as a prefix. */
  readonly tornWrites?: boolean;
}

/** What survives a crash of the process. */
interface Disk {
  store: string;
  records: LogRecord[];
  promised: PromisedEpoch;
}

interface Running<Machine> {
  readonly machine: Machine;
  readonly incarnation: number;
}

const TICK_MS = 25;
/** How often a master without the lock tries again. */
const LOCK_RETRY_MS = 500;
const MASTERS = ['master', 'standby'];
const MASTER = 'master';

export class SimCluster {
  readonly random: SeededRandom;
  readonly timeline = new Timeline();
  readonly broker: SimBroker;
  readonly answers = new Map<number, Answer>();
  readonly removals = new Map<number, string>();
  readonly traces: string[] = [];
  /** Milliseconds that a node's store takes; a larger one is a slow disk. */
  readonly storeMs = new Map<string, number>();
  /** Milliseconds that a delivery is held before a secondary looks at it. */
  readonly delayMs = new Map<string, number>();
  /** Nodes whose next stores fail for want of room. */
  readonly fullDisks = new Set<string>();
  private readonly disks = new Map<string, Disk>();
  /** Writes under way, by node. */
  private readonly writes = new Map<string, readonly LogRecord[]>();
  private readonly secondaries = new Map<string, Running<SecondaryMachine>>();
  private readonly masters = new Map<string, Running<MasterMachine>>();
  private incarnations = 0;
  private requests = 0;

  constructor(private readonly options: SimOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.broker = new SimBroker(this.timeline, this.random);
  }

  get now(): number {
    return this.timeline.now;
  }

  get members(): readonly string[] {
    return this.options.secondaries ?? ['secondary-1', 'secondary-2'];
  }

  /** Lets this much simulated time pass. */
  run(ms: number): void {
    this.timeline.runUntil(this.timeline.now + ms);
  }

  /** Lets time pass until the condition holds; throws with every node's state when it does not within `ms`. */
  runUntil(what: string, condition: () => boolean, ms = 60_000): void {
    const deadline = this.timeline.now + ms;
    while (!condition()) {
      if (this.timeline.now >= deadline)
        throw new Error(`seed ${this.random.seed}: not within ${ms} ms: ${what}\n${this}`);
      this.timeline.runUntil(this.timeline.now + 5);
    }
  }

  start(...nodes: string[]): void {
    for (const node of nodes) MASTERS.includes(node) ? this.startMaster(node) : this.startSecondary(node);
  }

  /** kill -9: what was not durable is gone, or torn (`tornWrites`); what was delivered and not settled goes back into the queue. */
  kill(...nodes: string[]): void {
    for (const node of nodes) {
      const writing = this.writes.get(node) ?? [];
      this.writes.delete(node);
      if (this.options.tornWrites === true && writing.length > 0 && !this.fullDisks.has(node))
        this.diskOf(node).records.push(...writing.slice(0, this.random.below(writing.length + 1)));
      this.masters.delete(node);
      this.secondaries.delete(node);
      this.broker.disconnect(node);
    }
  }

  /** A node's disk is replaced by an empty one; the node must be down. */
  wipe(node: string): void {
    this.disks.delete(node);
  }

  /** Replaces what a stopped node has stored at an index by something else, as no checksum of its own would notice. */
  tamper(node: string, index: number): void {
    const { records } = this.diskOf(node);
    const record = records[index - 1];
    if (record === undefined || this.isUp(node)) throw new Error(`${node} has no record ${index}, or is up`);
    const text = Buffer.from(record.bytes).toString().replace('"message":"', '"message":"!');
    records[index - 1] = { ...record, bytes: Buffer.from(text) };
  }

  append(message: string, writeConcern: WriteConcern, id: string | null = null, to = MASTER): number {
    this.requests += 1;
    const request = this.requests;
    this.tellMaster(to, {
      type: 'append',
      request,
      entries: [{ message, id }],
      ts: new Date(this.now).toISOString(),
      writeConcern,
    });
    return request;
  }

  /** The same append again, for an entry that is in the log. */
  await(entry: { seq: number; id: string }, writeConcern: WriteConcern, to = MASTER): number {
    this.requests += 1;
    this.tellMaster(to, { type: 'await', request: this.requests, ...entry, writeConcern });
    return this.requests;
  }

  giveUp(request: number, why: 'timeout' | 'gone', to = MASTER): void {
    this.tellMaster(to, { type: 'giveUp', request, why });
  }

  /** `acknowledged`, a refusal's or a failure's problem, or null while the client waits. */
  answerOf(request: number): string | null {
    const answer = this.answers.get(request);
    if (answer === undefined) return null;
    return 'problem' in answer ? answer.problem : answer.outcome;
  }

  /** The texts that a reader of the node sees, in order. */
  messages(node: string): string[] {
    const { outline, groups } = this.machineOf(node);
    const visible = outline.seqAt(groups.durableIndex);
    const entries = this.diskOf(node).records.filter(({ control }) => control === null);
    return entries.slice(0, visible).map(({ bytes }) => entryOf(bytes).message);
  }

  /** The records of the node's disk as text, to compare logs with. */
  log(node: string): string[] {
    return this.diskOf(node).records.map(
      ({ index, epoch, bytes }) => `${index}@${epoch} ${Buffer.from(bytes).toString()}`,
    );
  }

  /** What is on the node's disk, also while it is down. */
  recordsOf(node: string): readonly LogRecord[] {
    return this.disks.get(node)?.records ?? [];
  }

  /** The node's machine; null while it is down. */
  runningMachine(node: string): MasterMachine | SecondaryMachine | null {
    return (this.masters.get(node) ?? this.secondaries.get(node))?.machine ?? null;
  }

  get masterMachine(): MasterMachine {
    return this.masterOf(MASTER);
  }

  masterOf(node: string): MasterMachine {
    const running = this.masters.get(node);
    if (running === undefined) throw new Error(`${node} is down`);
    return running.machine;
  }

  secondary(node: string): SecondaryMachine {
    const running = this.secondaries.get(node);
    if (running === undefined) throw new Error(`${node} is down`);
    return running.machine;
  }

  isUp(node: string): boolean {
    return this.masters.has(node) || this.secondaries.has(node);
  }

  /** The broker's process stops and comes back with its durable queues. */
  stopBroker(): void {
    this.broker.stop();
    for (const node of this.masters.keys()) this.tellMaster(node, { type: 'down' });
    for (const node of this.secondaries.keys()) this.tellSecondary(node, { type: 'down' });
  }

  startBroker(): void {
    this.broker.start();
    for (const [node, { incarnation }] of this.masters) this.connectMaster(node, incarnation);
    for (const [node, { incarnation }] of this.secondaries) this.connectSecondary(node, incarnation);
  }

  /** Cuts a node's connection; it notices, and does not come back before `reconnect`. */
  cut(node: string): void {
    this.broker.disconnect(node);
    if (this.masters.has(node)) this.tellMaster(node, { type: 'down' });
    else this.tellSecondary(node, { type: 'down' });
  }

  reconnect(node: string): void {
    const master = this.masters.get(node);
    const secondary = this.secondaries.get(node);
    if (master !== undefined) this.connectMaster(node, master.incarnation);
    if (secondary !== undefined) this.connectSecondary(node, secondary.incarnation);
  }

  tellMaster(node: string, event: MasterEvent): void {
    const running = this.masters.get(node);
    if (running === undefined) throw new Error(`${node} is down`);
    for (const effect of running.machine.step(this.now, event)) this.performMaster(node, effect, running.incarnation);
  }

  tellSecondary(node: string, event: SecondaryEvent): void {
    const running = this.secondaries.get(node);
    if (running === undefined) return;
    for (const effect of running.machine.step(this.now, event))
      this.performSecondary(node, effect, running.incarnation);
  }

  toString(): string {
    const nodes = [...this.masters.values(), ...this.secondaries.values()].map(({ machine }) => `${machine}`);
    return [`t=${this.now}`, ...nodes, ...this.traces.slice(-40)].join('\n');
  }

  private machineOf(node: string): MasterMachine | SecondaryMachine {
    return MASTERS.includes(node) ? this.masterOf(node) : this.secondary(node);
  }

  private diskOf(node: string): Disk {
    const disk = this.disks.get(node) ?? {
      store: this.random.hex(16),
      records: [],
      promised: { epoch: 0, reign: '', votedFor: null },
    };
    this.disks.set(node, disk);
    return disk;
  }

  private startMaster(node: string): void {
    const disk = this.diskOf(node);
    const settings: MasterSettings = {
      node,
      store: disk.store,
      secondaries: this.members,
      openMembership: this.options.openMembership ?? false,
      quorumAppend: this.options.quorumAppend ?? true,
      heartbeatIntervalMs: 500,
      suspectAfterMs: 1_500,
      unhealthyAfterMs: 3_000,
      inFlightBytesMax: this.options.inFlightBytesMax ?? 1 << 26,
    };
    const incarnation = this.nextIncarnation();
    const machine = new MasterMachine(settings, startOf(disk));
    this.masters.set(node, { machine, incarnation });
    this.tickMaster(node, incarnation);
    if (this.broker.isUp) this.connectMaster(node, incarnation);
  }

  private startSecondary(node: string): void {
    const disk = this.diskOf(node);
    const settings = { node, store: disk.store, heartbeatIntervalMs: 500, gapTimeoutMs: 200 };
    const incarnation = this.nextIncarnation();
    const machine = new SecondaryMachine(settings, startOf(disk));
    this.secondaries.set(node, { machine, incarnation });
    this.tickSecondary(node, incarnation);
    if (this.broker.isUp) this.connectSecondary(node, incarnation);
  }

  private connectMaster(node: string, incarnation: number, isFirstTry = true): void {
    this.soon(node, incarnation, () => {
      if (!this.broker.isUp) return;
      const taken = this.broker.takeLock(node, (bytes, type, replyTo) => {
        if (this.masters.get(node)?.incarnation !== incarnation) return;
        this.tellMaster(node, { type: 'wire', message: decodeWire(type, bytes), replyTo });
      });
      if (taken) this.becomeUp(node);
      else {
        if (isFirstTry) this.tellMaster(node, { type: 'locked' });
        this.later(node, incarnation, LOCK_RETRY_MS, () => this.connectMaster(node, incarnation, false));
      }
    });
  }

  private becomeUp(node: string): void {
    const freshBroker = !this.broker.hasEntriesExchange;
    this.broker.hasEntriesExchange = true;
    for (const member of this.masterOf(node).members) this.broker.declare(member);
    this.tellMaster(node, { type: 'up', freshBroker, reign: this.random.hex(16) });
  }

  private connectSecondary(node: string, incarnation: number): void {
    this.soon(node, incarnation, () => {
      this.broker.bindControl(node, (bytes, type, replyTo) => {
        if (this.secondaries.get(node)?.incarnation !== incarnation) return;
        this.receive(node, type, () => {
          const fail = this.random.chance(this.options.failRate ?? 0);
          this.tellSecondary(node, { type: 'control', message: decodeWire(type, bytes), replyTo, fail });
        });
      });
      this.tellSecondary(node, { type: 'up' });
    });
  }

  private performMaster(node: string, effect: MasterEffect, incarnation: number): void {
    switch (effect.do) {
      case 'store':
        return this.store(node, incarnation, effect.records, (event) =>
          this.tellMaster(node, { ...event, generation: effect.generation }),
        );
      case 'savePromise':
        return this.soon(node, incarnation, () => {
          const { epoch, reign } = effect;
          this.diskOf(node).promised = { epoch, reign, votedFor: `${node}/${this.diskOf(node).store}` };
          this.tellMaster(node, { type: 'promiseSaved', epoch, reign });
        });
      case 'publish': {
        const bytes = encodeWire({ ...effect.header, records: effect.publish.records });
        return this.broker.publish(node, bytes, (confirmed) => {
          if (this.masters.get(node)?.incarnation !== incarnation) return;
          const lost = this.random.chance(this.options.nackRate ?? 0);
          const publish = effect.publish.id;
          if (confirmed && !lost) this.tellMaster(node, { type: 'confirmed', publish });
          else this.tellMaster(node, { type: 'unconfirmed', publish, random: this.random.next() });
        });
      }
      case 'control':
        return this.broker.sendControl(encodeWire(effect.message), effect.message.type);
      case 'send':
        return this.broker.sendTo(effect.to, encodeWire(effect.message), effect.message.type, 'replies');
      case 'serve':
        return this.serve(node, effect, effect.withChecksum);
      case 'answer':
        if (this.answers.has(effect.request)) throw new Error(`request ${effect.request} was answered twice`);
        this.answers.set(effect.request, effect.answer);
        return undefined;
      case 'ensureMember':
        return this.broker.declare(effect.node);
      case 'removeMember':
        this.broker.queues.delete(effect.node);
        return undefined;
      case 'removal':
        this.removals.set(effect.request, effect.outcome.outcome);
        return undefined;
      case 'truncate':
        this.diskOf(node).records.length = effect.index;
        return undefined;
      case 'halt':
        return this.kill(node);
      case 'trace':
        this.traces.push(`${this.now} ${node} ${effect.what} ${JSON.stringify(effect.facts)}`);
        return undefined;
      case 'visible':
        return undefined;
    }
  }

  private performSecondary(node: string, effect: SecondaryEffect, incarnation: number): void {
    switch (effect.do) {
      case 'store':
        return this.store(node, incarnation, effect.records, (event) =>
          this.tellSecondary(node, { ...event, generation: effect.generation, random: this.random.next() }),
        );
      case 'savePromise':
        return this.soon(node, incarnation, () => {
          const { epoch, reign, votedFor } = effect;
          this.diskOf(node).promised = { epoch, reign, votedFor };
          this.tellSecondary(node, { type: 'promiseSaved', epoch, reign });
        });
      case 'truncate':
        this.diskOf(node).records.length = effect.index;
        return undefined;
      case 'settle':
        return this.broker.settle(node, effect.tag);
      case 'requeue':
        return this.later(node, incarnation, effect.afterMs, () => this.broker.requeue(node, effect.tag));
      case 'send':
        return this.broker.sendTo(effect.to ?? 'replies', encodeWire(effect.message), effect.message.type, node);
      case 'serve':
        return this.serve(node, effect);
      case 'lookUpChecksum':
        return this.soon(node, incarnation, () => {
          const checksum = checksumOf(this.diskOf(node).records, effect.index);
          this.tellSecondary(node, { type: 'checksum', index: effect.index, checksum });
        });
      case 'consume':
        return this.consume(node, incarnation);
      case 'stopConsuming':
        return this.broker.stopConsuming(node);
      case 'halt':
        return this.kill(node);
      case 'trace':
        this.traces.push(`${this.now} ${node} ${effect.what} ${JSON.stringify(effect.facts)}`);
        return undefined;
      case 'visible':
        return undefined;
    }
  }

  private consume(node: string, incarnation: number): void {
    const found = this.broker.consume(node, (bytes, type, tag) => {
      if (this.secondaries.get(node)?.incarnation !== incarnation) return;
      this.receive(
        node,
        type,
        () => {
          const fail = this.random.chance(this.options.failRate ?? 0);
          this.tellSecondary(node, { type: 'delivery', message: decodeWire(type, bytes), tag, fail });
        },
        () => this.broker.settle(node, tag),
      );
    });
    if (!found) this.soon(node, incarnation, () => this.tellSecondary(node, { type: 'entriesMissing' }));
  }

  /** Hands a message to a secondary, with the faults that its settings inject. */
  private receive(node: string, type: string, hand: () => void, lose: () => void = () => undefined): void {
    const incarnation = this.secondaries.get(node)?.incarnation ?? 0;
    if (type !== 'entries') return hand();
    if (this.random.chance(this.options.dropRate ?? 0)) return lose();
    const times = this.random.chance(this.options.duplicateRate ?? 0) ? 2 : 1;
    for (let time = 0; time < times; time += 1) this.later(node, incarnation, this.delayMs.get(node) ?? 0, hand);
  }

  private serve(
    node: string,
    effect: Omit<Extract<MasterEffect, { do: 'serve' }>, 'withChecksum'>,
    withChecksum = false,
  ): void {
    const { header, lastIndex, limit, to } = effect;
    const end = Math.min(lastIndex, header.prevIndex + limit);
    const message: WireMessage = { ...header, records: this.diskOf(node).records.slice(header.prevIndex, end) };
    const prevChecksum = checksumOf(this.diskOf(node).records, header.prevIndex);
    const body = encodeWire(withChecksum ? { ...message, prevChecksum } : message);
    this.broker.sendTo(to, body, 'entries', node);
  }

  private store(
    node: string,
    incarnation: number,
    records: readonly LogRecord[],
    tell: (event: { type: 'stored'; checksum: number } | { type: 'storeFailed'; fatal: boolean; what: string }) => void,
  ): void {
    this.writes.set(node, records);
    this.later(node, incarnation, this.storeMs.get(node) ?? 1, () => {
      this.writes.delete(node);
      if (this.fullDisks.has(node)) return tell({ type: 'storeFailed', fatal: false, what: 'no space left' });
      this.diskOf(node).records.push(...records);
      tell({ type: 'stored', checksum: checksumOf(this.diskOf(node).records) });
    });
  }

  private tickMaster(node: string, incarnation: number): void {
    this.later(node, incarnation, TICK_MS, () => {
      this.tellMaster(node, { type: 'tick', reign: this.random.hex(16), random: this.random.next() });
      this.tickMaster(node, incarnation);
    });
  }

  private tickSecondary(node: string, incarnation: number): void {
    this.later(node, incarnation, TICK_MS, () => {
      this.tellSecondary(node, { type: 'tick', random: this.random.next(), inHand: 0 });
      this.tickSecondary(node, incarnation);
    });
  }

  private soon(node: string, incarnation: number, run: () => void): void {
    this.later(node, incarnation, 1 + this.random.below(3), run);
  }

  private later(node: string, incarnation: number, ms: number, run: () => void): void {
    this.timeline.at(this.now + ms, () => {
      const running = this.masters.get(node) ?? this.secondaries.get(node);
      if (running?.incarnation === incarnation) run();
    });
  }

  private nextIncarnation(): number {
    this.incarnations += 1;
    return this.incarnations;
  }
}

function startOf(disk: Disk) {
  return { outline: outlineOf(disk), promised: disk.promised, checksum: checksumOf(disk.records) };
}

/** Running CRC-32 of the bytes of the first `upTo` records. */
function checksumOf(records: readonly LogRecord[], upTo = records.length): number {
  return records.slice(0, upTo).reduce((running, { bytes }) => crc32(bytes, running), 0);
}

function outlineOf({ records }: Disk): LogOutline {
  const outline = new LogOutline();
  for (const record of records) outline.append(record);
  return outline;
}
