/**
 * Looks at every log while a run goes on, each record once per node, and throws at the first
 * breach. What is compared is compared within one log and branch: a record is named by (index,
 * epoch, reign), and what is committed by the identity that the committing node follows.
 *
 * S1  two logs with the same (index, epoch, reign) have the same record there, after the same one before; what is committed at a seq is one entry
 * S2  what a reader can see is 1…k, and is durable
 * S3  who is named as a holder in an answer has held the record, durably and in the store it came with last; they are w at least; what is
 *     said to be stored in the answer to a client whose time is up, is
 * S5  no log has an id twice
 * S6  commit does not move back while a process lives; no disk cuts what is committed in the log it follows, nor what it had saved as committed; one
 *     master per epoch; who takes appends has all that is committed
 * S8  no disk cuts for a master of another log, or holds records of two logs, or hides what it has
 *     whom an operator has removed is no member before an operator admits it; memory stays within its bounds
 * It knows nothing of how the machines work: it reads disks, positions and what goes out. What is
 * left of this when a run is not promised any more is in promise-ledger.ts.
 */
import type { Answer, MasterEffect, MasterEvent } from '#master/core/events';
import { MasterMachine } from '#master/core/master';
import { type Identity, isPrefixOf } from '#protocol/identity';
import type { LogOutline, OutlineView } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import { SecondaryView } from '#secondary/core/view';
import type { DiskModel } from '../model/disk';
import { isSame, lineOf, placeOf } from '../model/records';
import type { SimProcess } from '../model/sim-process';
import type { Watcher } from '../model/world';
import { CommitBook } from './commit-book';
import type { PromiseLedger } from './promise-ledger';
import { Violation } from './violation';

interface Known {
  readonly record: LogRecord;
  readonly prevReign: string;
  /** The nodes, each with its store, that have held it durably. */
  readonly holders: string[];
}

/** What a disk holds by now, as it was told. */
interface Traced {
  /** The node and its store. */
  readonly holder: string;
  readonly outline: LogOutline;
  readonly ids: Map<string, LogRecord>;
  /** Highest commit index that was saved on it. */
  savedCommit: number;
}

interface LogEvents {
  /** A record that no disk had before. */
  appeared(record: LogRecord): void;
  halted(node: string): void;
}

export class LogChecker implements Watcher {
  /** Entries that were cut off a disk. */
  cuts = 0;
  /** Reigns that took appends. */
  reigns = 0;
  readonly committed = new CommitBook();
  /** By reign, then by index. */
  private readonly known = new Map<string, Map<number, Known>>();
  private readonly traced = new Map<DiskModel, Traced>();
  private readonly processes = new Map<DiskModel, SimProcess>();
  /** Which log each reign has said to be of. */
  private readonly logOf = new Map<string, Identity>();
  /** By log and epoch. */
  private readonly reignOf = new Map<string, string>();
  /** Whom an operator has admitted. */
  private readonly admitted = new Set<string>();
  /** The newest store of each member that each master has heard of. */
  private readonly heard = new WeakMap<object, Map<string, string>>();

  constructor(
    private readonly ledger: PromiseLedger,
    private readonly bounds: { readonly inFlightBytes: number; readonly bufferedRecords: number },
    private readonly events: LogEvents,
  ) {}

  /** Every store was lost at once: what comes is another log. */
  reset(): void {
    this.committed.clear();
    this.known.clear();
    this.traced.clear();
    this.reignOf.clear();
  }

  /**
   * A disk was wiped, damaged or replaced: its records are lost, not cut; what is there now is held
   * by another store.
   */
  lost(disk: DiskModel): void {
    this.traced.delete(disk);
    const { holder, outline } = this.tracedOf(disk);
    for (const record of disk.platter) {
      const reign = outline.reignAt(record.index);
      const known = this.known.get(reign)?.get(record.index);
      if (known !== undefined) known.holders.push(holder);
      else this.learn(reign, { record, prevReign: outline.reignAt(record.index - 1), holders: [holder] });
    }
  }

  /** An operator takes the node in. */
  admitting(node: string): void {
    this.admitted.add(node);
  }

  started(process: SimProcess): void {
    this.processes.set(process.disk, process);
    this.committed.started(process.shown);
  }

  halted(node: string): void {
    this.events.halted(node);
  }

  renewed(disk: DiskModel): void {
    this.lost(disk);
  }

  promised(disk: DiskModel, { commit }: Promised): void {
    const traced = this.tracedOf(disk);
    traced.savedCommit = Math.max(traced.savedCommit, commit);
  }

