/**
 * Writes the permission to begin a log into a node's folder: what an operator does before the first
 * start of a node that is to begin a log.
 */
import { createBeginPermission } from './begin-permission';
import { nodeFileSystem } from './disk/file-system';
import { inspectStore } from './inspect';

/** The folder holds a log, or it cannot be determined whether it does. Nothing was written. */
class PermissionRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PermissionRefused';
  }
}

/**
 * Permits the node with this folder to begin one log. The folder is made when it does not exist; an
 * existing permission stays. Rejects with a `PermissionRefused` or a `StorageError`. A node that is
 * running sees the permission at its next start.
 */
export async function writeBeginPermission(directory: string): Promise<void> {
  const found = await inspectStore(nodeFileSystem, directory);
  if (found !== null && (found.identity !== null || found.list !== null)) {
    const log = found.identity ?? 'a log whose id is not known';
    throw new PermissionRefused(
      `${directory} already holds a log (${log}), so its node needs no permission. Nothing was written.`,
    );
  }
  const [damage] = found?.damages ?? [];
  if (damage !== undefined || (found?.salvage ?? null) !== null) {
    const what = damage === undefined ? 'its store is being replaced' : `${damage.file}: ${damage.what}`;
    throw new PermissionRefused(
      `${directory} is damaged and may have held a log (${what}). Nothing was written. Start its node, which makes a new store of what ` +
        'is left, or use another folder.',
    );
  }
  await nodeFileSystem.makeDirectory(directory);
  await createBeginPermission({ fileSystem: nodeFileSystem, directory });
}
