/**
 * What the HTTP edge of either node asks of its log: visible entries, in order, as the bytes that are sent. A node's own
 * machine decides what is visible; this is only the window on it.
 */

import type { EntryBytes } from './log-store/log-store';

/** Positions at one moment. */
export interface ReaderPosition {
  /** Highest seq visible on this node; 0: none. */
  readonly head: number;
  /** Highest seq known to be committed, never above `head`. */
  readonly commit: number;
  readonly epoch: number;
}

export interface LogReader {
  position(): ReaderPosition;

  /**
   * The JSON bytes of visible entries `from`…`to` (seqs, inclusive), in order: at least the first, and no further than
   * the entry that passes `maxBytes`. Empty when `from` is not visible.
   */
  read(range: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
  }): Promise<readonly Uint8Array[]>;

  /** The same entries in one piece, a byte `separator` between two. */
  readJoined(range: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
    readonly separator: number;
  }): Promise<EntryBytes>;

  /** Seq of the visible entry with this id, or null. */
  findId(id: string): Promise<number | null>;

  /** Resolves true once `seq` is visible, or with `committed` known to be committed; false after `timeoutMs` (null: no bound, the client's own patience is the bound) or when aborted. */
  whenVisible(
    seq: number,
    options: { readonly timeoutMs: number | null; readonly signal: AbortSignal; readonly committed?: boolean },
  ): Promise<boolean>;

  /** `moved` is called whenever head or commit may have moved, either way; it must not throw. For as long as the reader lives. */
  watch(moved: () => void): void;
}
