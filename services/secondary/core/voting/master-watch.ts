/**
 * What the reigning master said last, and whether this node has reached it: ready means that it has
 * applied, since it connected, everything that the first announcement named. Behind later on, it
 * stays ready.
 */
import type { MessageOf } from '#protocol/wire/messages';

interface Heard {
  readonly at: number;
  readonly head: number;
  readonly headIndex: number;
  readonly httpUrl: string;
}

export class MasterWatch {
  private heard: Heard | null = null;
  /**
   * Seq that has to be applied before this node calls itself ready; null until the first
   * announcement after connecting.
   */
  private readyAt: number | null = null;
  private hasReached = false;
  private removed: readonly string[] = [];

  /** Has a master been heard that reigns in the epoch followed? */
  get isHeard(): boolean {
    return this.heard !== null;
  }

  get isReady(): boolean {
    return this.hasReached;
  }

  /** The master's head, a seq; 0 while none is heard. */
  get head(): number {
    return this.heard?.head ?? 0;
  }

  get headIndex(): number {
    return this.heard?.headIndex ?? 0;
  }

  get httpUrl(): string | null {
    return this.heard?.httpUrl ?? null;
  }

  /** Did an operator remove this node from the log, as the master said last? */
  hasRemoved(node: string): boolean {
    return this.removed.includes(node);
  }

  /** Infinite while none is heard. */
  silentMs(now: number): number {
    return this.heard === null ? Number.POSITIVE_INFINITY : now - this.heard.at;
  }

  record(at: number, { head, headIndex, httpUrl, removed }: MessageOf<'announce'>): void {
    this.heard = { at, head, headIndex, httpUrl };
    this.removed = removed;
    this.readyAt ??= head;
  }

  /** True when the node becomes ready by what it has applied now. */
  reaches(applied: number): boolean {
    if (this.hasReached || this.readyAt === null || applied < this.readyAt) return false;
    this.hasReached = true;
    return true;
  }

  /** Another epoch is followed: the head that was announced may have been cut with its epoch. */
  forget(): void {
    this.heard = null;
    this.readyAt = null;
  }

  /** The connection is gone. */
  disconnect(): void {
    this.forget();
    this.hasReached = false;
  }
}
