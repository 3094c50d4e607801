/**
 * The one way to a log store, for the main file of a service: the kind from the settings, and what was found, for the log.
 */
import { nodeFileSystem } from './file-system';
import type { RecoveryProgress } from './log-recovery';
import { type LogStore, StorageError } from './log-store';
import { MemoryLogStore } from './memory-log-store';
import { type OpenedDiskStore, openDiskLogStore } from './open-disk-log-store';
import { copyGoodPrefix, setAside } from './salvage';
import { storageFault } from './storage-fault';
import { takeStoreLock } from './store-lock';

export interface LogStoreOptions {
  readonly kind: 'memory' | 'disk';
  /** Folder of a disk store; made when it is not there. */
  readonly dataDir: string;
  /** Called now and then while a long log is checked. */
  readonly onProgress?: (progress: RecoveryProgress) => void;
  /** Size at which a segment file is full. Only tests have a reason to change it. */
  readonly segmentBytes?: number;
  /** Bound of the records kept in memory, in bytes. */
  readonly cacheBytes?: number;
}

/** What was found at open; facts for one log line. */
export interface OpenReport {
  readonly records: number;
  readonly segments: number;
  /** Bytes of a torn write that were cut from the end; 0: the log ended well. */
  readonly tornBytes: number;
  /** Process whose abandoned lock was taken over; null: none. */
  readonly lockTakenFrom: number | null;
  /** Damage that was found: the store is a new one, with the good prefix of the old. Null: none. */
  readonly damage: Damage | null;
  readonly elapsedMs: number;
}

export interface Damage {
  /** Which record, where, and what is wrong with it. */
  readonly what: string;
  /** Last record that was good, and the seq of the last entry up to it. */
  readonly keptIndex: number;
  readonly keptSeq: number;
  /** Folder with the damaged files, as they were found. */
  readonly setAsideIn: string;
}

/** Large enough that few files are open and listed, small enough to be copied, removed and repaired one by one. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** Some hundred small groups: the price of a new file size, a write to the file system's journal, is paid once for all of them. */
const AHEAD_BYTES = 256 * 1024;

/**
 * Some thousand small records: whoever answers or tails finds what was just appended here, and what is older in the kernel's cache. A larger
 * one keeps records alive until the garbage collector has moved them twice, which took a quarter of a secondary's time at 8 MiB.
 */
const CACHE_BYTES = 2 * 1024 * 1024;

/**
 * Opens the store. One that is damaged is set aside, and a new store begins with its good prefix. Rejects with a `StorageError`: `locked`,
 * `full`, `failed`.
 */
export async function openLogStore(options: LogStoreOptions): Promise<{ store: LogStore; report: OpenReport }> {
  const start = performance.now();
  const elapsed = () => Math.round(performance.now() - start);
  if (options.kind === 'memory') {
    const report = { records: 0, segments: 0, tornBytes: 0, lockTakenFrom: null, damage: null, elapsedMs: elapsed() };
    return { store: new MemoryLogStore(), report };
  }
  try {
    return await openDisk(options, elapsed);
  } catch (cause) {
    throw storageFault(`the log store in ${options.dataDir} could not be opened`, cause);
  }
}

async function openDisk(
  options: LogStoreOptions,
  elapsed: () => number,
): Promise<{ store: LogStore; report: OpenReport }> {
  const directory = options.dataDir;
  await nodeFileSystem.makeDirectory(directory);
  const lock = await takeStoreLock(directory);
  try {
    const { opened, damage } = await openOrSalvage(options, () => lock.release());
    const { store, segments, tornBytes } = opened;
    const { takenFrom: lockTakenFrom } = lock;
    const records = store.opened.lastIndex;
    return { store, report: { records, segments, tornBytes, lockTakenFrom, damage, elapsedMs: elapsed() } };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openOrSalvage(
  options: LogStoreOptions,
  release: () => Promise<void>,
): Promise<{ readonly opened: OpenedDiskStore; readonly damage: Damage | null }> {
  const open = (whenClosed: () => Promise<void>) =>
    openDiskLogStore({
      fileSystem: nodeFileSystem,
      directory: options.dataDir,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      aheadBytes: AHEAD_BYTES,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      onProgress: options.onProgress ?? (() => undefined),
      release: whenClosed,
    });
  try {
    return { opened: await open(release), damage: null };
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'damaged') throw error;
    const folder = await setAside(options.dataDir, Date.now());
    const { store } = await open(async () => undefined);
    const keptIndex = await copyGoodPrefix(nodeFileSystem, folder, store);
    await store.close();
    const opened = await open(release);
    const damage = { what: error.message, keptIndex, keptSeq: opened.store.opened.lastSeq, setAsideIn: folder };
    return { opened, damage };
  }
}
