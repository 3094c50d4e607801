/**
 * The port of the log store: what a node asks of the place that holds its log. Two implementations,
 * one contract suite (tests/contract/log-store.ts): `memory`, lost with the process, and `disk`,
 * segment files.
 *
 * One writer: the node's own machine, which hands records over in order. Any number of readers.
 */

import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';

export interface ReadLimits {
  /** Last index wanted, inclusive. */
  readonly to: number;
  /** Stops after the record that passes this many bytes; at least one record is read. */
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** Entries as one piece. */
export interface EntryBytes {
  /** The JSON bytes of each, one separator between two. */
  readonly bytes: Uint8Array;
  /** Number of entries. */
  readonly count: number;
}

export interface LogStore {
  /** Made when the store was created; a wiped store has another one. */
  readonly storeId: string;
  readonly kind: 'memory' | 'disk';
  /**
   * The log's shape when the store was opened. The caller keeps its own copy up to date from then
   * on.
   */
  readonly opened: LogOutline;
  /**
   * As last saved. As opened, its identity is the longer one of what was saved and what the records
   * say.
   */
  readonly promised: Promised;
  /**
   * An operator has permitted that this node begins a log (begin-permission.ts), and the store held
   * no list of members when it was opened.
   */
  readonly mayBegin: boolean;
  /** Highest index that is durable here. */
  readonly durableIndex: number;
  /** Running CRC-32 of the records' bytes up to the durable index, 0 for none. */
  readonly checksum: number;

  /**
   * Appends records that follow the last appended one. Resolves when they are durable; calls made
   * meanwhile are made durable together (group commit), and resolve in order. Rejects with a
   * `StorageError`; after one that says `fatal` every later write rejects too, for what a failed
   * fsync left on disk is not known. After `full` every append still pending rejects as well, and
   * the next one is expected to follow `durableIndex`.
   */
  append(records: readonly LogRecord[]): Promise<void>;

  /**
   * Makes the promise durable, its identity first. Resolves when it is. Its commit must not be
   * above `durableIndex`: a store that ends below its commit is taken for one that was rolled back.
   * Rejects with an error that is no `StorageError` when the identity is not the one saved before,
   * or a later branch of it.
   */
  savePromise(promised: Promised): Promise<void>;

  /**
   * The next open makes a new store, with a new id, of what this one holds. Resolves when that is
   * durable.
   */
  renew(): Promise<void>;

  /** Takes the permission to begin a log away, durably; without one it only resolves. */
  consumePermission(): Promise<void>;

  /**
   * Forgets every record after `index`, durably, behind the appends made before the call; for reads
   * and ids at once. A crash before it resolves may leave the longer log. A failure is always
   * fatal.
   */
  truncateAfter(index: number): Promise<void>;

  /**
   * Records from `from` (index) on, in order; may return fewer than the limits allow, none only
   * when `from` is beyond the end or `to`. Reads what is appended, durable or not. Rejects with a
   * `StorageError` `damaged` that names the record.
   */
  read(from: number, limits: ReadLimits): Promise<readonly LogRecord[]>;

  /**
   * The entries among the records that `read` would give, as the bytes that readers get, a byte
   * `separator` between two: none of them becomes an object on the way. Rejects like `read`.
   */
  readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes>;

  /**
   * Seq of the entry with this id among all that was appended; null: none. Answers at once. An id
   * of the generated form is not looked up but computed: when its reign wrote the entry at its seq,
   * that seq is the answer, and the caller compares the entry's id. Throws a `StorageError`
   * `damaged` when the index of ids does not match its checksums.
   */
  seqOfId(id: string): number | null;

  /**
   * Running CRC-32 of the records' bytes up to this durable index; 0 for index 0. Rejects like
   * `read`.
   */
  checksumAt(index: number): Promise<number>;

  /** Waits for the writes under way and closes the files. */
  close(): Promise<void>;
}

type StorageErrorCode = 'full' | 'failed' | 'locked' | 'damaged' | 'rolled-back' | 'unknown-format' | 'closed';

/**
 * A failed operation of the store. `code` `full`: nothing was written, and it works again when
 * there is room.
 */
export class StorageError extends Error {
  readonly code: StorageErrorCode;
  /** EX_IOERR of sysexits.h: how a process ends that cannot open its store. */
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
