/**
 * The one-time permission to begin a log: a file `begin` in a node's folder. The node may then
 * begin one log, after it has listened and heard nobody who holds one, and removes the file before
 * it does. The permission lies on the disk that the log will be on, so whoever loses the disk has
 * lost the permission too, and no restart with an empty folder can begin a second log.
 */
import { join } from 'node:path';
import { errorCode, type FileSystem } from './disk/file-system';
import { replaceSmallFile } from './disk/small-file';

const BEGIN = 'begin';

interface Place {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

/** By name alone: it is written whole or not at all. */
export async function hasBeginPermission({ fileSystem, directory }: Place): Promise<boolean> {
  return (await fileSystem.readAll(join(directory, BEGIN))) !== null;
}

export function createBeginPermission({ fileSystem, directory }: Place): Promise<void> {
  return replaceSmallFile(fileSystem, { directory, name: BEGIN }, { mayBegin: 'one log' });
}

/** Removes it durably; without one, only makes sure that it stays away. */
export async function removeBeginPermission({ fileSystem, directory }: Place): Promise<void> {
  try {
    await fileSystem.remove(join(directory, BEGIN));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await fileSystem.syncDirectory(directory);
}
