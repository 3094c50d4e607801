/**
 * Reads and replaces a small file with one JSON value. A replacement is written under another name,
 * synced, renamed over the old file, and the folder is synced: after a crash the file is the old or
 * the new one. A second line with the CRC-32 of the first detects damage.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { damagedFault, fatalFault, fullFault, isOutOfRoom, storageFault } from '../storage-fault';
import { errorCode, type FileSystem, type OpenDirectory, type OpenFile } from './file-system';

const BESIDE = '.new';

/**
 * Makes `value` the content of `name` in `directory`, durably. Rejects with a `StorageError`:
 * `full` when the disk is full, or no descriptor is free, and the old content stays, otherwise
 * `failed`.
 */
export async function replaceSmallFile(
  fileSystem: FileSystem,
  { directory, name }: { readonly directory: string; readonly name: string },
  value: unknown,
): Promise<void> {
  const beside = join(directory, name + BESIDE);
  const line = JSON.stringify(value);
  const folder = await openDirectory(fileSystem, directory, `${name} was not written`);
  try {
    await writeWhole(fileSystem, beside, Buffer.from(`${line}\n${checkOf(line)}\n`));
    await fileSystem.rename(beside, join(directory, name));
    await folder.sync();
  } catch (cause) {
    if (cause instanceof OutOfRoom) throw fullFault(`${name} was not written`, cause.cause);
    throw fatalFault(`${name} could not be made durable`, cause);
  } finally {
    await folder.close();
  }
}

/**
 * Removes `name` durably. Without such a file it only syncs the folder, so that an earlier removal
 * survives a power loss. Rejects with a `StorageError` `full` when no descriptor is free, otherwise
 * with the system error of the file operation.
 */
export async function removeSmallFile(
  fileSystem: FileSystem,
  { directory, name }: { readonly directory: string; readonly name: string },
): Promise<void> {
  const folder = await openDirectory(fileSystem, directory, `${name} was not removed`);
  try {
    await fileSystem.remove(join(directory, name)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Opens a folder before names in it are changed. Rejects with a `StorageError`, `full` when no
 * descriptor is free; `what` begins its message.
 */
export async function openDirectory(fileSystem: FileSystem, path: string, what: string): Promise<OpenDirectory> {
  try {
    return await fileSystem.openDirectory(path);
  } catch (cause) {
    throw storageFault(what, cause);
  }
}

/**
 * The value in `name`; null when there is no such file. Rejects with a `StorageError` `damaged`
 * when the content does not match its checksum.
 */
export async function readSmallFile(
  fileSystem: FileSystem,
  { directory, name }: { readonly directory: string; readonly name: string },
): Promise<unknown> {
  const bytes = await fileSystem.readAll(join(directory, name));
  if (bytes === null) return null;
  const text = bytes.toString('latin1');
  const end = text.indexOf('\n');
  const line = bytes.subarray(0, Math.max(end, 0)).toString('utf8');
  if (end < 0 || text.slice(end + 1) !== `${checkOf(line)}\n`) {
    throw damagedFault(`${join(directory, name)} does not match its checksum`);
  }
  return JSON.parse(line) as unknown;
}

/** The old file is unchanged. What is left of the new one is overwritten by the next attempt. */
class OutOfRoom extends Error {}

async function writeWhole(fileSystem: FileSystem, path: string, bytes: Buffer): Promise<void> {
  let file: OpenFile | null = null;
  try {
    file = await fileSystem.open(path, 'create');
    await file.write(bytes, 0);
  } catch (cause) {
    await file?.close();
    if (isOutOfRoom(cause)) throw new OutOfRoom('no room', { cause });
    throw cause;
  }
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function checkOf(line: string): string {
  return crc32(line).toString(16).padStart(8, '0');
}