  stored(disk: DiskModel, record: LogRecord): void {
    const before = disk.platter[record.index - 2];
    this.checkPlace(disk, record, before);
    const traced = this.tracedOf(disk);
    const { outline, holder } = traced;
    const prevReign = outline.lastReign;
    if (record.control?.control === 'members' && this.ledger.remembers) this.checkRemoved(disk, record, outline);
    outline.append(record);
    const reign = outline.lastReign;
    if (reign === '')
      throw new Violation('S1', `${disk.node} has ${placeOf(record)} of an epoch without its first record`);
    this.checkOneLog(disk, reign, outline.identity);
    if (record.control?.control === 'epoch') this.checkFirst(record.epoch, reign, outline.identity);
    this.checkId(disk, record, traced);
    const known = this.known.get(reign)?.get(record.index);
    if (known === undefined) {
      this.learn(reign, { record, prevReign, holders: [holder] });
      this.events.appeared(record);
      return;
    }
    known.holders.push(holder);
    if (known.prevReign === prevReign && isSame(known.record, record)) return;
    if (this.ledger.remembers)
      throw new Violation(
        'S1',
        `${disk.node} has ${lineOf(record)} at ${placeOf(record)}, another has ${lineOf(known.record)}`,
      );
  }

  cut(disk: DiskModel, record: LogRecord): void {
    const { outline, ids, savedCommit } = this.tracedOf(disk);
    outline.truncateAfter(record.index - 1);
    if (record.id !== null) {
      this.cuts += 1;
      if (ids.get(record.id) === record) ids.delete(record.id);
    }
    if (!this.ledger.remembers) return;
    if (record.index <= savedCommit)
      throw new Violation('S6', `${disk.node} cuts ${placeOf(record)}, and had saved that it is committed`);
    const identity = this.processes.get(disk)?.shown.identity ?? null;
    const committed = this.committed.at(identity, record.index);
    if (committed !== null && isSame(committed, record))
      throw new Violation('S6', `${disk.node} cuts ${placeOf(record)}, which is committed`);
  }

  stepped(process: SimProcess, event: { type: string }, effects: readonly { do: string }[]): void {
    const { machine, disk, node } = process;
    if (machine instanceof MasterMachine && event.type === 'wire')
      this.hear(machine, (event as Extract<MasterEvent, { type: 'wire' }>).message);
    if ('message' in event) this.checkCut(process, event.message as WireMessage, effects);
    const durable = process.shown.durableIndex;
    if (durable > disk.platter.length)
      throw new Violation('S2', `${node} shows ${durable} records and has ${disk.platter.length}`);
    this.committed.look(process, this.ledger.remembers);
    if (machine instanceof MasterMachine) this.checkMaster(process, machine, effects as readonly MasterEffect[]);
    if (machine instanceof SecondaryView && machine.buffered > this.bounds.bufferedRecords)
      throw new Violation('bounds', `${node} buffers ${machine.buffered} records`);
  }

  /** Once nothing is under way: a reader of the node sees all that its disk holds. */
  checkShown({ node, shown, disk }: SimProcess): void {
    if (shown.durableIndex !== disk.platter.length)
      throw new Violation('S8', `${node} shows ${shown.durableIndex} records and holds ${disk.platter.length}`);
  }

  /**
   * Does the log hold all that was ever committed in it? Of a reign: all that was in epochs before
   * it, for a master that was frozen while its successor went on may still see the acks of its own.
   */
  checkComplete(
    { node, shown }: Pick<SimProcess, 'node' | 'shown'>,
    records: readonly LogRecord[],
    epoch = Number.POSITIVE_INFINITY,
  ): void {
    const expected = this.committed.lastBefore(shown.identity, epoch);
    if (expected === null) return;
    const own = records[expected.index - 1];
    if (own === undefined || !isSame(own, expected))
      throw new Violation(
        'S4',
        `${node} lacks ${placeOf(expected)}, which is committed; has ${own === undefined ? records.length : placeOf(own)}`,
      );
  }

