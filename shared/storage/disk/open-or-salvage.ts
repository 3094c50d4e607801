/**
 * Opens the store of a folder in any state: continues a salvage that was interrupted; replaces a
 * store that is damaged, rolled back or to be renewed by a new one; and refuses, before anything is
 * changed, a store that holds another log than the node is configured for.
 */
import { join } from 'node:path';
import { type Identity, logIdOf } from '#protocol/identity';
import { decodeRecord, RecordError } from '#protocol/record';
import { StorageError } from '../log-store';
import { ForeignStoreError } from '../store-identity';
import type { FileSystem } from './file-system';
import { isRenewalAsked, type Manifest, readManifest, type StorePlace } from './files';
import { type DiskOptions, type OpenedDiskStore, openDiskLogStore } from './open';
import { UNLIMITED } from './room';
import { beginSalvage, carryOut, endSalvage, readSalvage, type Salvage, type SalvageReason } from './salvage';
import { scanFile } from './segments/frame-scan';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from './segments/segment';

/** The reason why the store is a new one, and how much of the old one it holds. */
export interface Replaced {
  readonly why: SalvageReason;
  /** For damage: which record is damaged, where, and how. */
  readonly what: string;
  /** Last record that was kept, and the seq of the last entry up to it. */
  readonly keptIndex: number;
  readonly keptSeq: number;
  /** Path of the folder with the files of the old store. */
  readonly setAsideIn: string;
}

interface OpenedOrSalvaged {
  readonly opened: OpenedDiskStore;
  /** Null when the store existed, or the folder was empty. */
  readonly replaced: Replaced | null;
}

/** Options of `openOrSalvage`. */
export interface BelongingOptions extends DiskOptions {
  /** Log id that the node is configured for; null for any. */
  readonly logId: string | null;
  /** Milliseconds since 1970; part of the name of the folder with the old store. */
  readonly now: number;
}

/**
 * Opens the store and says whether it was replaced. Rejects with a `StorageError`, or with a
 * `ForeignStoreError` when the folder holds another log; nothing has been changed then.
 */
export async function openOrSalvage(options: BelongingOptions): Promise<OpenedOrSalvaged> {
  const begun = await readSalvage(options);
  await checkBelongs(options, begun?.kept ?? (await manifestIfReadable(options)));
  const { now } = options;
  if (begun !== null) return salvaged(options, begun);
  if (await isRenewalAsked(options)) {
    const what = `${options.directory}: other nodes hold more of the log than this store, which had acknowledged it`;
    return salvaged(options, await beginSalvage(options, { why: 'renewal-asked', what, now }));
  }
  try {
    return { opened: await openDiskLogStore(options), replaced: null };
  } catch (error) {
    const why = reasonOf(error);
    if (why === null || !(error instanceof Error)) throw error;
    return salvaged(options, await beginSalvage(options, { why, what: error.message, now }));
  }
}

async function salvaged(options: BelongingOptions, salvage: Salvage): Promise<OpenedOrSalvaged> {
  const lock = { check: () => options.lock.check(), release: async () => undefined };
  const keptIndex = await carryOut(
    options,
    salvage,
    async () => (await openDiskLogStore({ ...options, lock, room: UNLIMITED })).store,
  );
  await endSalvage(options);
  const opened = await openDiskLogStore(options);
  const { why, what, folder } = salvage;
  const setAsideIn = join(options.directory, folder);
  return { opened, replaced: { why, what, keptIndex, keptSeq: opened.store.opened.lastSeq, setAsideIn } };
}

function reasonOf(error: unknown): SalvageReason | null {
  if (!(error instanceof StorageError)) return null;
  return error.code === 'damaged' || error.code === 'rolled-back' ? error.code : null;
}

/** Null when there is none, or when it is damaged, which the open will report. */
async function manifestIfReadable(place: StorePlace): Promise<Manifest | null> {
  try {
    return await readManifest(place);
  } catch (error) {
    if (error instanceof StorageError && error.code === 'damaged') return null;
    throw error;
  }
}

async function checkBelongs(
  { fileSystem, directory, logName, logId }: BelongingOptions,
  known: { readonly logName: string | null; readonly log: Identity | null } | null,
): Promise<void> {
  const name = known?.logName ?? null;
  if (name !== null && name !== logName) {
    throw new ForeignStoreError({ directory, setting: 'LOG_NAME', found: name, configured: logName });
  }
  if (logId === null) return;
  const identity = known?.log ?? (await firstReignIn({ fileSystem, directory }));
  if (identity !== null && logIdOf(identity) !== logId) {
    throw new ForeignStoreError({ directory, setting: 'LOG_ID', found: logIdOf(identity), configured: logId });
  }
}

/**
 * Reign of record 1, which is the log id; null when there is no such record or it cannot be read.
 */
async function firstReignIn({ fileSystem, directory }: StorePlace): Promise<Identity | null> {
  const name = segmentName(1);
  if (!(await fileSystem.list(directory)).includes(name)) return null;
  return firstReignOf(fileSystem, join(directory, name));
}

async function firstReignOf(fileSystem: FileSystem, path: string): Promise<Identity | null> {
  const file = await fileSystem.open(path, 'read');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    await file.read(header, 0);
    if (decodeSegmentHeader(header)?.firstIndex !== 1) return null;
    const start = { offset: SEGMENT_HEADER_BYTES, index: 0, running: 0 };
    let reign: Identity | null = null;
    await scanFile(file, start, await file.size(), ({ bytes }) => {
      reign = reignIn(bytes);
      return false;
    });
    return reign;
  } finally {
    await file.close();
  }
}

function reignIn(bytes: Uint8Array): Identity | null {
  try {
    const { control } = decodeRecord(1, bytes);
    return control?.control === 'epoch' ? control.reign : null;
  } catch (error) {
    if (error instanceof RecordError) return null;
    throw error;
  }
}
