/**
 * Opens the folder of a disk store, or makes a new store in it, and checks all that is there before
 * anything is written.
 *
 * A store exists when its `store.json` does: that is written last when a store is made, so a crash
 * before leaves a folder that is made anew.
 */
import { join } from 'node:path';
import { isForeign } from '#protocol/identity';
import { LogOutline } from '#protocol/log/outline';
import { decodeRecord } from '#protocol/record';
import { hasBeginPermission } from '../begin-permission';
import { type LogStore, StorageError } from '../log-store';
import { damagedFault } from '../storage-fault';
import { identityOfRecords } from '../store-identity';
import type { FileSystem } from './file-system';
import { createStore, MANIFEST, MARKER, type Manifest, readManifest, readPromise, StoreFiles } from './files';
import { IdIndex } from './ids/id-index';
import { type RecoveryProgress, recoverLog } from './segments/recovery';
import { SegmentedLog } from './segments/segmented-log';
import { SyncMarker } from './segments/sync-marker';
import { DiskLogStore } from './store';

const IDS = 'ids';

export interface DiskOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** LOG_NAME of the node; a store that is made, or that does not know its own yet, takes it. */
  readonly logName: string;
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

/**
 * Rejects with whatever was found, a store that was rolled back with `rolled-back`; nothing is left
 * open then.
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
  const { fileSystem, directory, logName, cacheBytes, segmentBytes, aheadBytes, release } = options;
  const { manifest, files, marker, ids } = parts;
  const { storeId } = manifest;
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
  checkLog(options, { outline, manifest, commit: files.promised.commit });
  ids.cutAfter(outline.lastIndex);
  await ids.saveCut();
  await markEnd(marker, segments.at(-1));
  await files.complete({ logName, log: identityOfRecords(outline) });
  const store = new DiskLogStore({
    files,
    ids,
    mayBegin: outline.newestList().members === null && (await hasBeginPermission(options)),
    outline,
    opened,
    log: new SegmentedLog({ fileSystem, directory, storeId, segmentBytes, aheadBytes, marker }, [...segments]),
    cacheBytes,
    release,
  });
  return { store, segments: segments.length, tornBytes };
}

/** Is the recovered log the one of store.json, and as long as it was known to be? */
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
