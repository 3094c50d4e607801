/**
 * Maps client-chosen ids to indexes of entries, without keeping every id in memory: a small
 * log-structured merge tree (LSM tree). The newest ids are in a map; at 16,384 they become a sorted
 * run on disk (run.ts), and 8 runs of one level are merged into one of the next. Memory holds the
 * filters and fences of the runs: 1.3 bytes an id, up to some 90 MB.
 *
 * The log is the authority, and the index can always be rebuilt from it. At open a run that is
 * damaged or of another store is removed with every run after it, and the scan of the log adds its
 * ids again. Runs follow one another without a gap from record 1 on and hold only durable records;
 * `completeTo` is where the last one ends. An embedded B-tree (lmdb) was rejected: it has no
 * checksums, a flipped bit can crash the process at every start, and the crash tests cannot
 * interrupt its writes.
 *
 * A truncation takes effect in memory within the call; the renames on disk come before the log is
 * truncated, so a run never answers for records that were replaced. File operations run in one
 * queue; no caller waits for them.
 */
import { join } from 'node:path';
import { isOutOfRoom } from '#storage/storage-fault';
import type { FileSystem } from '../file-system';
import { openDirectory } from '../small-file';
import { hashId } from './hash';
import { IdRun, runName, stretchOf } from './run';
import { type IdPlace, mergedPlaces, sortedPlaces, TEMPORARY_RUN, writeRun } from './run-writer';

/** Ids in memory that become a run: a few MB, and as many entries to parse at open. */
const RUN_IDS = 16_384;

/**
 * Runs of a level that are merged into one: a look-up asks at most 7 filters a level, and an id is
 * written once more for each level.
 */
const MERGE_RUNS = 8;

interface IdIndexOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly storeId: string;
  /** Replaces `RUN_IDS`; for tests. */
  readonly runIds?: number;
}

/** The ids that are in no run, for a checkpoint. */
export interface RecentIds {
  /** As `IdIndex.completeTo`: an index whose runs end before it lacks ids. */
  readonly completeTo: number;
  /** Id and index, ascending by index. */
  readonly places: readonly (readonly [string, number])[];
}

/** Ids that are becoming a run. */
interface Flushing {
  readonly places: ReadonlyMap<string, number>;
  /** As `IdRun.visibleTo`. */
  visibleTo: number;
}

/** The id index of one store. `find` sees every change at once, because memory changes first. */
export class IdIndex {
  /** Id → index, ascending by index. */
  private memory = new Map<string, number>();
  private flushing: Flushing | null = null;
  private queue: Promise<void> = Promise.resolve();
  private isFlushQueued = false;
  private readonly runIds: number;
  /**
   * Number of ids in memory that starts the next flush; above `runIds` after a flush that found the
   * disk full.
   */
  private flushAt: number;

  private constructor(
    private readonly options: IdIndexOptions,
    /** Ascending, without a gap. */
    private readonly runs: IdRun[],
  ) {
    this.runIds = options.runIds ?? RUN_IDS;
    this.flushAt = this.runIds;
  }

  /**
   * Opens the runs in the folder and removes those that cannot be used. Rejects with the system
   * error of a file operation.
   */
  static async open(options: IdIndexOptions): Promise<IdIndex> {
    const { fileSystem, directory, storeId } = options;
    await fileSystem.makeDirectory(directory);
    const names = (await fileSystem.list(directory)).filter(
      (name) => stretchOf(name) !== null || name === TEMPORARY_RUN,
    );
    const runs: IdRun[] = [];
    // Of several runs with the same start, the longest is the merged one.
    for (const name of names.sort((a, b) => fromOf(a) - fromOf(b) || (a < b ? 1 : -1))) {
      const isNext = fromOf(name) === (runs.at(-1)?.visibleTo ?? 0) + 1;
      const path = join(directory, name);
      const run = isNext ? await IdRun.open(await fileSystem.open(path, 'read'), name, storeId) : null;
      if (run === null) await fileSystem.remove(path);
      else runs.push(run);
    }
    // The removals must be durable: a run must not reappear after a crash in which the log has been
    // truncated and rewritten.
    await fileSystem.syncDirectory(directory);
    return new IdIndex(options, runs);
  }

  /**
   * Every client-chosen id up to this index is in a run; the caller adds the later ones from the
   * log.
   */
  get completeTo(): number {
    return this.runs.at(-1)?.visibleTo ?? 0;
  }

  /** The ids of entries up to `index` that no run holds. */
  recentUpTo(index: number): RecentIds {
    const places = [...(this.flushing?.places ?? []), ...this.memory].filter(([, at]) => at <= index);
    return { completeTo: this.completeTo, places };
  }

  /** Takes the ids of a checkpoint into an index whose runs are complete up to its `completeTo`. */
  restore({ places }: RecentIds): void {
    const { completeTo } = this;
    for (const [id, index] of places) if (index > completeTo) this.add(id, index);
  }

  /** Adds the id of the entry at `index`, which must be above every index added before. */
  add(id: string, index: number): void {
    this.memory.set(id, index);
  }

  /**
   * Index of the entry with this id; null when there is none. Throws a `StorageError` `damaged`
   * when a block of a run does not match its checksum.
   */
  find(id: string): number | null {
    const inMemory = this.memory.get(id);
    if (inMemory !== undefined) return inMemory;
    const { flushing, runs } = this;
    const beingWritten = flushing?.places.get(id);
    if (flushing !== null && beingWritten !== undefined && beingWritten <= flushing.visibleTo) return beingWritten;
    if (runs.length === 0) return null;
    const hash = hashId(this.options.storeId, id);
    for (let at = runs.length - 1; at >= 0; at -= 1) {
      const index = runs[at]?.find(hash) ?? null;
      if (index !== null) return index;
    }
    return null;
  }

