/**
 * Implements the log store on disk. It keeps two views in step: what was appended (outline, tail
 * cache, ids) and what is durable (the segment files). The parts do not know each other.
 *
 * The appended view changes within the call; the disk follows through the queue of the group
 * writer. When the disk refuses a group, the appended view goes back to what is durable, and the
 * next append is expected to follow that. Reads take the newest records from the cache, which holds
 * every record that is not on disk yet, and the others from the files.
 *
 * Files in the folder: `store.json`, `promise.json`, `begin`, `renew` (files.ts), `synced` (the
 * marker), `0000000000000001.log` … (segments), `ids/` and `checkpoint.json` (may be removed while
 * no process runs), `lock`, and `salvage.json` while a store is being replaced (salvage.ts).
 */

import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { EntryBytes, LogStore, ReadLimits, Shortage } from '../log-store';
import { seqOfGeneratedId, takeRecords } from '../record-kind';
import { closedFault, fatalFault, isPassing, storageFault } from '../storage-fault';
import { checkExtends } from '../store-identity';
import type { Checkpoint, CheckpointKeeper } from './checkpoint';
import type { StoreFiles } from './files';
import type { IdIndex } from './ids/id-index';
import type { StoreLock } from './lock/lock';
import type { Room } from './room';
import { FrameKind } from './segments/frame';
import type { SegmentedLog } from './segments/segmented-log';
import { joinEntries, TailCache } from './tail-cache';
import { type GroupTarget, GroupWriter } from './writer';

interface DiskLogStoreParts {
  readonly files: StoreFiles;
  /** The node has the permission to begin a log, and the store holds no log. */
  readonly mayBegin: boolean;
  /** The log's outline, twice: one for the store and one for its owner. */
  readonly outline: LogOutline;
  readonly opened: LogOutline;
  readonly log: SegmentedLog;
  readonly ids: IdIndex;
  readonly checkpoints: CheckpointKeeper;
  readonly cacheBytes: number;
  readonly room: Room;
  /** Checked before each write; released last. */
  readonly lock: Pick<StoreLock, 'check' | 'release'>;
}

/** The `LogStore` of kind `disk`; made by `openDiskLogStore`. Errors as the port says. */
export class DiskLogStore implements LogStore {
  readonly kind = 'disk';
  readonly storeId: string;
  readonly opened: LogOutline;
  mayBegin: boolean;

  private readonly outline: LogOutline;
  private readonly cache: TailCache;
  private readonly writer: GroupWriter;
  /**
   * Incremented when records are taken back, so that a read in progress notices that it may have
   * read them.
   */
  private generation = 0;
  /** The last write of a small file; they are written one after the other. */
  private keeping: Promise<void> = Promise.resolve();
  private closing: Promise<void> | null = null;
  /** Everything that was asked for before `close` is done. */
  private isClosed = false;

  constructor(private readonly parts: DiskLogStoreParts) {
    this.storeId = parts.files.storeId;
    this.opened = parts.opened;
    this.mayBegin = parts.mayBegin;
    this.outline = parts.outline;
    this.cache = new TailCache(parts.cacheBytes, parts.outline.lastIndex);
    this.writer = new GroupWriter(groupTargetOf(parts), {
      onDurable: () => this.becomeDurable(),
      onRefused: (index) => this.takeBack(index),
    });
  }

  get promised(): Promised {
    return this.parts.files.promised;
  }

  get shortage(): Shortage | null {
    return this.parts.room.shortage;
  }

  get durableIndex(): number {
    return this.parts.log.lastIndex;
  }

  get checksum(): number {
    return this.parts.log.running;
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    this.checkWritable();
    const kinds = takeRecords(this.outline, records);
    this.cache.add(records);
    records.forEach(({ id, index }, at) => {
      if (kinds[at] === FrameKind.namedEntry && id !== null) this.parts.ids.add(id, index);
    });
    return this.writer.append(records, kinds);
  }

  async savePromise(promised: Promised): Promise<void> {
    const check = () => checkExtends(this.promised.identity, promised.identity);
    return this.keep('the promise could not be made durable', (files) => files.save(promised), check);
  }

  renew(): Promise<void> {
    return this.keep('the request for a new store could not be made durable', (files) => files.askRenewal());
  }

  async consumePermission(): Promise<void> {
    await this.keep('the permission to begin a log could not be removed', (files) => files.removePermission());
    this.mayBegin = false;
  }

  async truncateAfter(index: number): Promise<void> {
    this.checkWritable();
    if (index < this.outline.lastIndex) this.takeBack(index);
    return this.writer.truncateAfter(index);
  }

  read(from: number, limits: ReadLimits): Promise<readonly LogRecord[]> {
    return this.readFrom(from, limits, {
      cached: (records) => records,
      fromDisk: (first, within) => this.parts.log.read(first, within),
    });
  }

  readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes> {
    return this.readFrom(from, limits, {
      cached: (records) => joinEntries(records, separator),
      fromDisk: (first, within) => this.parts.log.readEntries(first, within, separator),
    });
  }

  async checksumAt(index: number): Promise<number> {
    if (this.closing !== null) throw closedFault();
    if (index === this.durableIndex) return this.checksum;
    const { checkpoints, log } = this.parts;
    return index === 0 ? 0 : checkpoints.watch(() => log.runningAt(index));
  }

