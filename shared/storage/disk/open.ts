/**
 * Opens a disk store, or makes a new one, and verifies all of it that no checkpoint covers before
 * anything is written.
 *
 * A folder holds a store when it holds `store.json`: that file is written last when a store is
 * made, so after a crash on the way the folder is made anew.
 */
import { join } from 'node:path';
import { isForeign } from '#protocol/identity';
import { LogOutline } from '#protocol/log/outline';
import { decodeRecord } from '#protocol/record';
import { hasBeginPermission } from '../begin-permission';
import { StorageError } from '../log-store';
import { damagedFault } from '../storage-fault';
import { identityOfRecords } from '../store-identity';
import { CheckpointKeeper, readCheckpoint } from './checkpoint';
import type { FileSystem } from './file-system';
import { createStore, MANIFEST, MARKER, type Manifest, readManifest, readPromise, StoreFiles } from './files';
import { IdIndex } from './ids/id-index';
import type { StoreLock } from './lock/lock';
import type { Room } from './room';
import { type RecoveryProgress, recoverLog } from './segments/recovery';
import { SegmentedLog } from './segments/segmented-log';
import { SyncMarker } from './segments/sync-marker';
import { DiskLogStore } from './store';

const IDS = 'ids';

/** The settings of a disk store. Sizes are in bytes. */
export interface DiskOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** LOG_NAME of the node; taken by a new store, and by one that does not record its own yet. */
  readonly logName: string;
  /** A segment of this size or more takes no further group. */
  readonly segmentBytes: number;
  /** By how much the log's file is extended ahead of small groups; 0 for never. */
  readonly aheadBytes: number;
  /** Bound of the records in memory. */
  readonly cacheBytes: number;
  /** Growth of the log after which a new checkpoint is written. */
  readonly checkpointBytes: number;
  /** Ids that make a run of the id index; for tests. */
  readonly runIds?: number;
  /** Called between chunks of some MiB while the log is verified. */
  readonly onProgress: (progress: RecoveryProgress) => void;
  /** Free space of the disk; closed by the store's `close`. */
  readonly room: Room;
  /** The folder's lock; checked before each write, and released last by the store's `close`. */
  readonly lock: Pick<StoreLock, 'check' | 'release'>;
}

/** The open store, and the facts for the log line of the open. */
export interface OpenedDiskStore {
  readonly store: DiskLogStore;
  readonly segments: number;
  /** Bytes that a checkpoint covers: `store.verify` reads them. */
  readonly unreadBytes: number;
  /** Bytes of a torn write that were cut from the end of the log; 0 for none. */
  readonly tornBytes: number;
}

/**
 * Opens the store in the folder. Rejects with a `StorageError`: `damaged`, `unknown-format`, or
 * `rolled-back` when the log ends below its own commit index. No file is left open then.
 */
export async function openDiskLogStore(options: DiskOptions): Promise<OpenedDiskStore> {
  const { fileSystem, directory } = options;
  const manifest = (await readManifest(options)) ?? (await createStore(options, options.logName));
  const { storeId } = manifest;
  const files = new StoreFiles({ fileSystem, directory }, manifest, await readPromise(options));
  const marker = await SyncMarker.open(fileSystem, join(directory, MARKER));
  try {
    const ids = await IdIndex.open({ ...options, directory: join(directory, IDS), storeId });
    try {
      return await recoverStore(options, { manifest, files, marker, ids });
    } catch (error) {
      await ids.close();
      throw error;
    }
  } catch (error) {
    await marker.close();
    throw error;
  }
}

async function recoverStore(
  options: DiskOptions,
  parts: {
    readonly manifest: Manifest;
    readonly files: StoreFiles;
    readonly marker: SyncMarker;
    readonly ids: IdIndex;
  },
): Promise<OpenedDiskStore> {
  const { fileSystem, directory, logName, cacheBytes, checkpointBytes, segmentBytes, aheadBytes, room, lock } = options;
  const { manifest, files, marker, ids } = parts;
  const { storeId } = manifest;
  const [outline, opened] = [new LogOutline(), new LogOutline()];
  const checkpoint = await readCheckpoint(options, storeId);
  const isIdsCovered = checkpoint !== null && checkpoint.ids.completeTo <= ids.completeTo;
  let coveredIndex = Number.POSITIVE_INFINITY;
  const { segments, tornBytes, readBytes } = await recoverLog({
    ...options,
    storeId,
    synced: marker.found,
    outlines: [outline, opened],
    covered: isIdsCovered ? checkpoint.log : null,
    onCovered: () => {
      if (checkpoint === null) return;
      for (const each of [outline, opened]) each.restore(checkpoint.outline);
      ids.restore(checkpoint.ids);
      coveredIndex = outline.lastIndex;
    },
    onNamedEntry: (frame) => {
      if (frame.index <= ids.completeTo) return;
      const { id } = decodeRecord(frame.index, frame.bytes);
      if (id !== null) ids.add(id, frame.index);
    },
    onChunk: () => ids.flushIfLarge(() => outline.lastIndex),
  });
  checkLog(options, { outline, manifest, commit: files.promised.commit });
  ids.cutAfter(outline.lastIndex);
  await ids.saveCut();
  await markEnd(marker, segments.at(-1));
  await files.complete({ logName, log: identityOfRecords(outline) });
  const log = new SegmentedLog({ fileSystem, directory, storeId, segmentBytes, aheadBytes, marker }, [...segments]);
  const store = new DiskLogStore({
    files,
    ids,
    checkpoints: new CheckpointKeeper(options, checkpointBytes, readBytes, coveredIndex),
    mayBegin: outline.newestConfiguration().members === null && (await hasBeginPermission(options)),
    outline,
    opened,
    log,
    cacheBytes,
    room,
    lock,
  });
  return { store, segments: segments.length, tornBytes, unreadBytes: log.unread.bytes };
}

/**
 * Throws unless the recovered log is the one of store.json and reaches the commit index of the
 * promise.
 */
function checkLog(
  { directory }: DiskOptions,
  found: { readonly outline: LogOutline; readonly manifest: Manifest; readonly commit: number },
): void {
  const { outline, manifest, commit } = found;
  const identity = identityOfRecords(outline);
  if (isForeign(identity, manifest.log)) {
    throw damagedFault(`${directory}: its records are of log ${identity}, and ${MANIFEST} says ${manifest.log}`);
  }
  if (outline.lastIndex < commit) {
    throw new StorageError(
      `${directory}: the log ends at record ${outline.lastIndex}, but this store knew record ${commit} to be committed: ` +
        'it has lost its end, as when older files are put in the place of its own',
      { code: 'rolled-back', fatal: true },
    );
  }
}

/**
 * Writes the marker after recovery, when the whole log is synced; also when the marker had been
 * lost.
 */
async function markEnd(
  marker: SyncMarker,
  last: { firstIndex: number; lastIndex: number; end: number; running: number } | undefined,
): Promise<void> {
  await marker.lower({
    index: last?.lastIndex ?? 0,
    segment: last?.firstIndex ?? 0,
    offset: last?.end ?? 0,
    running: last?.running ?? 0,
  });
}
