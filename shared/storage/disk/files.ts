/**
 * Reads and writes the small files of a disk store, which hold its identity and its promise:
 *
 *     store.json     {format, storeId, logName, log}; written last when a store is made. `log` is
 *                    the identity of its log
 *     promise.json   the promise, without the identity
 *     begin          the one-time permission to begin a log (../begin-permission.ts)
 *     renew          the next open makes a new store of this one (salvage.ts)
 *
 * store.json is the authority on the identity: records can be truncated, an identity cannot. When a
 * promise brings a longer identity, store.json is written first, so that no crash leaves a promise
 * in a log that the store does not know. A store without its promise.json is treated as damaged: a
 * node that forgot its vote could elect two masters in one epoch.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { extendsLog, type Identity } from '#protocol/identity';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { removeBeginPermission } from '../begin-permission';
import { StorageError } from '../log-store';
import { damagedFault } from '../storage-fault';
import type { FileSystem } from './file-system';
import { firstIndexOf } from './segments/segment';
import { SyncMarker } from './segments/sync-marker';
import { readSmallFile, replaceSmallFile } from './small-file';

const FORMAT_VERSION = 1;
/** File name of the manifest, `Manifest`. */
export const MANIFEST = 'store.json';
const PROMISE = 'promise.json';
/** File name of the synced marker (segments/sync-marker.ts). */
export const MARKER = 'synced';
const RENEW = 'renew';

/** The folder of a store, and the file system that it is on. */
export interface StorePlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

/** The content of store.json. */
export interface Manifest {
  readonly storeId: string;
  /**
   * LOG_NAME of the node that first opened the store; null for a store of release 0.1.0, which did
   * not write it.
   */
  readonly logName: string | null;
  /** Null when it is not known yet, or was not written by release 0.1.0. */
  readonly log: Identity | null;
}

/**
 * Reads store.json; resolves with null when the folder holds no store. Rejects with a
 * `StorageError` `damaged`, or `unknown-format`.
 */
export async function readManifest({ fileSystem, directory }: StorePlace): Promise<Manifest | null> {
  const value = await readSmallFile(fileSystem, { directory, name: MANIFEST });
  if (value === null) return null;
  const { format, storeId, logName, log } = value as Readonly<Record<string, unknown>>;
  if (format !== FORMAT_VERSION || typeof storeId !== 'string') {
    const what = `${join(directory, MANIFEST)}: format ${String(format)} is not known to this version`;
    throw new StorageError(what, { code: 'unknown-format', fatal: true });
  }
  return {
    storeId,
    logName: typeof logName === 'string' ? logName : null,
    log: typeof log === 'string' ? log : null,
  };
}

/**
 * Reads promise.json. `identity` is null in the result: the manifest holds it. Rejects with a
 * `StorageError` `damaged` when the file is missing or does not match its checksum.
 */
export async function readPromise({ fileSystem, directory }: StorePlace): Promise<Promised> {
  const value = await readSmallFile(fileSystem, { directory, name: PROMISE });
  if (value === null)
    throw damagedFault(`${join(directory, PROMISE)} is missing: what this node promised is not known`);
  const { epoch, reign, votedFor, log, commit } = { ...NO_PROMISE, ...(value as Partial<Promised>) };
  const promised = { epoch, reign, votedFor, log, identity: null, commit };
  return promised;
}

/** Resolves with whether a renewal was asked for with `StoreFiles.askRenewal`. */
export function isRenewalAsked({ fileSystem, directory }: StorePlace): Promise<boolean> {
  return fileSystem.readAll(join(directory, RENEW)).then((bytes) => bytes !== null);
}

/**
 * Makes an empty store with a random store id and resolves with its manifest. A crash on the way
 * leaves a folder without a store. Rejects with a `StorageError` `damaged` when the folder holds
 * segments or a promise but no store.json, or with `full` or `failed`.
 */
export async function createStore({ fileSystem, directory }: StorePlace, logName: string): Promise<Manifest> {
  const names = await fileSystem.list(directory);
  if (names.some((name) => firstIndexOf(name) !== null)) {
    throw damagedFault(`${directory} holds a log but no ${MANIFEST}`);
  }
  const left = await readSmallFile(fileSystem, { directory, name: PROMISE });
  if (left !== null && (left as Promised).epoch !== 0)
    throw damagedFault(`${directory} holds a promise but no ${MANIFEST}`);
  const marker = await SyncMarker.open(fileSystem, join(directory, MARKER));
  await marker.close();
  await writePromise({ fileSystem, directory }, NO_PROMISE);
  const manifest = { storeId: randomBytes(8).toString('hex'), logName, log: null };
  await writeManifest({ fileSystem, directory }, manifest);
  return manifest;
}

/**
 * The small files of an open store. Calls must not overlap. Writes reject with a `StorageError`
 * (`full`, `failed`).
 */
export class StoreFiles {
  /** The promise as it is on disk, with the identity of store.json. */
  promised: Promised;

  constructor(
    private readonly place: StorePlace,
    private manifest: Manifest,
    promised: Promised,
  ) {
    this.promised = { ...promised, identity: manifest.log };
  }

  get storeId(): string {
    return this.manifest.storeId;
  }

  /**
   * Adds to store.json what the open has found: `logName` if it has none, `log` if it is longer.
   */
  async complete({ logName, log }: { readonly logName: string; readonly log: Identity | null }): Promise<void> {
    const isLonger = extendsLog(log, this.manifest.log);
    if (this.manifest.logName !== null && !isLonger) return;
    await this.replaceManifest({
      ...this.manifest,
      logName: this.manifest.logName ?? logName,
      log: isLonger ? log : this.manifest.log,
    });
  }

  /** Saves the promise. Its identity must equal the saved one or be a later branch of it. */
  async save(promised: Promised): Promise<void> {
    if (promised.identity !== this.manifest.log)
      await this.replaceManifest({ ...this.manifest, log: promised.identity });
    await writePromise(this.place, promised);
    this.promised = promised;
  }

  /** Makes the next open replace this store (open-or-salvage.ts). */
  askRenewal(): Promise<void> {
    const { fileSystem, directory } = this.place;
    return replaceSmallFile(fileSystem, { directory, name: RENEW }, { storeId: this.storeId });
  }

  removePermission(): Promise<void> {
    return removeBeginPermission(this.place);
  }

  private async replaceManifest(manifest: Manifest): Promise<void> {
    await writeManifest(this.place, manifest);
    this.manifest = manifest;
    this.promised = { ...this.promised, identity: manifest.log };
  }
}

function writeManifest({ fileSystem, directory }: StorePlace, { storeId, logName, log }: Manifest): Promise<void> {
  const value = { format: FORMAT_VERSION, storeId, logName, log };
  return replaceSmallFile(fileSystem, { directory, name: MANIFEST }, value);
}

function writePromise({ fileSystem, directory }: StorePlace, { identity: _, ...kept }: Promised): Promise<void> {
  return replaceSmallFile(fileSystem, { directory, name: PROMISE }, kept);
}
