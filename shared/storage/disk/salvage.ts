/**
 * Replaces a store that cannot be opened by a new one: the old files are moved aside unchanged, and
 * the new store begins with the good prefix of the log, the records up to the first that does not
 * match its checksum. The rest is fetched from other nodes. It is done for a store that is damaged,
 * for one that was *rolled back* (its log ends below its own commit index, because an older copy of
 * its files was put in place), and on request, when another node noticed that it came back with
 * less than it had acked.
 *
 * The new store has a new store id, and so is another voter: the old one may have acked what is
 * lost now, and no majority may count on the new one before it has caught up. The promise is kept
 * where it can still be read; promising more than needed is harmless. The identity of the log is
 * kept even when no record is: a node that held a log must never be taken for a blank one. The
 * commit index is kept, up to the end of the prefix.
 *
 *     (store found bad) ─▶ moving ─▶ copying ─▶ (new store)
 *
 * `salvage.json` records the phase and what is kept beside the records. After a crash the next open
 * continues the moving, or starts the copying again. The file is removed last, so a partial copy is
 * never opened as a store.
 */
import { join } from 'node:path';
import { type Identity, isForeign, longerOf } from '#protocol/identity';
import { BATCH_BYTES_MAX } from '#protocol/limits';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { decodeRecord, type LogRecord, RecordError } from '#protocol/record';
import { type LogStore, StorageError } from '../log-store';
import { identityOfRecords } from '../store-identity';
import type { FileSystem } from './file-system';
import { MANIFEST, readManifest, readPromise, type StorePlace } from './files';
import type { Frame } from './segments/frame';
import { type ScanPlace, scanFile } from './segments/frame-scan';
import { decodeSegmentHeader, firstIndexOf, SEGMENT_HEADER_BYTES } from './segments/segment';
import { readSmallFile, replaceSmallFile } from './small-file';

/**
 * `damaged`: a file does not match its checksums. `rolled-back`: the log ends below its commit
 * index. `renewal-asked`: see `LogStore.renew`.
 */
export type SalvageReason = 'damaged' | 'rolled-back' | 'renewal-asked';

/** The content of salvage.json. */
export interface Salvage {
  readonly phase: 'moving' | 'copying';
  readonly why: SalvageReason;
  /** The finding, as a sentence for the operator. */
  readonly what: string;
  /** Name of the subfolder that has the old files. */
  readonly folder: string;
  /** Taken from the old store; null where it is not known or not readable. */
  readonly kept: {
    readonly logName: string | null;
    readonly log: Identity | null;
    readonly promised: Promised | null;
  };
}

const SALVAGE = 'salvage.json';
const FOLDER = /^(?:damaged|replaced)-([0-9]+)$/;
/** The files that make up a store; other files in the folder are not moved. */
const STORE_FILE =
  /^(?:(?:store\.json|promise\.json|checkpoint\.json|begin|renew)(?:\.new)?|synced|ids|[0-9]{16}\.log)$/;

/** Those of the names that are folders with old stores, the oldest first. */
export function setAsideAmong(names: readonly string[]): string[] {
  const since = (name: string) => Number(FOLDER.exec(name)?.[1]);
  return names.filter((name) => FOLDER.test(name)).sort((a, b) => since(a) - since(b));
}

/**
 * The salvage that was begun and is not finished; null when there is none. Rejects with a
 * `StorageError` `damaged`.
 */
export async function readSalvage({ fileSystem, directory }: StorePlace): Promise<Salvage | null> {
  return (await readSmallFile(fileSystem, { directory, name: SALVAGE })) as Salvage | null;
}

/**
 * Records durably that the store in the folder is to be replaced. Rejects with a `StorageError`.
 */
export async function beginSalvage(
  place: StorePlace,
  { why, what, now }: { readonly why: SalvageReason; readonly what: string; readonly now: number },
): Promise<Salvage> {
  const manifest = await unlessDamaged(readManifest(place));
  const kept = {
    logName: manifest?.logName ?? null,
    log: manifest?.log ?? null,
    promised: await unlessDamaged(readPromise(place)),
  };
  const folder = `${why === 'damaged' ? 'damaged' : 'replaced'}-${now}`;
  return note(place, { phase: 'moving', why, what, folder, kept });
}

/**
 * Moves the old store aside and copies its good prefix. Resolves with the last index that was
 * copied. `createStore` opens an empty store in the folder. Rejects with a `StorageError`.
 */
export async function carryOut(
  place: StorePlace,
  salvage: Salvage,
  createStore: () => Promise<LogStore>,
): Promise<number> {
  if (salvage.phase === 'moving') await moveAside(place, salvage);
  else await removeHalfCopy(place);
  await note(place, { ...salvage, phase: 'copying' });
  const store = await createStore();
  try {
    const { promised, log } = salvage.kept;
    const copied = await copyGoodPrefix(place.fileSystem, join(place.directory, salvage.folder), { into: store, log });
    const commit = Math.min(promised?.commit ?? 0, copied.lastIndex);
    const identity = longerOf(identityOfRecords(copied), log);
    await store.savePromise({ ...(promised ?? NO_PROMISE), identity, commit });
    return copied.lastIndex;
  } finally {
    await store.close();
  }
}

