/**
 * Keeps the checkpoint: a file with all that an open derives from the log up to some durable record,
 * so that a start reads what came after it. The rest of the log is verified in the background.
 *
 * - It is written while the log grows, at intervals of `everyBytes`, and by `close`. No append waits
 *   for it. A write that fails costs the next start some time, and stops nothing.
 * - It is believed only for the store that wrote it and for the files that it describes
 *   (segments/covered-log.ts). Otherwise the open reads the whole log, as without it.
 * - It is removed durably before records that it covers are truncated, and when damage is found:
 *   the next open then reads the whole log and replaces the store.
 *
 * The content is JSON and not a binary format, because it is small: a few numbers for each segment
 * of 64 MiB, the control records, and the ids that are not in a run yet.
 */
import type { OutlineFacts } from '#protocol/log/outline';
import { StorageError } from '../log-store';
import type { StorePlace } from './files';
import type { RecentIds } from './ids/id-index';
import type { CoveredLog } from './segments/covered-log';
import { readSmallFile, removeSmallFile, replaceSmallFile } from './small-file';

const FORMAT_VERSION = 1;
/** File name of the checkpoint. */
export const CHECKPOINT = 'checkpoint.json';

/**
 * A log of less than this fraction of the interval is read faster than a checkpoint is worth: none
 * is written when the store is closed.
 */
const LAST_SHARE = 32;

/** The content of checkpoint.json. */
export interface Checkpoint {
  readonly storeId: string;
  readonly log: CoveredLog;
  /** Of the records that `log` covers. */
  readonly outline: OutlineFacts;
  readonly ids: RecentIds;
}

/** The checkpoint of this store; null when there is none that this version can use. */
export async function readCheckpoint(
  { fileSystem, directory }: StorePlace,
  storeId: string,
): Promise<Checkpoint | null> {
  try {
    const value = await readSmallFile(fileSystem, { directory, name: CHECKPOINT });
    const { format, ...checkpoint } = (value ?? {}) as { readonly format?: unknown } & Checkpoint;
    return format === FORMAT_VERSION && checkpoint.storeId === storeId ? checkpoint : null;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'damaged') return null;
    throw error;
  }
}

/** Writes and removes the checkpoint of an open store. */
export class CheckpointKeeper {
  private writing: Promise<void> = Promise.resolve();
  private isWriting = false;
  private isForbidden = false;

  constructor(
    private readonly place: StorePlace,
    private readonly everyBytes: number,
    /** Bytes of the log after the checkpoint. */
    private bytes: number,
    /** Upper bound of the index that the file covers. A file that was not used may cover any. */
    private index = Number.POSITIVE_INFINITY,
  ) {}

  /** The log has grown by so many durable bytes. */
  note(bytes: number): void {
    this.bytes += bytes;
  }

  /** Starts to write the checkpoint when it is time. `make` returns null when it cannot be made now. */
  saveIfDue(make: () => Checkpoint | null): void {
    if (this.bytes >= this.everyBytes && !this.isWriting) this.save(make());
  }

  /** Writes the last checkpoint, if it is worth it. Never rejects. */
  async saveLast(make: () => Checkpoint | null): Promise<void> {
    await this.writing;
    if (this.bytes >= this.everyBytes / LAST_SHARE) this.save(make());
    await this.writing;
  }

  /**
   * Removes durably a checkpoint that may cover records after `index`. Rejects with a
   * `StorageError` `full` when no descriptor is free, otherwise with the system error.
   */
  async dropAbove(index: number): Promise<void> {
    await this.writing;
    if (this.index <= index) return;
    const { fileSystem, directory } = this.place;
    await removeSmallFile(fileSystem, { directory, name: CHECKPOINT });
    this.index = 0;
  }

  /**
   * Reads the log. Before a rejection with `damaged`, unless `isStale`, the checkpoint is removed,
   * and none is written any more.
   */
  async watch<T>(read: () => Promise<T>, isStale = () => false): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof StorageError && error.code === 'damaged' && !isStale()) await this.forbid();
      throw error;
    }
  }

  private async forbid(): Promise<void> {
    this.isForbidden = true;
    // If it stays, the damage is found again after the next open.
    await this.dropAbove(-1).catch(() => undefined);
  }

  private save(checkpoint: Checkpoint | null): void {
    if (checkpoint === null || this.isForbidden) return;
    const { fileSystem, directory } = this.place;
    this.bytes = 0;
    this.index = checkpoint.outline.lastIndex;
    this.isWriting = true;
    this.writing = replaceSmallFile(
      fileSystem,
      { directory, name: CHECKPOINT },
      { format: FORMAT_VERSION, ...checkpoint },
    )
      .catch(() => undefined)
      .finally(() => {
        this.isWriting = false;
      });
  }
}
