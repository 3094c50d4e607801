/**
 * Opens the log store that the settings ask for; the only way for a service's main file. Reports
 * what was found, for the process's log.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { logEvent } from '#process/logger';
import type { LogEvent } from '#protocol/log-events';
import type { StoreKind } from '#protocol/store-kind';
import { errorCode, nodeFileSystem } from './disk/file-system';
import { type LockOptions, takeStoreLock } from './disk/lock/lock';
import { openOrSalvage, type Replaced } from './disk/open-or-salvage';
import { watchRoom } from './disk/room';
import { type SalvageReason, setAsideAmong } from './disk/salvage';
import type { RecoveryProgress } from './disk/segments/recovery';
import type { DiskLogStore } from './disk/store';
import type { LogStore, Shortage } from './log-store';
import { MemoryLogStore } from './memory';
import { isPassing, storageFault } from './storage-fault';
import { ForeignStoreError } from './store-identity';

interface LogStoreOptions {
  readonly kind: StoreKind;
  /** Folder of a disk store; made when it does not exist. */
  readonly dataDir: string;
  /**
   * LOG_NAME of the node. A store keeps that of its first open, and is refused under another one.
   */
  readonly logName: string;
  /** The log id that the store must have, once it has one; null for any. */
  readonly logId: string | null;
  /** Called between chunks while a long log is verified. */
  readonly onProgress?: (progress: RecoveryProgress) => void;
  /** Called when the part of the log that a checkpoint covered has been verified. */
  readonly onVerified?: (facts: { readonly bytes: number; readonly elapsedMs: number }) => void;
  /** Called when that part is damaged or cannot be read: the process must end. */
  readonly onDamage?: (error: unknown) => void;
  /** Free bytes of the disk below which no entry is taken; left out or 0 for no such bound. */
  readonly freeBytesMin?: number;
  /** Called when a shortage of room begins, and with null when it ends. */
  readonly onShortage?: (shortage: Shortage | null) => void;
  /** How the folder's lock reports a wait and its loss. */
  readonly lock?: LockOptions;
  /** Size at which a segment file is full; for tests. */
  readonly segmentBytes?: number;
  /** Bound of the records kept in memory, in bytes. */
  readonly cacheBytes?: number;
  /** Growth of the log after which a checkpoint is written; for tests. */
  readonly checkpointBytes?: number;
  /** How long after the start the verification begins; for tests. */
  readonly verifyAfterMs?: number;
}

/** The findings of an open, as fields of one log line. */
interface OpenReport {
  readonly records: number;
  readonly segments: number;
  /** Bytes of a torn write that were cut from the end; 0 when the log ended well. */
  readonly tornBytes: number;
  /** Bytes of the log that a checkpoint covers, and that are verified after the start. */
  readonly unreadBytes: number;
  /** Pid of the process whose abandoned lock was taken over; null for none. */
  readonly lockTakenFrom: number | null;
  /** The store is a new one with the good prefix of the old; null when it is not. */
  readonly replaced: Replaced | null;
  readonly elapsedMs: number;
}

interface Opened {
  readonly store: LogStore;
  readonly report: Omit<OpenReport, 'elapsedMs'>;
}

/** How a store of each kind is opened. */
const OPENERS: Readonly<Record<StoreKind, (options: LogStoreOptions) => Promise<Opened>>> = {
  disk: openDisk,
  memory: openMemory,
};

/**
 * Large enough that few files are open and listed, small enough that each can be copied, removed
 * and repaired on its own.
 */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/**
 * Room for some hundred small groups, so that the cost of a new file size, a write to the file
 * system's journal, is paid once for all of them.
 */
const AHEAD_BYTES = 256 * 1024;

/**
 * Some thousand small records. Answers and tails find what was just appended here, and older
 * records in the kernel's cache. A larger cache keeps records alive until the garbage collector has
 * moved them twice, which took a quarter of a secondary's time at 8 MiB.
 */
const CACHE_BYTES = 2 * 1024 * 1024;

/**
 * Half a segment, which a start reads in some 60 ms. A checkpoint costs two syncs, which a full load
 * then pays once a second.
 */
const CHECKPOINT_BYTES = SEGMENT_BYTES / 2;

/**
 * The verification after a start begins when the node has had time to join the others, and takes a
 * tenth of a core at most: some 50 MB/s.
 */
const VERIFY_AFTER_MS = 2_000;
const VERIFY_SHARE = 10;
/** A verification for which no descriptor was free is tried again after this time. */
const VERIFY_RETRY_MS = 10_000;

/** Number of replaced stores that are kept for a later examination. */
const KEPT_MAX = 2;

