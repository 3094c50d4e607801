/**
 * What the data folder knows of its log before any node has started: the id that an earlier start
 * has kept in the file `log-id`, and whether the folder of a node holds a store.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, nodeFileSystem } from '#storage/disk/file-system';
import { MANIFEST } from '#storage/disk/files';
import { firstIndexOf } from '#storage/disk/segments/segment';
import { readSmallFile, replaceSmallFile } from '#storage/disk/small-file';
import { StorageError } from '#storage/log-store';
import { LaunchError } from '../launch-error';

const LOG_ID = 'log-id';

/** null: no start has kept one. @throws LaunchError when the file cannot be read. */
export async function readKeptLogId(dataDir: string): Promise<string | null> {
  try {
    const kept = await readSmallFile(nodeFileSystem, { directory: dataDir, name: LOG_ID });
    return typeof kept === 'string' ? kept : null;
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const path = join(dataDir, LOG_ID);
    throw new LaunchError(
      `${cause.message}. It holds the id of the log in this folder, which "npm run inspect -- ${join(dataDir, 'master')}" shows too.\n` +
        `Start with that id once, and the file is written anew: rm ${path}; LOG_ID=… npm start`,
      { cause },
    );
  }
}

/** Durable when it resolves. Rejects with a `StorageError`. */
export async function keepLogId(dataDir: string, id: string): Promise<void> {
  await replaceSmallFile(nodeFileSystem, { directory: dataDir, name: LOG_ID }, id);
}

/** By the names of the files alone; a damaged store is one. */
export async function holdsStore(directory: string): Promise<boolean> {
  try {
    const names = await readdir(directory);
    return names.some((name) => name === MANIFEST || firstIndexOf(name) !== null);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
