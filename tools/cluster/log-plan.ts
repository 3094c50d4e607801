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
 * UNHEALTHY_AFTER_MS and begins unless a node that it hears holds a log. A private RabbitMQ whose
 * data is new remembers nothing, and those seconds are saved.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { majority } from '#protocol/write-concern';
import { errorCode, nodeFileSystem } from '#storage/disk/file-system';
import { MANIFEST } from '#storage/disk/files';
import { firstIndexOf } from '#storage/disk/segments/segment';
import { readSmallFile, replaceSmallFile } from '#storage/disk/small-file';
import { StorageError } from '#storage/log-store';
import { LaunchError } from './launch-error';

export interface LogFacts {
  /** LOG_ID in the environment; null: it is not set. */
  readonly given: string | null;
  readonly memory: boolean;
  /** The id that an earlier start has kept; null: none. */
  readonly kept: string | null;
  /** For each node: does its folder hold a store? */
  readonly holds: readonly boolean[];
  /** The broker may know of a log that was begun before this start. */
  readonly brokerMayRemember: boolean;
}

export interface LogPlan {
  /** LOG_ID for every node; null: what the environment says. */
  readonly logId: string | null;
  readonly permitsBirth: boolean;
  /**
   * The kept log: `gone` when no folder has any of it, `short` when fewer than a majority of the
   * folders hold a store.
   */
  readonly state: 'fine' | 'short' | 'gone';
}

export function planLog({ given, memory, kept, holds, brokerMayRemember }: LogFacts): LogPlan {
  if (memory || given !== null) return { logId: null, permitsBirth: false, state: 'fine' };
  const stores = holds.filter(Boolean).length;
  if (kept === null) return { logId: null, permitsBirth: stores === 0 && brokerMayRemember, state: 'fine' };
  const isShort = stores < majority(holds.length);
  return { logId: kept, permitsBirth: false, state: stores === 0 ? 'gone' : isShort ? 'short' : 'fine' };
}

const LOG_ID = 'log-id';

/** null: no start has kept one. @throws LaunchError when the file cannot be read. */
export async function readKeptLogId(dataDir: string): Promise<string | null> {
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
export async function holdsStore(directory: string): Promise<boolean> {
  try {
    const names = await readdir(directory);
    return names.some((name) => name === MANIFEST || firstIndexOf(name) !== null);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
