/**
 * A node's disk: what a crash leaves, and what goes wrong before. Writes and cuts are done one
 * after the other, each after a while; until then they are in the view of the process (its readers
 * and ids), and not on the platter. As the disk store does it, a write that finds no room takes
 * everything that was handed over behind it out of the view again.
 *
 *     write ──▶ queued ──▶ on the platter, told ──▶ …
 *                 └──no room, or broken──▶ told so (broken: a part of it is there)        crash: the first queued may be there, or a part of it
 */
import { crc32 } from 'node:zlib';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { Timeline } from '#tests/support/fakes/timeline';
import type { SeededRandom } from '#tests/support/seeded-random';
import type { Faults } from './faults';

type WriteEnd = { readonly checksum: number } | { readonly fatal: boolean; readonly what: string };

interface Write {
  readonly records: readonly LogRecord[];
  readonly done: (end: WriteEnd) => void;
}

type Task = Write | { readonly after: number };

export interface DiskSnapshot {
  readonly store: string;
  readonly platter: readonly LogRecord[];
  readonly promised: Promised;
}

export interface DiskWatcher {
  stored(disk: DiskModel, record: LogRecord): void;
  cut(disk: DiskModel, record: LogRecord): void;
  promised(disk: DiskModel, promised: Promised): void;
}

export class DiskModel {
  store: string;
  /** What it was called before each loss. */
  readonly lostStores = new Set<string>();
  promised: Promised = NO_PROMISE;
  /** No write finds room. */
  full = false;
  /** What a write takes beside what the faults say, in milliseconds. */
  extraMs = 0;
  /** … and what it takes to save a promise. */
  promiseMs = 0;
  /** What is durable. Another array after a loss. */
  platter: LogRecord[] = [];
  /** What the process has handed over, durable or not. */
  view: LogRecord[] = [];
  /** Rises when something is taken out of the view. */
  generation = 0;
  /** Running CRC of the platter after each record. */
  private running: number[] = [];
  private readonly indexOfId = new Map<string, number>();
  private queue: Task[] = [];
  private isBusy = false;
  /** Promises that were to be saved, and the newest that was. */
  private promises = 0;
  private promiseOrder = 0;
  /** A crash ends all that was under way. */
  private start = 0;

  constructor(
    readonly node: string,
    private readonly parts: {
      readonly timeline: Timeline;
      readonly random: SeededRandom;
      readonly faults: Faults;
      readonly watcher: DiskWatcher | null;
    },
  ) {
    this.store = parts.random.hex(8);
  }

  get outline(): LogOutline {
    const outline = new LogOutline();
    for (const record of this.platter) outline.append(record);
    return outline;
  }

  /** Running checksum of the first `index` records of the platter. */
  checksumAt(index: number): number {
    return this.running[index - 1] ?? 0;
  }

  get checksum(): number {
    return this.checksumAt(this.platter.length);
  }

  /** Seq of the entry with this id among all that was handed over. */
  seqOfId(id: string): number | null {
    const index = this.indexOfId.get(id);
    return index === undefined ? null : (this.view[index - 1]?.seq ?? null);
  }

  write(records: readonly LogRecord[], done: (end: WriteEnd) => void): void {
    for (const record of records) this.take(record);
    this.enqueue({ records, done });
  }

  truncateAfter(index: number): void {
    this.takeBack(index);
    this.enqueue({ after: index });
  }

  /** One after the other; a newer one replaces one that still waits. */
  savePromise(promised: Promised, done: () => void): void {
    const { start } = this;
    const { timeline, random } = this.parts;
    this.promises += 1;
    const order = this.promises;
    timeline.after(1 + random.below(this.parts.faults.storeMs) + this.promiseMs + this.slowness(), () => {
      if (start !== this.start) return;
      if (this.full) return this.savePromise(promised, done);
      // A newer one that was quicker is not put back: one is written after the other.
      if (order > this.promiseOrder) {
        this.promiseOrder = order;
        this.promised = promised;
        this.parts.watcher?.promised(this, promised);
      }
      done();
    });
  }

  /** The process is gone, or the machine: what was under way is there, or not, or in part. */
  crash(): void {
    const { random, faults } = this.parts;
    this.start += 1;
    this.isBusy = false;
    const left = this.queue;
    this.queue = [];
    for (const task of left) {
      if (!random.chance(faults.tornRate)) break;
      if ('after' in task) this.cut(task.after);
      else if (this.full || !this.land(task.records, random.below(task.records.length + 1))) break;
    }
    this.view = [...this.platter];
    this.generation += 1;
    this.indexOfId.clear();
    for (const { id, index } of this.view) if (id !== null) this.indexOfId.set(id, index);
  }

  /** Everything on it is lost; the process must be down. */
  wipe(): void {
    this.lose(0);
    this.promised = NO_PROMISE;
  }

