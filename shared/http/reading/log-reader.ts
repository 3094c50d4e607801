/**
 * What the HTTP edge of either node asks of its log: visible entries, in order, as the bytes that
 * are sent. A node's own machine decides what is visible; this is only the window on it.
 */

import type { Identity } from '#protocol/identity';
import type { LogShape } from '#protocol/resume-token';
import type { EntryBytes } from '#storage/log-store';

/** Positions at one moment. */
export interface ReaderPosition {
  /** Highest seq visible on this node; 0: none. */
  readonly head: number;
  /** Highest seq known to be committed, never above `head`. */
  readonly commit: number;
  readonly epoch: number;
  /** Which log this is; null: a blank node, which has none yet. */
  readonly log: Identity | null;
  /**
   * Head of the master's log: its own while it reigns, a secondary's as last announced, never below
   * `head`; null while it is not known.
   */
  readonly logHead: number | null;
}

/** What a node holds that its master does not have. */
export interface ForeignLog {
  /** The log's id: the first part of its identity. */
  readonly log: string;
  /** 0: it holds no entry. */
  readonly lastSeq: number;
}

export interface LogReader {
  position(): ReaderPosition;

  /** Which reign wrote which entry. It may know of entries that are not visible yet. */
  readonly outline: LogShape;

  /**
   * This node's log, when it is another one than its master's and nobody should read it unawares;
   * null: it is not. A change is told to watchers.
   */
  foreign(): ForeignLog | null;

  /**
   * The JSON bytes of visible entries `from`…`to` (seqs, inclusive), in order: at least the first,
   * and no further than the entry that passes `maxBytes`. Empty when `from` is not visible.
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

  /**
   * Resolves true once `seq` is visible, or with `committed` known to be committed; false after
   * `timeoutMs` (null: no bound, the client's own patience is the bound) or when aborted.
   */
  whenVisible(
    seq: number,
    options: { readonly timeoutMs: number | null; readonly signal: AbortSignal; readonly committed?: boolean },
  ): Promise<boolean>;

  /**
   * `moved` is called whenever a position or `foreign` may have changed; it must not throw. After a
   * cut it is called in the same turn, before anything else is visible. For as long as the reader
   * lives.
   */
  watch(moved: () => void): void;
}
