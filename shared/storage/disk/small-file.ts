/**
 * A small file that holds one JSON value and is replaced as a whole: written beside, synced,
 * renamed over the old one, and the folder synced. After a crash it is the old one or the new one.
 * A line with the CRC-32 of the first line guards it against damage.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { damagedFault, fatalFault, fullFault, isOutOfRoom } from '../storage-fault';
import type { FileSystem, OpenFile } from './file-system';

const BESIDE = '.new';

/**
 * Makes `value` the content of `name` in `directory`. Rejects with a `StorageError`: `full` when
 * the old content stays.
 */
export async function replaceSmallFile(
  fileSystem: FileSystem,
  { directory, name }: { readonly directory: string; readonly name: string },
  value: unknown,
): Promise<void> {
  const beside = join(directory, name + BESIDE);
  const line = JSON.stringify(value);
  try {
    await writeWhole(fileSystem, beside, Buffer.from(`${line}\n${checkOf(line)}\n`));
    await fileSystem.rename(beside, join(directory, name));
    await fileSystem.syncDirectory(directory);
  } catch (cause) {
    if (cause instanceof OutOfRoom) throw fullFault(`${name} was not written`, cause.cause);
    throw fatalFault(`${name} could not be made durable`, cause);
  }
}

/**
 * The value in `name`; null when there is no such file. Rejects with `damaged` when it is not what
 * was written.
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

/**
 * Nothing of the old file was touched, and nothing is left of the new one that matters: it is
 * overwritten next time.
 */
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
