/**
 * Creates, reads and removes the one-time permission to begin a log: a file `begin` in a node's
 * data folder. A node with the permission may begin one log, after it has listened and heard of no
 * node that holds one, and it removes the file before it begins.
 *
 * The permission lies on the disk that the log will be on. A node that loses the disk has lost the
 * permission too, so no restart with an empty folder can begin a second log.
 */
import { join } from 'node:path';
import type { FileSystem } from './disk/file-system';
import { removeSmallFile, replaceSmallFile } from './disk/small-file';

const BEGIN = 'begin';

interface Place {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

/**
 * Resolves with whether the folder holds the permission. Looks at the file's name only: the file is
 * written as a whole or not at all. Rejects with the system error when the file cannot be read.
 */
export async function hasBeginPermission({ fileSystem, directory }: Place): Promise<boolean> {
  return (await fileSystem.readAll(join(directory, BEGIN))) !== null;
}

/**
 * Writes the permission durably; one that exists is replaced. Rejects with a `StorageError`
 * (`full`, `failed`).
 */
export function createBeginPermission({ fileSystem, directory }: Place): Promise<void> {
  return replaceSmallFile(fileSystem, { directory, name: BEGIN }, { mayBegin: 'one log' });
}

/**
 * Removes the permission durably. Without one it only syncs the folder, so that an earlier removal
 * survives a power loss. Rejects with a `StorageError` `full` when no descriptor is free, otherwise
 * with the system error of the file operation.
 */
export function removeBeginPermission({ fileSystem, directory }: Place): Promise<void> {
  return removeSmallFile(fileSystem, { directory, name: BEGIN });
}
