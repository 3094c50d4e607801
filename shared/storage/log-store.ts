/**
 * Defines the port of the log store: what a node asks of the storage that holds its log. It has two
 * implementations and one contract suite (tests/contract/log-store.ts): `memory`, lost with the
 * process, and `disk`, segment files.
 *
 * One writer: the node's own state machine, which hands over records in order. Any number of
 * readers.
 */

import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { StoreKind } from '#protocol/store-kind';

/** Limits of a read, which stops at the first one that it meets. */
export interface ReadLimits {
  /** Last index wanted, inclusive. */
  readonly to: number;
  /** The read stops after the record that passes this many bytes; at least one record is read. */
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** Several entries as one piece of bytes, which belongs to the caller. */
export interface EntryBytes {
  /** The JSON bytes of each entry, with one separator behind each. */
  readonly bytes: Uint8Array;
  /** Number of entries. */
  readonly count: number;
}

/** The disk has less free than it is to keep: entries are refused until it has. */
export interface Shortage {
  readonly freeBytes: number;
  /** DISK_FREE_MIN. */
  readonly freeBytesMin: number;
}

/** The log of one node, with its promise. Positions are indexes unless they are called seq. */
export interface LogStore {
  /**
   * Made when the store was created; a store that was wiped has another one (KIP-853: directory
   * id).
   */
  readonly storeId: string;
  readonly kind: StoreKind;
  /**
   * The log's outline when the store was opened. The caller keeps its copy up to date from then on.
   */
  readonly opened: LogOutline;
  /**
   * The promise as last saved. At open its identity is the longer of the saved one and that of the
   * records.
   */
  readonly promised: Promised;
  /**
   * An operator has permitted this node to begin a log (begin-permission.ts), and the store held no
   * list of members when it was opened.
   */
  readonly mayBegin: boolean;
  /** Null while there is room. Only entries are refused; promises and control records are taken. */
  readonly shortage: Shortage | null;
  /** Highest index that is durable here. */
  readonly durableIndex: number;
  /** Running CRC-32 of the records' bytes up to the durable index; 0 for none. */
  readonly checksum: number;

  /**
   * Appends records that follow the last appended one. Resolves when they are durable; calls made
   * meanwhile are made durable together (group commit) and resolve in order. Rejects with a
   * `StorageError`. After a `fatal` one every later write rejects too, because the state of the
   * disk after a failed fsync is not known. After `full` every pending append rejects as well, and
   * the next one is expected to follow `durableIndex`.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /**
   * Makes the promise durable, its identity first. Resolves when it is. Its commit must not be
   * above `durableIndex`: a store that ends below its commit counts as rolled back. Rejects with a
   * `StorageError`, or with a plain `Error` when the identity is neither the one saved before nor a
   * later branch of it.
   */
  savePromise(promised: Promised): Promise<void>;

  /**
   * Makes the next open replace this store by a new one, with a new id, that holds the same
   * records. Resolves when the request is durable.
   */
  renew(): Promise<void>;

  /** Removes the permission to begin a log, durably; without one it only resolves. */
  consumePermission(): Promise<void>;

  /**
   * Removes every record after `index`: at once for reads and ids, and durably when it resolves,
   * after the appends made before the call. A crash before it resolves may leave the longer log.
   * Rejects with a fatal `StorageError`.
   */
  truncateAfter(index: number): Promise<void>;

  /**
   * Records from index `from` on, in order. It may return fewer than the limits allow, and returns
   * none only when `from` is beyond the end or beyond `to`. Reads appended records, durable or not.
   * Rejects with a `StorageError` `damaged` that names the record.
   */
  read(from: number, limits: ReadLimits): Promise<readonly LogRecord[]>;

  /**
   * The entries among the records that `read` would give, as the bytes that readers get, with the
   * byte `separator` behind each; no entry becomes an object on the way. Rejects like `read`.
   */
  readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes>;

  /**
   * Seq of the appended entry with this id; null when there is none. A generated id is not looked
   * up but computed: when its reign wrote the entry at its seq, that seq is the answer, and the
   * caller compares the entry's id. Throws a `StorageError` `damaged` when the id index does not
   * match its checksums.
   */
  seqOfId(id: string): number | null;

  /**
   * Running CRC-32 of the records' bytes up to this durable index; 0 for index 0. Rejects like
   * `read`.
   */
  checksumAt(index: number): Promise<number>;

  /** Waits for the writes in progress and closes the files. */
  close(): Promise<void>;
}

/**
 * - `full`: nothing was written; it works again when there is room, or a free file descriptor.
 *   `failed`: a file operation failed.
 * - `locked`: another process has the folder. `closed`: this store is closed.
 * - `damaged`: a file does not match its checksums. `rolled-back`: the log ends below its commit.
 * - `unknown-format`: a later version wrote the store.
 */
type StorageErrorCode = 'full' | 'failed' | 'locked' | 'damaged' | 'rolled-back' | 'unknown-format' | 'closed';

/** A failed operation of the store. */
export class StorageError extends Error {
  readonly code: StorageErrorCode;
  /** EX_IOERR of sysexits.h: the exit code of a process that cannot open its store. */
  readonly exitCode = 74;
  /** No later write can succeed: the process must be restarted. */
  readonly fatal: boolean;

  constructor(message: string, options: ErrorOptions & { code: StorageErrorCode; fatal: boolean }) {
    super(message, { cause: options.cause });
    this.name = 'StorageError';
    this.code = options.code;
    this.fatal = options.fatal;
  }
}
