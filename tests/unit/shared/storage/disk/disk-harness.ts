/**
 * Opens disk stores on a `CrashingFileSystem`, small enough that a short history has many segments
 * and runs.
 */

import { type DiskOptions, openDiskLogStore } from '#storage/disk/open';
import type { BelongingOptions } from '#storage/disk/open-or-salvage';
import { type Room, UNLIMITED } from '#storage/disk/room';
import type { DiskLogStore } from '#storage/disk/store';
import type { CrashingFileSystem, Random } from './crashing-file-system';

export const DIRECTORY = '/log';

export interface SmallSizes {
  readonly segmentBytes?: number;
  readonly aheadBytes?: number;
  readonly cacheBytes?: number;
  readonly checkpointBytes?: number;
  readonly runIds?: number;
  readonly room?: Room;
}

/** A node's options that fit every store of this harness. */
export function belongingOptions(fileSystem: CrashingFileSystem): BelongingOptions {
  return { ...diskOptions(fileSystem), logId: null, now: 1_000 };
}

export function openOn(fileSystem: CrashingFileSystem, sizes: SmallSizes = {}) {
  return openDiskLogStore({ ...diskOptions(fileSystem), ...sizes });
}

function diskOptions(fileSystem: CrashingFileSystem): DiskOptions {
  return {
    fileSystem,
    directory: DIRECTORY,
    logName: 'rlog',
    segmentBytes: 1500,
    aheadBytes: 0,
    cacheBytes: 1000,
    checkpointBytes: Number.POSITIVE_INFINITY,
    runIds: 4,
    onProgress: () => undefined,
    room: UNLIMITED,
    lock: { check: () => undefined, release: async () => undefined },
  };
}

export async function storeOn(fileSystem: CrashingFileSystem, sizes: SmallSizes = {}): Promise<DiskLogStore> {
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