  /** What is found damaged at the next start: a good prefix is kept, as another store. */
  damage(): void {
    this.lose(this.parts.random.below(this.platter.length + 1));
    this.keepPromise();
  }

  /** It becomes another store, with all that it holds: it lacks what it has acknowledged. */
  renew(): void {
    this.lose(this.platter.length);
    this.keepPromise();
  }

  /**
   * What the disk's own check at a start notices: a log that ends below what it knew to be
   * committed was rolled back.
   */
  checkAtStart(): void {
    if (this.promised.commit > this.platter.length) this.renew();
  }

  private keepPromise(): void {
    const { commit } = this.promised;
    this.promised = { ...this.promised, commit: Math.min(commit, this.platter.length) };
  }

  /** Puts another record in the place of one, as no checksum of its own would notice. */
  tamper(record: LogRecord): void {
    this.platter[record.index - 1] = record;
    this.view = [...this.platter];
    let running = this.checksumAt(record.index - 1);
    this.running.length = record.index - 1;
    for (const { bytes } of this.platter.slice(record.index - 1)) {
      running = crc32(bytes, running);
      this.running.push(running);
    }
  }

  /**
   * What is on it, to be put back later: a backup, or another machine's folder. The process must be
   * down.
   */
  snapshot(): DiskSnapshot {
    const { store, platter, promised } = this;
    return { store, platter: [...platter], promised };
  }

  /** Puts a snapshot in the place of what is there; the process must be down. */
  restore({ store, platter, promised }: DiskSnapshot): void {
    this.lose(0);
    this.store = store;
    this.lostStores.delete(store);
    this.promised = promised;
    for (const record of platter) {
      this.running.push(crc32(record.bytes, this.checksum));
      this.platter.push(record);
    }
    this.crash();
  }

  /** The folder of another node, or of another log, is put here. */
  replaceBy(other: DiskModel): void {
    this.restore(other.snapshot());
  }

  private lose(keep: number): void {
    this.crash();
    this.platter = this.platter.slice(0, keep);
    this.running.length = keep;
    this.lostStores.add(this.store);
    this.store = this.parts.random.hex(8);
    this.crash();
  }

  private take(record: LogRecord): void {
    const { id, index } = record;
    if (index !== this.view.length + 1) throw new Error(`${this.node}: index ${index} behind ${this.view.length}`);
    this.view.push(record);
    if (id !== null) this.indexOfId.set(id, index);
  }

  private takeBack(index: number): void {
    this.generation += 1;
    for (const { id, index: at } of this.view.splice(index))
      if (id !== null && this.indexOfId.get(id) === at) this.indexOfId.delete(id);
  }

  private enqueue(task: Task): void {
    this.queue.push(task);
    if (!this.isBusy) this.next();
  }

  private next(): void {
    const task = this.queue[0];
    this.isBusy = task !== undefined;
    if (task === undefined) return;
    const { start } = this;
    const { timeline, random, faults } = this.parts;
    timeline.after(1 + random.below(faults.storeMs) + this.extraMs + this.slowness(), () => {
      if (start !== this.start) return;
      this.perform(task);
      if (start === this.start) this.next();
    });
  }

  private perform(task: Task): void {
    const { random, faults } = this.parts;
    if ('after' in task) {
      this.queue.shift();
      this.cut(task.after);
    } else if (random.chance(faults.brokenRate)) {
      this.land(task.records, random.below(task.records.length + 1));
      this.queue = [];
      task.done({ fatal: true, what: 'input/output error' });
    } else if (this.full || random.chance(faults.fullRate)) this.refuse();
    else {
      this.queue.shift();
      this.land(task.records, task.records.length);
      task.done({ checksum: this.checksum });
    }
  }

  private refuse(): void {
    const refused = this.queue.filter((task): task is Write => !('after' in task));
    this.queue = this.queue.filter((task) => 'after' in task);
    const ends = this.queue.map((task) => ('after' in task ? task.after : 0));
    this.takeBack(Math.min(this.platter.length, ...ends));
    for (const { done } of refused) done({ fatal: false, what: 'no space left' });
  }

  private slowness(): number {
    const { random, faults } = this.parts;
    return random.chance(faults.slowStoreRate) ? random.below(faults.slowStoreMs) : 0;
  }

  /** The first `count` of them are durable. False when that is not all. */
  private land(records: readonly LogRecord[], count: number): boolean {
    for (let at = 0; at < count; at += 1) {
      const record = records[at];
      if (record === undefined) break;
      this.running.push(crc32(record.bytes, this.checksum));
      this.platter.push(record);
      this.parts.watcher?.stored(this, record);
    }
    return count === records.length;
  }

  private cut(after: number): void {
    if (after >= this.platter.length) return;
    const cut = this.platter.splice(after);
    this.running.length = after;
    for (const record of cut) this.parts.watcher?.cut(this, record);
  }
}