  /** Removes the ids of all entries after `index`, in memory. */
  cutAfter(index: number): void {
    for (const [id, at] of this.memory) {
      if (at > index) this.memory.delete(id);
    }
    if (this.flushing !== null) this.flushing.visibleTo = Math.min(this.flushing.visibleTo, index);
    for (const run of this.runs) run.visibleTo = Math.min(run.visibleTo, index);
  }

  /**
   * Makes `cutAfter` durable. Rejects with a `StorageError` `full` when no descriptor is free, and
   * nothing was changed; otherwise with the system error of a file operation.
   */
  saveCut(): Promise<void> {
    return this.enqueue(() => this.renameCutRuns());
  }

  /**
   * Writes the ids of entries up to `stableIndex`, which are durable and will not be truncated, to
   * a run if there are many; resolves at once if not, and when the disk is full, to try again
   * later. Rejects with any other system error.
   */
  async flushIfLarge(stableIndex: () => number): Promise<void> {
    if (this.memory.size < this.flushAt || this.isFlushQueued) return;
    this.isFlushQueued = true;
    try {
      await this.enqueue(() => this.flush(stableIndex()));
      this.flushAt = this.runIds;
    } catch (error) {
      if (!isOutOfRoom(error)) throw error;
      this.flushAt = this.memory.size + this.runIds;
    } finally {
      this.isFlushQueued = false;
    }
  }

  async close(): Promise<void> {
    await this.queue;
    await Promise.all(this.runs.map((run) => run.close()));
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.queue.then(task);
    this.queue = done.catch(() => undefined);
    return done;
  }

  private async flush(stableIndex: number): Promise<void> {
    const places = new Map<string, number>();
    const later = new Map<string, number>();
    for (const [id, index] of this.memory) (index <= stableIndex ? places : later).set(id, index);
    if (places.size === 0) return;
    const flushing = { places, visibleTo: stableIndex };
    this.flushing = flushing;
    this.memory = later;
    try {
      const run = await this.write(
        { from: this.completeTo + 1, to: stableIndex, level: 0 },
        places.size,
        this.hashed(places),
      );
      run.visibleTo = flushing.visibleTo;
      this.runs.push(run);
    } catch (error) {
      const kept = [...places].filter(([, index]) => index <= flushing.visibleTo);
      this.memory = new Map([...kept, ...this.memory]);
      throw error;
    } finally {
      this.flushing = null;
    }
    while (this.canMerge()) await this.merge();
  }

  private async *hashed(places: ReadonlyMap<string, number>): AsyncGenerator<readonly IdPlace[]> {
    const hashes: IdPlace[] = [];
    for (const [id, index] of places) {
      hashes.push({ ...hashId(this.options.storeId, id), index });
      if (hashes.length % HASHES_PER_TURN === 0) await nextTurn();
    }
    yield* sortedPlaces(hashes);
  }

  private canMerge(): boolean {
    const newest = this.runs.slice(-MERGE_RUNS);
    const [first] = newest;
    if (first === undefined || newest.length < MERGE_RUNS) return false;
    return newest.every(({ trailer }) => trailer.level === first.trailer.level);
  }

  private async merge(): Promise<void> {
    const inputs = this.runs.slice(-MERGE_RUNS);
    const [first, last] = [inputs[0], inputs.at(-1)];
    if (first === undefined || last === undefined) return;
    const plan = { from: first.from, to: last.savedTo, level: first.trailer.level + 1 };
    const ids = inputs.reduce((sum, { trailer }) => sum + trailer.count, 0);
    const run = await this.write(plan, ids, mergedPlaces(inputs));
    run.visibleTo = Math.min(plan.to, this.completeTo);
    this.runs.splice(-MERGE_RUNS, MERGE_RUNS, run);
    for (const input of inputs) await this.discard(input);
  }

  private write(
    plan: { from: number; to: number; level: number },
    idsMax: number,
    places: AsyncIterable<readonly IdPlace[]>,
  ): Promise<IdRun> {
    const { fileSystem, directory, storeId } = this.options;
    return writeRun(fileSystem, directory, { ...plan, storeId, idsMax }, places);
  }

  private async renameCutRuns(): Promise<void> {
    const { fileSystem, directory } = this.options;
    const last = this.runs.at(-1);
    if (last === undefined || runName({ from: last.from, to: last.visibleTo }) === last.name) return;
    const folder = await openDirectory(fileSystem, directory, 'the id index was not cut');
    try {
      await this.renameRuns();
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  private async renameRuns(): Promise<void> {
    const { fileSystem, directory } = this.options;
    for (const run of [...this.runs].reverse()) {
      const name = runName({ from: run.from, to: run.visibleTo });
      if (name === run.name) break;
      if (run.visibleTo < run.from) {
        this.runs.pop();
        await this.discard(run);
      } else {
        await fileSystem.rename(join(directory, run.name), join(directory, name));
        run.name = name;
      }
    }
  }

  private async discard(run: IdRun): Promise<void> {
    await run.close();
    await this.options.fileSystem.remove(join(this.options.directory, run.name));
  }
}

const HASHES_PER_TURN = 512;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** First index of a run's stretch; −1 for a leftover file, which is to be removed. */
function fromOf(name: string): number {
  return stretchOf(name)?.from ?? -1;
}
