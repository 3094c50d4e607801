/** Opens disk stores on a `CrashingFileSystem`, small enough that a short history has many segments and runs. */
import type { LogStore } from '../../../../../shared/runtime/log-store/log-store';
import { openDiskLogStore } from '../../../../../shared/runtime/log-store/open-disk-log-store';
import type { CrashingFileSystem, Random } from './crashing-file-system';

export const DIRECTORY = '/log';

export interface SmallSizes {
  readonly segmentBytes?: number;
  readonly aheadBytes?: number;
  readonly cacheBytes?: number;
  readonly runIds?: number;
}

export function openOn(fileSystem: CrashingFileSystem, sizes: SmallSizes = {}) {
  return openDiskLogStore({
    fileSystem,
    directory: DIRECTORY,
    segmentBytes: 1500,
    aheadBytes: 0,
    cacheBytes: 1000,
    runIds: 4,
    onProgress: () => undefined,
    release: async () => undefined,
    ...sizes,
  });
}

export async function storeOn(fileSystem: CrashingFileSystem, sizes: SmallSizes = {}): Promise<LogStore> {
  return (await openOn(fileSystem, sizes)).store;
}

/** Deterministic numbers in [0, 1): mulberry32. */
export function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
