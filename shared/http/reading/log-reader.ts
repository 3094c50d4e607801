/**
 * Defines the port through which the HTTP edge of a node reads its log: visible entries, in order,
 * as the bytes that are sent. The node's state machine decides which entries are visible.
 */

import type { Identity } from '#protocol/identity';
import type { LogShape } from '#protocol/resume-token';
import type { EntryBytes } from '#storage/log-store';

/** The positions of a log at one moment. */
export interface ReaderPosition {
  /** Highest seq visible on this node; 0: none. */
  readonly head: number;
  /** Highest seq known to be committed, never above `head`. */
  readonly commit: number;
  readonly epoch: number;
  /** The log's identity; null for a blank node. */
  readonly log: Identity | null;
  /**
   * Head of the master's log: the master's own head while it reigns; on a secondary the head as
   * last announced, never below `head`; null while it is not known.
   */
  readonly logHead: number | null;
}

/** The log of a node whose master has another log. */
export interface ForeignLog {
  /** The log's id: the first part of its identity. */
  readonly log: string;
  /** Seq of its last entry; 0 for none. */
  readonly lastSeq: number;
}

/** The visible part of a node's log. `from`, `to` and `seq` are seqs. */
export interface LogReader {
  position(): ReaderPosition;

  /** Which reign wrote which entry. It may include entries that are not visible yet. */
  readonly outline: LogShape;

  /**
   * This node's log, when it is another one than its master's and a client should not read it
   * without naming it; null otherwise. Watchers are called when it changes.
   */
  foreign(): ForeignLog | null;

  /**
   * The JSON bytes of visible entries `from`…`to`, inclusive, in order: at least the first, and at
   * most up to the entry that passes `maxBytes`. Empty when `from` is not visible. Rejects with a
   * `StorageError`.
   */
  read(range: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
  }): Promise<readonly Uint8Array[]>;

  /** The same entries in one piece, with the byte `separator` behind each. */
  readJoined(range: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
    readonly separator: number;
  }): Promise<EntryBytes>;

  /** Seq of the visible entry with this id, or null. Rejects with a `StorageError`. */
  findId(id: string): Promise<number | null>;

  /**
   * Resolves with true once `seq` is visible, or with `committed` known to be committed; with false
   * after `timeoutMs` milliseconds (null for no limit but the client's) or when aborted.
   */
  whenVisible(
    seq: number,
    options: { readonly timeoutMs: number | null; readonly signal: AbortSignal; readonly committed?: boolean },
  ): Promise<boolean>;

  /**
   * Calls `moved` whenever a position or `foreign` may have changed; it must not throw. After a
   * truncation it is called in the same turn, before any other entry becomes visible. A watcher is
   * never removed.
   */
  watch(moved: () => void): void;
}