  /**
   * Verifies what the open has not read. `pause` is awaited after each chunk. Resolves with true
   * when it is verified, with false when the store is closed before. Rejects with a `StorageError`:
   * `damaged`, and the next open reads the whole log; `failed`, or `full` when no descriptor is free.
   */
  async verify(pause: () => Promise<void>): Promise<boolean> {
    const { checkpoints, log } = this.parts;
    const goesOn = async () => {
      await pause();
      return this.closing === null;
    };
    try {
      return this.closing === null && (await checkpoints.watch(() => log.unread.verify(goesOn)));
    } catch (error) {
      if (this.closing === null) throw error;
      return false;
    }
  }

  seqOfId(id: string): number | null {
    if (this.isClosed) throw closedFault();
    const seq = seqOfGeneratedId(this.outline, id);
    if (seq !== null) return seq;
    const index = this.parts.ids.find(id);
    return index === null ? null : this.outline.seqAt(index);
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  /**
   * Reads from the cache what it holds, otherwise from disk; reads again when records were taken
   * back meanwhile.
   */
  private async readFrom<T>(
    from: number,
    limits: ReadLimits,
    way: {
      readonly cached: (records: readonly LogRecord[]) => T;
      readonly fromDisk: (from: number, limits: ReadLimits) => Promise<T>;
    },
  ): Promise<T> {
    const first = Math.max(from, 1);
    for (;;) {
      if (this.closing !== null) throw closedFault();
      if (first > Math.min(limits.to, this.outline.lastIndex)) return way.cached([]);
      if (first >= this.cache.firstIndex) return way.cached(this.cache.read(first, limits));
      const { generation } = this;
      const isStale = () => generation !== this.generation;
      const within = { ...limits, to: Math.min(limits.to, this.cache.firstIndex - 1) };
      try {
        const found = await this.parts.checkpoints.watch(() => way.fromDisk(first, within), isStale);
        if (!isStale()) return found;
      } catch (error) {
        if (!isStale()) throw error;
      }
    }
  }

  /**
   * Changes a small file after the changes before it. A failure other than a full disk stops the
   * store.
   */
  private async keep(
    fails: string,
    change: (files: StoreFiles) => Promise<void>,
    check: () => void = () => undefined,
  ): Promise<void> {
    this.checkWritable();
    const keeping = this.keeping.then(async () => {
      if (this.writer.failure !== null) throw this.writer.failure;
      check();
      try {
        await change(this.parts.files);
      } catch (cause) {
        const fault = isPassing(cause) ? cause : fatalFault(fails, cause);
        if (fault.fatal) this.writer.fail(fault);
        throw fault;
      }
    });
    this.keeping = keeping.catch(() => undefined);
    return keeping;
  }

  /** Null while a truncation waits. */
  private makeCheckpoint(): Checkpoint | null {
    const { log, ids } = this.parts;
    const { covered, lastIndex } = log;
    if (covered === null || this.writer.stableIndex < lastIndex) return null;
    const { storeId, outline } = this;
    return { storeId, log: covered, outline: outline.factsUpTo(lastIndex), ids: ids.recentUpTo(lastIndex) };
  }

  private becomeDurable(): void {
    const { ids, checkpoints } = this.parts;
    checkpoints.saveIfDue(() => this.makeCheckpoint());
    this.cache.evict(this.writer.stableIndex);
    ids
      .flushIfLarge(() => this.writer.stableIndex)
      .catch((cause: unknown) => this.writer.fail(storageFault('the id index could not be written', cause)));
  }

  /** Makes the appended view end at `index`. */
  private takeBack(index: number): void {
    this.generation += 1;
    this.outline.truncateAfter(index);
    this.cache.truncateAfter(index);
    this.parts.ids.cutAfter(index);
  }

  private async closeAll(): Promise<void> {
    await this.writer.drain();
    await this.keeping;
    this.isClosed = true;
    this.parts.room.close();
    if (this.writer.failure === null) await this.parts.checkpoints.saveLast(() => this.makeCheckpoint());
    try {
      await this.parts.ids.close();
      await this.parts.log.close();
    } finally {
      await this.parts.lock.release();
    }
  }

  private checkWritable(): void {
    if (this.closing !== null) throw closedFault();
    if (this.writer.failure !== null) throw this.writer.failure;
    this.parts.lock.check();
  }
}

/**
 * Truncates the ids before the records, so that an id never answers for a record that took
 * another's place, and removes before both a checkpoint of what is truncated.
 */
function groupTargetOf({ log, ids, checkpoints, room }: DiskLogStoreParts): GroupTarget {
  return {
    get lastIndex() {
      return log.lastIndex;
    },
    get running() {
      return log.running;
    },
    takeRoom: (bytes) => room.take(bytes),
    async appendGroup(group) {
      await log.appendGroup(group);
      checkpoints.note(group.bytes.length);
    },
    async truncateAfter(index) {
      await checkpoints.dropAbove(index);
      await ids.saveCut();
      await checkpoints.watch(() => log.truncateAfter(index));
    },
  };
}
