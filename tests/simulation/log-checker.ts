/**
 * Looks at every log while a run goes on, each record once per node, and throws at the first breach:
 *
 * S1  two logs with the same (index, epoch) have the same record there, after the same one before; what is committed at a seq is one entry
 * S2  what a reader can see is 1…k, and is durable
 * S3  who is named as a holder in an answer has held the record, durably and in the store it came with last; they are w at least
 * S5  no log has an id twice
 * S6  commit does not move back while a process lives; a committed record is never cut; one master per epoch; who takes appends has all that is committed
 *     memory stays within its bounds
 * It knows nothing of how the machines work: it reads disks, positions and what goes out.
 */
import type { MasterEffect, MasterEvent } from '../../services/master/core/events';
import { MasterMachine } from '../../services/master/core/master';
import { SecondaryMachine } from '../../services/secondary/core/secondary';
import type { LogRecord } from '../../shared/protocol/record';
import type { WireMessage } from '../../shared/protocol/wire';
import type { DiskModel } from './disk-model';
import type { SimProcess } from './sim-process';
import { Violation } from './violation';
import type { Watcher } from './world';

interface Known {
  readonly record: LogRecord;
  readonly prevEpoch: number;
  /** The stores that have held it durably. */
  readonly holders: string[];
}

export interface LogEvents {
  /** A record that no disk had before. */
  appeared(record: LogRecord): void;
  halted(node: string): void;
}

const EPOCH_STEP = 2 ** 24;

export class LogChecker implements Watcher {
  /** Entries that were cut off a disk. */
  cuts = 0;
  /** Reigns that took appends. */
  reigns = 0;
  /** By index; what some node has called committed. */
  readonly committed: LogRecord[] = [];
  private readonly known = new Map<number, Known>();
  private readonly idsOn = new Map<DiskModel, Map<string, LogRecord>>();
  private readonly commitOf = new WeakMap<object, { seq: number }>();
  private readonly reignOf = new Map<number, string>();
  /** The newest store of each member that each master has heard of. */
  private readonly heard = new WeakMap<object, Map<string, string>>();

  constructor(
    private readonly bounds: { readonly inFlightBytes: number; readonly bufferedRecords: number },
    private readonly events: LogEvents,
  ) {}

  /** Every store was lost at once: what comes is another log. */
  reset(): void {
    this.committed.length = 0;
    this.known.clear();
    this.idsOn.clear();
    this.reignOf.clear();
  }

  /** A disk was wiped or damaged: its records are lost, not cut; what it kept is held by another store. */
  lost(disk: DiskModel): void {
    for (const record of disk.platter) this.known.get(keyOf(record))?.holders.push(disk.store);
    this.idsOn.set(disk, new Map(disk.platter.flatMap((each) => (each.id === null ? [] : [[each.id, each]]))));
  }

  started(): void {
    return undefined;
  }

  halted(node: string): void {
    this.events.halted(node);
  }

  renewed(disk: DiskModel): void {
    this.lost(disk);
  }

  stored(disk: DiskModel, record: LogRecord): void {
    const before = disk.platter[record.index - 2];
    this.checkPlace(disk, record, before);
    if (record.control?.control === 'epoch')
      this.checkReign({ epoch: record.epoch, reign: record.control.reign }, true);
    this.checkId(disk, record);
    const key = keyOf(record);
    const prevEpoch = before?.epoch ?? 0;
    const known = this.known.get(key);
    if (known === undefined) {
      this.known.set(key, { record, prevEpoch, holders: [disk.store] });
      this.events.appeared(record);
      return;
    }
    known.holders.push(disk.store);
    if (known.prevEpoch !== prevEpoch || !isSame(known.record, record))
      throw new Violation(
        'S1',
        `${disk.node} has ${lineOf(record)} at ${placeOf(record)}, another has ${lineOf(known.record)}`,
      );
  }

  cut(disk: DiskModel, record: LogRecord): void {
    if (record.id !== null) {
      this.cuts += 1;
      const ids = this.idsOf(disk);
      if (ids.get(record.id) === record) ids.delete(record.id);
    }
    if (this.committed[record.index]?.epoch === record.epoch)
      throw new Violation('S6', `${disk.node} cuts ${placeOf(record)}, which is committed`);
  }

  stepped(process: SimProcess, event: { type: string }, effects: readonly { do: string }[]): void {
    const { machine, disk, node } = process;
    if (event.type === 'wire') this.hear(machine, (event as Extract<MasterEvent, { type: 'wire' }>).message);
    const durable = machine.groups.durableIndex;
    if (durable > disk.platter.length)
      throw new Violation('S2', `${node} shows ${durable} records and has ${disk.platter.length}`);
    this.checkCommit(process);
    if (machine instanceof MasterMachine) this.checkMaster(process, machine, effects as readonly MasterEffect[]);
    if (machine instanceof SecondaryMachine && machine.buffer.size > this.bounds.bufferedRecords)
      throw new Violation('bounds', `${node} buffers ${machine.buffer.size} records`);
  }

  /**
   * Does the log hold all that was ever committed? Of a reign: all that was in epochs before it, for a master that was frozen while its successor
   * went on may still see the acks of its own.
   */
  checkComplete(node: string, records: readonly LogRecord[], epoch = Number.POSITIVE_INFINITY): void {
    let last = this.committed.length - 1;
    while ((this.committed[last]?.epoch ?? 0) >= epoch) last -= 1;
    const expected = this.committed[last];
    if (expected === undefined) return;
    const own = records[last - 1];
    if (own === undefined || !isSame(own, expected))
      throw new Violation(
        'S4',
        `${node} lacks ${placeOf(expected)}, which is committed; has ${own === undefined ? records.length : placeOf(own)}`,
      );
  }

