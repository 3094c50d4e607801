/**
 * Batches appends for group commit. While one group is being made durable, later appends collect
 * and become the next group; so the number of syncs follows the speed of the disk and not the
 * number of appends, without a timer. Truncations wait in the same queue, and so follow the appends
 * made before them.
 *
 * States: idle (nothing queued), writing (until the queue is empty), failed (after a fatal fault,
 * for good).
 *
 * When the disk is full, the group and every append queued after it are rejected, because they do
 * not follow the log any more; queued truncations stay. The owner is told where the log then ends.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { LogRecord } from '#protocol/record';
import type { StorageError } from '../log-store';
import { fatalFault, isPassing } from '../storage-fault';
import { type EncodedGroup, encodeGroup, FrameKind, type KindedRecords } from './segments/frame';

/**
 * Makes groups and truncations durable: the segmented log. `running` is the CRC-32 of the records
 * up to `lastIndex`. Both methods reject with a `StorageError`.
 */
export interface GroupTarget {
  readonly lastIndex: number;
  readonly running: number;
  /** Throws `full` when entries of so many bytes are not to be written now. */
  takeRoom(bytes: number): void;
  appendGroup(group: EncodedGroup): Promise<void>;
  truncateAfter(index: number): Promise<void>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Append extends KindedRecords, Waiter {
  readonly bytes: number;
}

interface Truncation extends Waiter {
  readonly after: number;
}

type Task = Append | Truncation;

/**
 * A group takes no further append at this size: it is copied once, and one write should not occupy
 * the disk for long.
 */
const GROUP_BYTES_MAX = 8 * 1024 * 1024;
/** A truncation for which no descriptor was free is tried again after this time. */
const CUT_RETRY_MS = 100;

interface GroupWriterEvents {
  /** The durable log has changed; called before the appends are resolved. */
  onDurable(): void;
  /**
   * Appends were rejected, and the log now ends at `index` at most; called before they are
   * rejected.
   */
  onRefused(index: number): void;
}

/** The queue in front of a `GroupTarget`. */
export class GroupWriter {
  /** When not null, every later write is rejected with it. */
  failure: StorageError | null = null;
  private queue: Task[] = [];
  private writing: Promise<void> | null = null;

  constructor(
    private readonly target: GroupTarget,
    private readonly events: GroupWriterEvents,
  ) {}

  /** Highest index up to which the durable log will not be changed by what is queued. */
  get stableIndex(): number {
    return this.queue.reduce(
      (least, task) => ('after' in task ? Math.min(least, task.after) : least),
      this.target.lastIndex,
    );
  }

  /** Resolves when the records are durable. Rejects with a `StorageError`. */
  append(records: readonly LogRecord[], kinds: readonly number[]): Promise<void> {
    const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
    return this.enqueue((waiter) => ({ records, kinds, bytes, ...waiter }));
  }

  /** Resolves when the records after `index` are removed durably. Rejects with a `StorageError`. */
  truncateAfter(index: number): Promise<void> {
    return this.enqueue((waiter) => ({ after: index, ...waiter }));
  }

  /** Resolves when the queue is empty. Never rejects. */
  async drain(): Promise<void> {
    while (this.writing !== null) await this.writing;
  }

  /** Stops the writer for a fault beside the log: everything queued is rejected with it. */
  fail(failure: StorageError): void {
    this.failure ??= failure;
    const tasks = this.queue;
    this.queue = [];
    for (const { reject } of tasks) reject(this.failure);
  }

  private enqueue(taskOf: (waiter: Waiter) => Task): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.queue.push(taskOf({ resolve, reject }));
      this.writing ??= this.writeAll();
    });
  }

  /** Starts in the next microtask, so that appends of one turn make one group. */
  private async writeAll(): Promise<void> {
    await Promise.resolve();
    while (this.queue.length > 0) {
      const first = this.queue[0];
      if (first !== undefined && 'after' in first) await this.truncate(first);
      else await this.commit(this.nextGroup());
    }
    this.writing = null;
  }

  /** Removes from the queue the appends at its head that make one group. */
  private nextGroup(): Append[] {
    const group: Append[] = [];
    let bytes = 0;
    for (const task of this.queue) {
      if ('after' in task || (bytes > 0 && bytes + task.bytes > GROUP_BYTES_MAX)) break;
      group.push(task);
      bytes += task.bytes;
    }
    this.queue.splice(0, group.length);
    return group;
  }

  private async commit(group: Append[]): Promise<void> {
    try {
      const encoded = encodeGroup(group, this.target.running);
      if (encoded !== null && group.some(hasEntry)) this.target.takeRoom(encoded.bytes.length);
      if (encoded !== null) await this.target.appendGroup(encoded);
    } catch (cause) {
      this.refuse(group, cause);
      return;
    }
    this.events.onDurable();
    for (const { resolve } of group) resolve();
  }

  /** The truncation stays at the head of the queue until it is done: `stableIndex` counts on it. */
  private async truncate(task: Truncation): Promise<void> {
    try {
      await this.target.truncateAfter(task.after);
    } catch (cause) {
      if (isPassing(cause)) return pause(CUT_RETRY_MS);
      this.fail(fatalFault(`the log could not be cut after record ${task.after}`, cause));
      return;
    }
    this.queue.shift();
    this.events.onDurable();
    task.resolve();
  }

  private refuse(group: readonly Append[], cause: unknown): void {
    const fault = isPassing(cause) ? cause : fatalFault('the log could not be written', cause);
    if (fault.fatal) this.failure = fault;
    const refused: Task[] = [...group];
    const kept: Task[] = [];
    for (const task of this.queue) (fault.fatal || !('after' in task) ? refused : kept).push(task);
    this.queue = kept;
    this.events.onRefused(this.stableIndex);
    for (const { reject } of refused) reject(fault);
  }
}

function hasEntry({ kinds }: KindedRecords): boolean {
  return kinds.some((kind) => kind !== FrameKind.control);
}
