/**
 * Keeps what the reigning master announced last, and whether this node has reached it. A node has
 * reached the master when it has applied, since it connected, everything that the first
 * announcement named. It stays so when it falls behind later.
 */
import type { MessageOf } from '#protocol/wire/messages';

interface Announcement {
  readonly at: number;
  readonly head: number;
  readonly headIndex: number;
  readonly httpUrl: string;
}

/** Announcements missed before the master counts as having been away. */
const SILENT_INTERVALS = 3;

/** Times are milliseconds of the monotonic clock. `isReached` changes by the methods only. */
export class MasterWatch {
  /** Whether this node has reached the head first announced after connecting. */
  isReached = false;
  /** The last announcement in the epoch followed; null: none. */
  private last: Announcement | null = null;
  /** The seq to be reached; null until the first announcement after connecting. */
  private target: number | null = null;
  private removed: readonly string[] = [];

  constructor(private readonly heartbeatIntervalMs: number) {}

  /** Whether a master has announced itself in the epoch followed (Raft: the leader is known). */
  get isKnown(): boolean {
    return this.last !== null;
  }

  /** The master's head, a seq; 0 while no master is known. */
  get head(): number {
    return this.last?.head ?? 0;
  }

  /** Index of the master's last record; 0 while no master is known. */
  get headIndex(): number {
    return this.last?.headIndex ?? 0;
  }

  /** The master's HTTP address; null while no master is known. */
  get httpUrl(): string | null {
    return this.last?.httpUrl ?? null;
  }

  /** Whether an operator has removed the node from the log, as last announced. */
  hasRemoved(node: string): boolean {
    return this.removed.includes(node);
  }

  /** Whether some intervals have passed without an announcement, or no master is known. */
  isSilent(now: number): boolean {
    return this.last === null || now - this.last.at > SILENT_INTERVALS * this.heartbeatIntervalMs;
  }

  /** An announcement in the epoch followed. */
  record(at: number, { head, headIndex, httpUrl, removed }: MessageOf<'announce'>): void {
    this.last = { at, head, headIndex, httpUrl };
    this.removed = removed;
    this.target ??= head;
  }

  /** @returns true when the node reaches the master by the seq that it has applied now */
  reaches(applied: number): boolean {
    if (this.isReached || this.target === null || applied < this.target) return false;
    this.isReached = true;
    return true;
  }

  /** Another epoch is followed: the head that was announced may have been cut with its epoch. */
  forget(): void {
    this.last = null;
    this.target = null;
  }

  /** The connection is lost. */
  disconnect(): void {
    this.forget();
    this.isReached = false;
  }
}
