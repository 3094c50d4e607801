/**
 * Opens the folder of a disk store, or makes a new store in it, and checks all that is there before anything is written.
 *
 * A store exists when its `store.json` does: that is written last when a store is made, so a crash before leaves a folder
 * that is made anew. What must be there in a store and is not (its promise: forgetting a vote could elect two masters) is damage.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LogOutline } from '../../protocol/log-outline';
import { NO_PROMISE, type Promised } from '../../protocol/promised';
import { decodeRecord } from '../../protocol/record';
import { DiskLogStore } from './disk-log-store';
import type { FileSystem } from './file-system';
import { IdIndex } from './id-index';
import { type RecoveryProgress, recoverLog } from './log-recovery';
import { type LogStore, StorageError } from './log-store';
import { firstIndexOf } from './segment';
import { SegmentedLog } from './segmented-log';
import { readSmallFile, replaceSmallFile } from './small-file';
import { damagedFault } from './storage-fault';
import { SyncMarker } from './sync-marker';

const FORMAT_VERSION = 1;
const MANIFEST = 'store.json';
const PROMISE = 'promise.json';
const MARKER = 'synced';
const IDS = 'ids';

export interface DiskOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segmentBytes: number;
  /** By how much the log's file is extended ahead of small groups; 0: never. */
  readonly aheadBytes: number;
  readonly cacheBytes: number;
  /** Ids that make a run of the id index; left out: as many as is good. */
  readonly runIds?: number;
  readonly onProgress: (progress: RecoveryProgress) => void;
  readonly release: () => Promise<void>;
}

export interface OpenedDiskStore {
  readonly store: LogStore;
  readonly segments: number;
  readonly tornBytes: number;
}

/** Rejects with whatever was found; nothing is left open then. */
export async function openDiskLogStore(options: DiskOptions): Promise<OpenedDiskStore> {
  const { fileSystem, directory } = options;
  const storeId = (await readManifest(options)) ?? (await createStore(options));
  const promised = await readPromise(options);
  const marker = await SyncMarker.open(fileSystem, join(directory, MARKER));
  try {
    const ids = await IdIndex.open({ ...options, directory: join(directory, IDS), storeId });
    try {
      return await recoverStore(options, { storeId, promised, marker, ids });
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
  parts: { readonly storeId: string; readonly promised: Promised; readonly marker: SyncMarker; readonly ids: IdIndex },
): Promise<OpenedDiskStore> {
  const { fileSystem, directory, cacheBytes, segmentBytes, aheadBytes, release } = options;
  const { storeId, marker, ids } = parts;
  const [outline, opened] = [new LogOutline(), new LogOutline()];
  const { segments, tornBytes } = await recoverLog({
    ...options,
    storeId,
    synced: marker.found,
    outlines: [outline, opened],
    onNamedEntry: (frame) => {
      if (frame.index <= ids.completeTo) return;
      const { id } = decodeRecord(frame.index, frame.bytes);
      if (id !== null) ids.add(id, frame.index);
    },
    onChunk: () => ids.flushIfLarge(() => outline.lastIndex),
  });
  ids.cutAfter(outline.lastIndex);
  await ids.saveCut();
  await markEnd(marker, segments.at(-1));
  const store = new DiskLogStore({
    ...parts,
    outline,
    opened,
    log: new SegmentedLog({ fileSystem, directory, storeId, segmentBytes, aheadBytes, marker }, [...segments]),
    cacheBytes,
    writePromise: (value) => replaceSmallFile(fileSystem, { directory, name: PROMISE }, value),
    release,
  });
  return { store, segments: segments.length, tornBytes };
}

/** The store's id; null: there is no store in the folder. */
async function readManifest({ fileSystem, directory }: DiskOptions): Promise<string | null> {
  const value = await readSmallFile(fileSystem, { directory, name: MANIFEST });
  if (value === null) return null;
  const { format, storeId } = value as { readonly format?: unknown; readonly storeId?: unknown };
  if (format !== FORMAT_VERSION || typeof storeId !== 'string') {
    const what = `${join(directory, MANIFEST)}: format ${String(format)} is not known to this version`;
    throw new StorageError(what, { code: 'unknown-format', fatal: true });
  }
  return storeId;
}

async function createStore({ fileSystem, directory }: DiskOptions): Promise<string> {
  const names = await fileSystem.list(directory);
  if (names.some((name) => firstIndexOf(name) !== null)) {
    throw damagedFault(`${directory} holds a log but no ${MANIFEST}`);
  }
  const left = await readSmallFile(fileSystem, { directory, name: PROMISE });
  if (left !== null && (left as Promised).epoch !== 0)
    throw damagedFault(`${directory} holds a promise but no ${MANIFEST}`);
  const marker = await SyncMarker.open(fileSystem, join(directory, MARKER));
  await marker.close();
  await replaceSmallFile(fileSystem, { directory, name: PROMISE }, NO_PROMISE);
  const storeId = randomBytes(8).toString('hex');
  await replaceSmallFile(fileSystem, { directory, name: MANIFEST }, { format: FORMAT_VERSION, storeId });
  return storeId;
}

async function readPromise({ fileSystem, directory }: DiskOptions): Promise<Promised> {
  const value = await readSmallFile(fileSystem, { directory, name: PROMISE });
  if (value === null)
    throw damagedFault(`${join(directory, PROMISE)} is missing: what this node promised is not known`);
  const { epoch, reign, votedFor, freshBroker } = value as Promised;
  const promised = { ...NO_PROMISE, epoch, reign, votedFor };
  return freshBroker === true ? { ...promised, freshBroker } : promised;
}

/** After recovery the whole log is synced; the marker says so, also when it had been lost. */
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