  private learn(reign: string, known: Known): void {
    const records = this.known.get(reign);
    if (records === undefined) this.known.set(reign, new Map([[known.record.index, known]]));
    else records.set(known.record.index, known);
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

  /**
   * The reign of a record has said of which log it is: the disk must hold that one, as far as it
   * goes.
   */
  private checkOneLog(disk: DiskModel, reign: string, identity: Identity | null): void {
    const log = this.logOf.get(reign);
    if (log !== undefined && !isPrefixOf(identity, log))
      throw new Violation('S8', `${disk.node} holds the log ${identity} and a record of ${log}`);
  }

  /** A cut is judged by the log of whoever said that the logs part. */
  private checkCut({ node, disk }: SimProcess, message: WireMessage, effects: readonly { do: string }[]): void {
    if (message.type !== 'diverged' || !effects.some((effect) => effect.do === 'truncate')) return;
    const { identity } = this.tracedOf(disk).outline;
    if (!isPrefixOf(identity, message.log))
      throw new Violation('S8', `${node} cuts its log ${identity} on the word of one that has ${message.log}`);
  }

  private checkRemoved({ node }: DiskModel, { control }: LogRecord, outline: OutlineView): void {
    const removed = outline.newestConfiguration().members?.removed ?? [];
    if (control?.control !== 'members' || removed.length === 0) return;
    const back = removed.find((each) => control.members.includes(each) && !this.admitted.has(each));
    if (back !== undefined)
      throw new Violation('removal', `${node} has a list with ${back}, which was removed for good`);
  }

  private checkId(disk: DiskModel, record: LogRecord, { ids }: Traced): void {
    if (record.id === null) return;
    const there = ids.get(record.id);
    if (there !== undefined && this.ledger.remembers)
      throw new Violation('S5', `${disk.node} has id ${record.id} at ${placeOf(there)} and at ${placeOf(record)}`);
    ids.set(record.id, record);
  }

  private checkMaster(process: SimProcess, machine: MasterMachine, effects: readonly MasterEffect[]): void {
    const { node, disk } = process;
    // What a claimant fetches is bounded by a batch.
    if (machine.view.phaseName === 'reigning' && machine.view.inFlightBytes > this.bounds.inFlightBytes)
      throw new Violation('bounds', `${node} has ${machine.view.inFlightBytes} bytes in flight`);
    if (!this.ledger.remembers) return;
    for (const effect of effects) {
      if (effect.do === 'broadcast' && effect.message.type === 'announce') this.checkReign(effect.message);
      else if (effect.do === 'publish') this.checkReign(effect.header);
      else if (effect.do === 'answer' && effect.answer.outcome === 'acknowledged')
        this.checkHolders(machine, disk, effect.answer);
      else if (effect.do === 'answer' && effect.answer.outcome === 'unresolved') this.checkStored(disk, effect.answer);
      else if (effect.do === 'trace' && effect.event === 'leader.elected') {
        this.reigns += 1;
        this.checkComplete(process, disk.platter, machine.view.epoch.epoch);
      } else if (effect.do === 'trace' && effect.event === 'member.differs' && this.ledger.isPromised)
        throw new Violation('S1', `${node} takes a log for another: ${JSON.stringify(effect.facts)}`);
    }
  }

  private checkReign({ epoch, reign, log }: Pick<MessageOf<'announce'>, 'epoch' | 'reign' | 'log'>): void {
    if (log === null) throw new Violation('S8', `reign ${reign} of epoch ${epoch} says no log`);
    if (!this.logOf.has(reign)) this.logOf.set(reign, log);
    const known = this.reignOf.get(`${log} ${epoch}`);
    if (known !== undefined && known !== reign)
      throw new Violation('S6', `two reigns of epoch ${epoch}: ${known} and ${reign}`);
  }

  /**
   * A reign without a record is forgotten when all forget it: an epoch is taken by the first record
   * that is stored. With forces it is not known by this record alone of which branch it is.
   */
  private checkFirst(epoch: number, reign: string, log: Identity | null): void {
    if (this.ledger.isForced || !this.ledger.remembers) return;
    const key = `${log} ${epoch}`;
    const known = this.reignOf.get(key);
    if (known === undefined) this.reignOf.set(key, reign);
    else if (known !== reign) throw new Violation('S6', `two reigns of epoch ${epoch}: ${known} and ${reign}`);
  }

  private checkHolders(
    machine: MasterMachine,
    disk: DiskModel,
    { seq, w, acks }: { seq: number; w: number; acks: readonly string[] },
  ): void {
    const index = machine.view.outline.indexOf(seq) ?? 0;
    if (disk.platter[index - 1] === undefined)
      throw new Violation('S3', `${disk.node} acknowledges ${seq} and has not stored it`);
    const held = this.known.get(machine.view.outline.reignAt(index))?.get(index)?.holders ?? [];
    const stores = this.heard.get(machine);
    const isHolder = (node: string): boolean =>
      held.includes(`${node}/${node === disk.node ? disk.store : (stores?.get(node) ?? '')}`);
    const without = acks.filter((node) => !isHolder(node));
    if (without.length > 0)
      throw new Violation('S3', `${seq} is acknowledged in the name of ${without.join(', ')}, which never held it`);
    if (new Set(acks).size < w)
      throw new Violation('S3', `${seq} is acknowledged with w=${w} and held by ${acks.join(', ')}`);
  }

  private checkStored({ node, platter }: DiskModel, answer: Extract<Answer, { outcome: 'unresolved' }>): void {
    const { seq, id, stored } = answer;
    if (stored === true && !platter.some((record) => record.id === id && record.seq === seq))
      throw new Violation('S3', `${node} says that ${id} is stored as ${seq}, and does not have it`);
  }

  private tracedOf(disk: DiskModel): Traced {
    const known = this.traced.get(disk);
    if (known !== undefined) return known;
    const ids = new Map(disk.platter.flatMap((each) => (each.id === null ? [] : [[each.id, each] as const])));
    const { node, store, outline, promised } = disk;
    const traced = { holder: `${node}/${store}`, outline, ids, savedCommit: promised.commit };
    this.traced.set(disk, traced);
    return traced;
  }

  /** A member's acks count for the store that it came with last, as far as this master can know. */
  private hear(machine: object, message: WireMessage): void {
    if (message.type !== 'ack' && message.type !== 'join' && message.type !== 'heartbeat') return;
    const stores = this.heard.get(machine) ?? new Map<string, string>();
    stores.set(message.node, message.store);
    this.heard.set(machine, stores);
  }
}