const REPLACED_BECAUSE = {
  damaged: 'store.damaged',
  'rolled-back': 'store.replaced-after-rollback',
  'renewal-asked': 'store.renewed',
} as const satisfies Record<SalvageReason, LogEvent>;

/** Logs what an open has found: at error level that the store was replaced, at info the open. */
export function logOpened(logger: Logger, store: LogStore, report: OpenReport): void {
  if (report.replaced !== null) logEvent(logger, 'error', REPLACED_BECAUSE[report.replaced.why], report.replaced);
  logEvent(logger, 'info', 'log.opened', { ...report, kind: store.kind, store: store.storeId, log: `${store.opened}` });
}

/**
 * Opens the store. A store that is damaged or was rolled back is set aside, and a new store begins
 * with its good prefix. Rejects with a `StorageError`: `locked`, `full`, `failed`,
 * `unknown-format`; or with a `ForeignStoreError`.
 */
export async function openLogStore(options: LogStoreOptions): Promise<{ store: LogStore; report: OpenReport }> {
  const start = performance.now();
  try {
    const { store, report } = await OPENERS[options.kind](options);
    return { store, report: { ...report, elapsedMs: Math.round(performance.now() - start) } };
  } catch (cause) {
    if (cause instanceof ForeignStoreError) throw cause;
    throw storageFault(`the log store in ${options.dataDir} could not be opened${hintOf(cause)}`, cause);
  }
}

const UNUSABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR', 'ENOENT']);

/** What an operator can do when the folder itself is the trouble. */
function hintOf(cause: unknown): string {
  if (!UNUSABLE.has(errorCode(cause))) return '';
  const user = process.getuid === undefined ? 'this user' : `user ${process.getuid()}`;
  return ` (DATA_DIR must be a folder that ${user} can read and write)`;
}

async function openMemory(): Promise<Opened> {
  const report = { records: 0, segments: 0, tornBytes: 0, unreadBytes: 0, lockTakenFrom: null, replaced: null };
  return { store: new MemoryLogStore(), report };
}

async function openDisk(options: LogStoreOptions): Promise<Opened> {
  const directory = options.dataDir;
  await nodeFileSystem.makeDirectory(directory);
  const lock = await takeStoreLock(directory, options.lock);
  const room = await watchRoom({
    directory,
    freeBytesMin: options.freeBytesMin ?? 0,
    onChange: options.onShortage ?? (() => undefined),
  });
  try {
    const { opened, replaced } = await openOrSalvage({
      fileSystem: nodeFileSystem,
      directory,
      logName: options.logName,
      logId: options.logId,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      aheadBytes: AHEAD_BYTES,
      cacheBytes: options.cacheBytes ?? CACHE_BYTES,
      checkpointBytes: options.checkpointBytes ?? CHECKPOINT_BYTES,
      onProgress: options.onProgress ?? (() => undefined),
      room,
      lock,
      now: Date.now(),
    });
    if (replaced !== null) await removeOldSetAside(directory);
    const { store, segments, tornBytes, unreadBytes } = opened;
    if (unreadBytes > 0) void verify(store, unreadBytes, options);
    const { takenFrom: lockTakenFrom } = lock;
    const records = store.opened.lastIndex;
    return { store, report: { records, segments, tornBytes, unreadBytes, lockTakenFrom, replaced } };
  } catch (error) {
    room.close();
    await lock.release();
    throw error;
  }
}

/** Verifies in the background what the open has not read. Never rejects. */
async function verify(store: DiskLogStore, bytes: number, options: LogStoreOptions): Promise<void> {
  await idle(options.verifyAfterMs ?? VERIFY_AFTER_MS);
  const start = performance.now();
  let chunkStart = start;
  const pause = async () => {
    await idle((VERIFY_SHARE - 1) * (performance.now() - chunkStart));
    chunkStart = performance.now();
  };
  try {
    if (await store.verify(pause)) options.onVerified?.({ bytes, elapsedMs: Math.round(performance.now() - start) });
  } catch (error) {
    if (!isPassing(error)) return options.onDamage?.(error);
    await idle(VERIFY_RETRY_MS);
    return verify(store, bytes, options);
  }
}

/** Waits without keeping the process alive. */
async function idle(ms: number): Promise<void> {
  await delay(ms, undefined, { ref: false });
}

async function removeOldSetAside(directory: string): Promise<void> {
  const folders = setAsideAmong(await nodeFileSystem.list(directory));
  for (const name of folders.slice(0, -KEPT_MAX)) await rm(join(directory, name), { recursive: true });
}
