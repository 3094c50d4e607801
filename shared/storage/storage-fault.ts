/**
 * Classifies failed file operations. A full disk is temporary, and so is a process or machine that
 * has no file descriptor left: the write is undone, and writes succeed again later. Any other
 * failed write, and every failed sync, is fatal: after a failed fsync the kernel may have dropped
 * the dirty pages and report success for the next fsync, so the process cannot know the state of
 * the file any more ("Can Applications Recover from fsync Failures?", USENIX ATC 2020).
 *
 * `what` is in each function the operation or finding that the error's message begins with.
 */
import { errorCode } from './disk/file-system';
import { type Shortage, StorageError } from './log-store';

const OUT_OF_DESCRIPTORS = new Set(['EMFILE', 'ENFILE']);
const OUT_OF_ROOM = new Set(['ENOSPC', 'EDQUOT', ...OUT_OF_DESCRIPTORS]);

/** Whether a file operation failed because the disk, the quota or the descriptors are used up. */
export function isOutOfRoom(error: unknown): boolean {
  return OUT_OF_ROOM.has(errorCode(error));
}

/** A fatal `StorageError` `failed`; `cause` itself when it is fatal already. */
export function fatalFault(what: string, cause: unknown): StorageError {
  if (cause instanceof StorageError && cause.fatal) return cause;
  return new StorageError(`${what}: ${messageOf(cause)}`, { cause, code: 'failed', fatal: true });
}

/** A `StorageError` `full`: nothing was written, and later writes may succeed. */
export function fullFault(what: string, cause: unknown): StorageError {
  return new StorageError(`${what}: ${whyFull(errorCode(cause))}`, { cause, code: 'full', fatal: false });
}

/** A `StorageError` `full`: nothing was written, for the disk has less free than it is to keep. */
export function tooLittleRoom(what: string, { freeBytes, freeBytesMin }: Shortage): StorageError {
  const why = `${freeBytes} bytes are free on the disk, and DISK_FREE_MIN keeps ${freeBytesMin} free`;
  return new StorageError(`${what}: ${why}`, { code: 'full', fatal: false });
}

/** A fatal `StorageError` `damaged`: the disk does not hold what was written. */
export function damagedFault(what: string, cause?: unknown): StorageError {
  return new StorageError(what, { cause, code: 'damaged', fatal: true });
}

/** A fatal `StorageError` `closed`. */
export function closedFault(): StorageError {
  return new StorageError('the log store is closed', { code: 'closed', fatal: true });
}

/** Whether the store still works after this fault. */
export function isPassing(fault: unknown): fault is StorageError {
  return fault instanceof StorageError && !fault.fatal;
}

/** Any thrown value as a `StorageError`: `full` for a full disk, otherwise `failed`. */
export function storageFault(what: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  return isOutOfRoom(cause) ? fullFault(what, cause) : fatalFault(what, cause);
}

function whyFull(code: string): string {
  if (OUT_OF_DESCRIPTORS.has(code)) return 'no file descriptor is free';
  return code === 'EDQUOT' ? 'the quota of the disk is used up' : 'no room on the disk, or no inode';
}

function messageOf(error: unknown): string {
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return String(hasMessage ? error.message : error);
}
