/**
 * Which log the nodes are told to follow, and whether the master may begin one although the broker
 * remembers one.
 *
 * The first start leaves LOG_ID at `auto`: nothing is known yet. It keeps the id of its log in the
 * file `log-id`, and every later start passes it, so no node that has lost its disk can begin a
 * second log. What the user has set in LOG_ID is passed on as it is.
 *
 * Under `auto` a log begins only on a broker that knows of none. RabbitMQ's data can outlive the
 * data folder: a broker that the user gives, or the volume of a container. The first start of an
 * empty folder therefore permits its master to begin one log; it then listens for
 * UNHEALTHY_AFTER_MS and begins unless a node that it hears holds a log.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, nodeFileSystem } from '#storage/disk/file-system';
import { MANIFEST } from '#storage/disk/files';
import { firstIndexOf } from '#storage/disk/segments/segment';
import { readSmallFile, replaceSmallFile } from '#storage/disk/small-file';
import { StorageError } from '#storage/log-store';
import { writeBeginPermission } from '#storage/write-begin-permission';
import { LaunchError } from '../broker/launch-error';

export interface KeptLog {
  /** Of the log that an earlier start has kept; null: none. */
  readonly id: string | null;
  /** No node's folder has any of it. */
  readonly isGone: boolean;
}

const LOG_ID = 'log-id';

/** `folders` are the nodes', the master's first. @throws LaunchError when the id cannot be read. */
export async function prepareLog(dataDir: string, folders: readonly string[]): Promise<KeptLog> {
  const id = await readKeptLogId(dataDir);
  const isEmpty = !(await Promise.all(folders.map(holdsStore))).includes(true);
  if (id === null && isEmpty && folders[0] !== undefined) await writeBeginPermission(folders[0]);
  return { id, isGone: id !== null && isEmpty };
}

async function readKeptLogId(dataDir: string): Promise<string | null> {
  try {
    const kept = await readSmallFile(nodeFileSystem, { directory: dataDir, name: LOG_ID });
    return typeof kept === 'string' ? kept : null;
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const inspect = `npm run inspect -- ${join(dataDir, 'master')}`;
    throw new LaunchError(
      `${cause.message}. It holds the id of the log in this folder, which "${inspect}" shows too.\n` +
        `Start with that id once, and the file is written anew: rm ${join(dataDir, LOG_ID)}; LOG_ID=… npm start`,
      { cause },
    );
  }
}

/** Durable when it resolves. Rejects with a `StorageError`. */
export async function keepLogId(dataDir: string, id: string): Promise<void> {
  await replaceSmallFile(nodeFileSystem, { directory: dataDir, name: LOG_ID }, id);
}

/** By the names of the files alone; a damaged store is one. */
async function holdsStore(directory: string): Promise<boolean> {
  try {
    const names = await readdir(directory);
    return names.some((name) => name === MANIFEST || firstIndexOf(name) !== null);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
