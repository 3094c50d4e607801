/**
 * Group commit: who waits for which sync. While one group is being made durable, everything that is
 * appended collects, and becomes the next group; so the number of syncs follows the disk's speed
 * and not the number of appends, without a timer. Truncations stand in the same queue and so come
 * behind the appends made before them.
 *
 * States: idle (nothing queued), writing (until the queue is empty), failed (after a fatal fault,
 * for good).
 *
 * A group that finds no room takes everything appended behind it down with it, for it does not
 * follow the log any more; queued truncations stay. The owner is told where the log then ends.
 */
import type { LogRecord } from '#protocol/record';
import type { StorageError } from '../log-store';
import { fatalFault, isPassing } from '../storage-fault';
import { type EncodedGroup, encodeGroup, type KindedRecords } from './segments/frame';

/** Where groups and truncations take effect: the segmented log. */
export interface GroupTarget {
  readonly lastIndex: number;
  readonly running: number;
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
 * A group takes no further append at this size: it is copied once, and one write should not hold
 * the disk for long.
 */
const GROUP_BYTES_MAX = 8 * 1024 * 1024;

interface GroupWriterEvents {
  /** What is on the disk has changed; called before anybody is answered. */
  onDurable(): void;
  /**
   * Appends were refused: the log is to end at `index` at most. Called before anybody is answered.
   */
  onRefused(index: number): void;
}

export class GroupWriter {
  /** Not null: no later write succeeds. */
  failure: StorageError | null = null;
  private queue: Task[] = [];
  private writing: Promise<void> | null = null;

  constructor(
    private readonly target: GroupTarget,
    private readonly events: GroupWriterEvents,
  ) {}

  /**
   * Highest index up to which the disk has what the log will be when all that is queued is done.
   */
  get stableIndex(): number {
    return this.queue.reduce(
      (least, task) => ('after' in task ? Math.min(least, task.after) : least),
      this.target.lastIndex,
    );
  }

  append(records: readonly LogRecord[], kinds: readonly number[]): Promise<void> {
    const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
    return this.enqueue((waiter) => ({ records, kinds, bytes, ...waiter }));
  }

  truncateAfter(index: number): Promise<void> {
    return this.enqueue((waiter) => ({ after: index, ...waiter }));
  }

  /** Resolves when nothing is queued. Never rejects. */
  async drain(): Promise<void> {
    while (this.writing !== null) await this.writing;
  }

  /** Something beside the log failed for good. */
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

  /** Starts in the next microtask, so that appends of the same turn make one group. */
  private async writeAll(): Promise<void> {
    await Promise.resolve();
    while (this.queue.length > 0) {
      const first = this.queue[0];
      if (first !== undefined && 'after' in first) await this.truncate(first);
      else await this.commit(this.nextGroup());
    }
    this.writing = null;
  }

  /** The appends at the head of the queue that go together; they leave the queue. */
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
