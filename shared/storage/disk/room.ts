/**
 * Measures the free space of a folder's disk once a second (statfs), and refuses entries while it
 * is below a minimum. The store then acts as on a full disk, before the disk is full: what is left
 * is for votes, for the records that make a master, and for the other programs of the machine.
 *
 * Between two measurements what the log writes is subtracted. A file system that does not say how
 * much is free (no blocks at all, as some FUSE and shared folders report, or an error) has no
 * minimum.
 */
import { statfs } from 'node:fs/promises';
import type { Shortage } from '../log-store';
import { tooLittleRoom } from '../storage-fault';

const MEASURE_MS = 1_000;
/** A shortage ends this far above the minimum, so that it does not come and go with each append. */
const RESUME_BYTES = 1024 * 1024;

/** What a store asks of its disk's free space. */
export interface Room {
  /** Null while there is room. */
  readonly shortage: Shortage | null;
  /** Throws a `StorageError` `full` when entries of so many bytes are not to be written now. */
  take(bytes: number): void;
  /** Ends the measurements. */
  close(): void;
}

/** A disk without a minimum. */
export const UNLIMITED: Room = { shortage: null, take: () => undefined, close: () => undefined };

interface RoomOptions {
  readonly directory: string;
  /** Bytes; 0 for no minimum. */
  readonly freeBytesMin: number;
  /** Called when a shortage begins, and with null when it ends. */
  readonly onChange: (shortage: Shortage | null) => void;
  /** Free bytes for this process; for tests. */
  readonly measure?: (directory: string) => Promise<number>;
}

/** Resolves with the room of the folder's disk, measured once. Never rejects. */
export async function watchRoom(options: RoomOptions): Promise<Room> {
  if (options.freeBytesMin === 0) return UNLIMITED;
  const room = new MeasuredRoom(options);
  await room.measure();
  return room;
}

class MeasuredRoom implements Room {
  shortage: Shortage | null = null;
  private freeBytes = Number.POSITIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: RoomOptions) {}

  take(bytes: number): void {
    if (this.freeBytes - bytes < this.options.freeBytesMin) this.become(this.facts());
    if (this.shortage !== null) throw tooLittleRoom('the log was not extended', this.shortage);
    this.freeBytes -= bytes;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  /** Measures now, and again and again until `close`. The timer does not keep the process alive. */
  async measure(): Promise<void> {
    const { directory, measure = freeBytesOf, freeBytesMin } = this.options;
    this.freeBytes = await measure(directory).catch(() => Number.POSITIVE_INFINITY);
    if (this.isClosed) return;
    const needed = freeBytesMin + (this.shortage === null ? 0 : RESUME_BYTES);
    this.become(this.freeBytes < needed ? this.facts() : null);
    this.timer = setTimeout(() => void this.measure(), MEASURE_MS).unref();
  }

  private facts(): Shortage {
    return { freeBytes: this.freeBytes, freeBytesMin: this.options.freeBytesMin };
  }

  private become(shortage: Shortage | null): void {
    const isChange = (shortage === null) !== (this.shortage === null);
    this.shortage = shortage;
    if (isChange) this.options.onChange(shortage);
  }
}

async function freeBytesOf(directory: string): Promise<number> {
  const { blocks, bavail, bsize } = await statfs(directory);
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
}
