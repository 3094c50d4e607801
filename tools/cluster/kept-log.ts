/**
 * Which log the nodes follow, and whether the master may begin one although the broker knows one.
 *
 * The first start leaves LOG_ID at `auto`, and keeps the id of its log in the file `log-id`. Every
 * later start passes it, so no node that has lost its disk can begin a second log.
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

const LOG_ID = 'log-id';

/**
 * `folders` are the nodes', the master's first. Returns the id of the log that an earlier start has
 * kept, null for none; `isGone`: no folder has any of it. @throws LaunchError for an unreadable id.
 */
export async function prepareLog(dataDir: string, folders: readonly string[]) {
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
  const names = await readdir(directory).catch((error) => {
    if (errorCode(error) !== 'ENOENT') throw error;
    return [];
  });
  return names.some((name) => name === MANIFEST || firstIndexOf(name) !== null);
}
