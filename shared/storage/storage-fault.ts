/**
 * Which failed file operation means what. Out of room is the only fault that passes by itself: the
 * write is undone and works again later. Any other failed write, and every failed sync, is fatal:
 * after a failed fsync the kernel may have dropped the dirty pages and call the next fsync a
 * success, so nothing that this process still believes about the file can be trusted ("Can
 * Applications Recover from fsync Failures?", USENIX ATC 2020).
 */
import { errorCode } from './disk/file-system';
import { StorageError } from './log-store';

const OUT_OF_ROOM = new Set(['ENOSPC', 'EDQUOT']);

export function isOutOfRoom(error: unknown): boolean {
  return OUT_OF_ROOM.has(errorCode(error));
}

/** The store can write no more. */
export function fatalFault(what: string, cause: unknown): StorageError {
  if (cause instanceof StorageError && cause.fatal) return cause;
  return new StorageError(`${what}: ${messageOf(cause)}`, { cause, code: 'failed', fatal: true });
}

/** Nothing was written; later writes may succeed. */
export function fullFault(what: string, cause: unknown): StorageError {
  return new StorageError(`${what}: no room on the disk`, { cause, code: 'full', fatal: false });
}

/** What is on the disk is not what was written. */
export function damagedFault(what: string, cause?: unknown): StorageError {
  return new StorageError(what, { cause, code: 'damaged', fatal: true });
}

export function closedFault(): StorageError {
  return new StorageError('the log store is closed', { code: 'closed', fatal: true });
}

/** A fault after which the store works on. */
export function isPassing(fault: unknown): fault is StorageError {
  return fault instanceof StorageError && !fault.fatal;
}

/** Anything that was thrown, as a `StorageError`. */
export function storageFault(what: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  return isOutOfRoom(cause) ? fullFault(what, cause) : fatalFault(what, cause);
}

function messageOf(error: unknown): string {
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return String(hasMessage ? error.message : error);
}
