/**
 * What an operator does before the first start of a node that is to begin a log: the permission is
 * written into its folder.
 */
import { createBeginPermission } from './begin-permission';
import { nodeFileSystem } from './disk/file-system';
import { inspectStore } from './inspect';

/** The folder holds a log, or one cannot tell whether it does. Nothing was written. */
class PermissionRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PermissionRefused';
  }
}

/**
 * Permits the node with this folder to begin one log. Makes the folder when it is not there; a
 * permission that is there stays. Rejects with a `PermissionRefused`, or a `StorageError`. A node
 * that runs in the folder sees it at its next start.
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