/** Removes salvage.json durably: the new store is complete. */
export async function endSalvage({ fileSystem, directory }: StorePlace): Promise<void> {
  await fileSystem.remove(join(directory, SALVAGE));
  await fileSystem.syncDirectory(directory);
}

async function note({ fileSystem, directory }: StorePlace, salvage: Salvage): Promise<Salvage> {
  await replaceSmallFile(fileSystem, { directory, name: SALVAGE }, salvage);
  return salvage;
}

async function moveAside(place: StorePlace, { folder }: Salvage): Promise<void> {
  const { fileSystem, directory } = place;
  const target = join(directory, folder);
  await fileSystem.makeDirectory(target);
  for (const name of await storeFilesIn(place)) await fileSystem.rename(join(directory, name), join(target, name));
  await fileSystem.syncDirectory(target);
  await fileSystem.syncDirectory(directory);
}

/** Removes the files of a partial copy. The id index stays: a store with another id discards it. */
async function removeHalfCopy(place: StorePlace): Promise<void> {
  const { fileSystem, directory } = place;
  for (const name of await storeFilesIn(place)) {
    if (name !== 'ids') await fileSystem.remove(join(directory, name));
  }
  await fileSystem.syncDirectory(directory);
}

/** The manifest comes first: without it the other files are not a store. */
async function storeFilesIn({ fileSystem, directory }: StorePlace): Promise<string[]> {
  const names = (await fileSystem.list(directory)).filter((name) => STORE_FILE.test(name));
  return names.sort((a, b) => Number(b === MANIFEST) - Number(a === MANIFEST));
}

async function unlessDamaged<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'damaged') return null;
    throw error;
  }
}

/**
 * Copies the good records of the store in `folder` as far as they are not of another log than
 * `log`. Resolves with the outline of what was copied.
 */
async function copyGoodPrefix(
  fileSystem: FileSystem,
  folder: string,
  { into, log }: { readonly into: LogStore; readonly log: Identity | null },
): Promise<LogOutline> {
  const names = (await fileSystem.list(folder)).filter((name) => firstIndexOf(name) !== null).sort();
  const copy = new GoodPrefix(into, log);
  let place: ScanPlace = { offset: SEGMENT_HEADER_BYTES, index: 0, running: 0 };
  for (const name of names) {
    const end = await copySegment(fileSystem, join(folder, name), place, copy);
    if (end === null) break;
    place = { ...end, offset: SEGMENT_HEADER_BYTES };
  }
  return copy.outline;
}

/** Resolves with null when the good prefix ends in this segment or before it. */
async function copySegment(
  fileSystem: FileSystem,
  path: string,
  from: ScanPlace,
  copy: GoodPrefix,
): Promise<ScanPlace | null> {
  const file = await fileSystem.open(path, 'read');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    await file.read(header, 0);
    const start = decodeSegmentHeader(header);
    if (start?.firstIndex !== from.index + 1 || start.running !== from.running) return null;
    const end = await scanFile(
      file,
      from,
      await file.size(),
      (frame) => copy.take(frame),
      () => copy.flush(),
    );
    return end.stop === 'end' ? end : null;
  } finally {
    await file.close();
  }
}

/**
 * Collects copies of the frames of one chunk, because the scan reuses its buffer, and appends them.
 */
class GoodPrefix {
  readonly outline = new LogOutline();
  private records: LogRecord[] = [];

  constructor(
    private readonly into: LogStore,
    private readonly log: Identity | null,
  ) {}

  /**
   * Returns false when this record is not a good one of the log; it and all records after it are
   * left out.
   */
  take(frame: Frame): boolean {
    const record = decodeOrNull(frame);
    if (record === null || !this.outline.isFollowedBy(record)) return false;
    this.outline.append(record);
    if (isForeign(identityOfRecords(this.outline), this.log)) {
      this.outline.truncateAfter(record.index - 1);
      return false;
    }
    this.records.push(record);
    return true;
  }

  async flush(): Promise<void> {
    const { records } = this;
    this.records = [];
    for (let from = 0; from < records.length; ) {
      let to = from;
      for (let bytes = 0; to < records.length && bytes < BATCH_BYTES_MAX; to += 1)
        bytes += records[to]?.bytes.length ?? 0;
      await this.into.append(records.slice(from, to));
      from = to;
    }
  }
}

function decodeOrNull(frame: Frame): LogRecord | null {
  try {
    return decodeRecord(frame.index, Buffer.from(frame.bytes));
  } catch (error) {
    if (error instanceof RecordError) return null;
    throw error;
  }
}