  private checkPlace(disk: DiskModel, record: LogRecord, before: LogRecord | undefined): void {
    const { index, seq, epoch, control } = record;
    const expectedSeq = (before?.seq ?? 0) + (control === null ? 1 : 0);
    if (index !== (before?.index ?? 0) + 1 || seq !== expectedSeq || epoch < (before?.epoch ?? 0))
      throw new Violation(
        'S2',
        `${disk.node} stores seq ${seq}, ${placeOf(record)} behind ${before === undefined ? 'nothing' : placeOf(before)}`,
      );
  }

  private checkId(disk: DiskModel, record: LogRecord): void {
    if (record.id === null) return;
    const ids = this.idsOf(disk);
    const there = ids.get(record.id);
    if (there !== undefined)
      throw new Violation('S5', `${disk.node} has id ${record.id} at ${placeOf(there)} and at ${placeOf(record)}`);
    ids.set(record.id, record);
  }

  private checkCommit({ machine, disk, node }: SimProcess): void {
    const known = this.commitOf.get(machine) ?? { seq: 0 };
    const { commit } = machine;
    if (commit === known.seq) return;
    if (commit < known.seq) throw new Violation('S6', `${node} moves commit back from ${known.seq} to ${commit}`);
    const from = known.seq === 0 ? 1 : (machine.outline.indexOf(known.seq) ?? 0);
    const to = machine.outline.indexOf(commit) ?? 0;
    for (let index = from; index <= to; index += 1) this.commit(node, disk.platter[index - 1]);
    known.seq = commit;
    this.commitOf.set(machine, known);
  }

  private commit(node: string, record: LogRecord | undefined): void {
    if (record === undefined) throw new Violation('S6', `${node} commits what it does not have`);
    const known = this.committed[record.index];
    if (known === undefined) this.committed[record.index] = record;
    else if (!isSame(known, record))
      throw new Violation('S6', `${node} commits ${placeOf(record)} where ${placeOf(known)} is committed`);
  }

  private checkMaster({ node, disk }: SimProcess, machine: MasterMachine, effects: readonly MasterEffect[]): void {
    // What a claimant fetches is bounded by a batch.
    if (machine.phaseName === 'reigning' && machine.inFlightBytes > this.bounds.inFlightBytes)
      throw new Violation('bounds', `${node} has ${machine.inFlightBytes} bytes in flight`);
    for (const effect of effects) {
      if (effect.do === 'control' && effect.message.type === 'announce') this.checkReign(effect.message, false);
      else if (effect.do === 'publish') this.checkReign(effect.header, false);
      else if (effect.do === 'answer' && effect.answer.outcome === 'acknowledged')
        this.checkHolders(machine, disk, effect.answer);
      else if (effect.do === 'trace' && effect.what === 'reigns') {
        this.reigns += 1;
        this.checkComplete(node, disk.platter, machine.epoch.epoch);
      } else if (effect.do === 'trace' && effect.what === 'a member holds another log')
        throw new Violation('S1', `${node} takes a log for another: ${JSON.stringify(effect.facts)}`);
    }
  }

  /** A reign without a record is forgotten when all forget it: an epoch is taken by the first record that is stored. */
  private checkReign({ epoch, reign }: { epoch: number; reign: string }, isStored: boolean): void {
    const known = this.reignOf.get(epoch);
    if (known === undefined && isStored) this.reignOf.set(epoch, reign);
    if (known !== undefined && known !== reign)
      throw new Violation('S6', `two reigns of epoch ${epoch}: ${known} and ${reign}`);
  }

  private checkHolders(
    machine: MasterMachine,
    disk: DiskModel,
    { seq, w, acks }: { seq: number; w: number; acks: readonly string[] },
  ): void {
    const record = disk.platter[(machine.outline.indexOf(seq) ?? 0) - 1];
    if (record === undefined) throw new Violation('S3', `${disk.node} acknowledges ${seq} and has not stored it`);
    const held = this.known.get(keyOf(record))?.holders ?? [];
    const stores = this.heard.get(machine);
    const without = acks.filter((node) => !held.includes(node === disk.node ? disk.store : (stores?.get(node) ?? '')));
    if (without.length > 0)
      throw new Violation('S3', `${seq} is acknowledged in the name of ${without.join(', ')}, which never held it`);
    if (new Set(acks).size < w)
      throw new Violation('S3', `${seq} is acknowledged with w=${w} and held by ${acks.join(', ')}`);
  }

  private idsOf(disk: DiskModel): Map<string, LogRecord> {
    const known = this.idsOn.get(disk);
    if (known !== undefined) return known;
    const ids = new Map<string, LogRecord>();
    this.idsOn.set(disk, ids);
    return ids;
  }

  /** A member's acks count for the store that it came with last, as far as this master can know. */
  private hear(machine: object, message: WireMessage): void {
    if (message.type !== 'ack' && message.type !== 'join' && message.type !== 'heartbeat') return;
    const stores = this.heard.get(machine) ?? new Map<string, string>();
    stores.set(message.node, message.store);
    this.heard.set(machine, stores);
  }
}

function keyOf({ epoch, index }: LogRecord): number {
  return epoch * EPOCH_STEP + index;
}

function isSame(a: LogRecord, b: LogRecord): boolean {
  if (a === b || a.bytes === b.bytes) return true;
  return a.epoch === b.epoch && a.index === b.index && Buffer.compare(a.bytes, b.bytes) === 0;
}

function placeOf({ index, epoch }: LogRecord): string {
  return `${index}@${epoch}`;
}

function lineOf({ bytes }: LogRecord): string {
  return Buffer.from(bytes).toString();
}
