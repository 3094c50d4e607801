/**
 * Locks the folder of a store for one process. The lock is a file, made with O_EXCL, that names its
 * holder (lock-holder.ts). The holder overwrites it every second: its heartbeat.
 *
 * A start that finds a lock decides so:
 *
 *     holder in this PID namespace, runs         refused at once
 *     holder in this PID namespace, has ended    taken over at once, as after a kill -9
 *     any other: another container or machine,   watched for five seconds: refused when the lock
 *     a boot before this one, a torn lock        changes, taken over when it does not
 *
 * No clocks are compared, and nothing but the creation of a file and a write is asked of the file
 * system. Rejected: flock(2), which Node does not have; link(2), which exFAT, SMB and the shared
 * folders of virtual machines refuse; a listening socket in the folder, because most of those have
 * no sockets, and the socket of a live holder on another machine looks like that of a dead one, so
 * the heartbeat would be needed beside it.
 *
 * A holder that was stopped for long (a paused container) may have lost the lock. So it checks its
 * lock at each heartbeat, and before each write that comes late after one; a lock that is lost ends
 * the process.
 *
 * Only the process that holds a second lock, the guard, may remove an abandoned lock, and it reads
 * the lock once more before it does; so no process removes a lock that a faster one has taken. (The
 * remaining race: a process is killed in the millisecond in which it holds the guard, while two
 * others start.)
 */
import { readFileSync } from 'node:fs';
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StorageError } from '#storage/log-store';
import { storageFault } from '#storage/storage-fault';
import { errorCode } from '../file-system';
import { encodeHolder, type Holder, isAlive, isVisible, newHolder, parseHolder } from './lock-holder';

/** A lock that is held. */
export interface StoreLock {
  /** Pid of the process whose abandoned lock was taken over; null when there was no lock. */
  readonly takenFrom: number | null;
  /**
   * Throws a `StorageError` when another process has taken the lock over meanwhile (`locked`), or
   * when that cannot be found out. Costs nothing while the heartbeats are in time.
   */
  check(): void;
  release(): Promise<void>;
}

/** What a start waits for: fields of a log line. */
export interface LockWait {
  /** Pid and host of the process that had the lock; null when the lock does not say. */
  readonly holder: { readonly pid: number; readonly host: string } | null;
  readonly waitMs: number;
}

/** All are optional; the durations, in milliseconds, are for tests. */
export interface LockOptions {
  readonly beatMs?: number;
  /** Longer than three heartbeats. */
  readonly watchMs?: number;
  /** Called when the start has to watch the lock. */
  readonly onWait?: (wait: LockWait) => void;
  /** Called once, when another process has taken the lock over. */
  readonly onLost?: (error: StorageError) => void;
}

/**
 * Two processes that start at the same moment may both have to try again; more attempts than this
 * mean that something else is wrong.
 */
const ATTEMPTS_MAX = 10;
const BEAT_MS = 1_000;
/** Five heartbeats, so that a busy disk may delay some. */
const WATCH_MS = 5_000;
/** Looks at a lock that is watched. */
const LOOKS = 20;

/**
 * Takes the folder's lock. Rejects with a `StorageError` `locked` whose message names the process
 * that holds it; nothing in the folder was changed then.
 */
export async function takeStoreLock(directory: string, options: LockOptions = {}): Promise<StoreLock> {
  const path = join(directory, 'lock');
  const own = newHolder();
  let takenFrom: number | null = null;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const file = await createLock(path, own);
    if (file !== null) return new HeldLock({ path, own, file, options, takenFrom });
    const abandoned = await abandonedLock(path, options);
    if (abandoned === null || !(await removeAbandoned(path, abandoned, { own, options }))) continue;
    takenFrom = parseHolder(abandoned)?.pid ?? 0;
  }
  throw new StorageError(`${directory}: the lock changes hands all the time`, { code: 'locked', fatal: true });
}

class HeldLock implements StoreLock {
  readonly takenFrom: number | null;
  /** The lock is known to be held at this time, by the monotonic clock in milliseconds. */
  private heldAt = performance.now();
  private beats = 0;
  private timer: NodeJS.Timeout | undefined;
  private beating: Promise<void> = Promise.resolve();
  private loss: StorageError | null = null;

  constructor(
    private readonly parts: {
      readonly path: string;
      readonly own: Holder;
      readonly file: FileHandle;
      readonly options: LockOptions;
      readonly takenFrom: number | null;
    },
  ) {
    this.takenFrom = parts.takenFrom;
    this.beatSoon();
  }

  check(): void {
    if (this.loss !== null) throw this.loss;
    if (!this.isLate()) return;
    const { path } = this.parts;
    let text: string | null;
    try {
      text = readFileSync(path, 'utf8');
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT') throw storageFault(`${path} could not be read`, cause);
      text = null;
    }
    if (!this.isOwn(text)) throw this.lose();
  }

  async release(): Promise<void> {
    clearTimeout(this.timer);
    const { path, file } = this.parts;
    await this.beating;
    clearTimeout(this.timer);
    await file.close();
    if (this.isOwn(await readIfThere(path))) await unlink(path);
  }

  /** Does not keep the process alive. */
  private beatSoon(): void {
    this.timer = setTimeout(() => {
      this.beating = this.beat();
    }, this.parts.options.beatMs ?? BEAT_MS).unref();
  }

  /**
   * A heartbeat that fails is tried again; a lock that cannot be read, for want of a descriptor, is
   * still this one's if the heartbeats were in time.
   */
  private async beat(): Promise<void> {
    const { path, own, file } = this.parts;
    const now = performance.now();
    try {
      const text = await readIfThere(path).catch((error: unknown) => {
        if (this.isLate()) throw error;
        return encodeHolder(own, this.beats);
      });
      if (!this.isOwn(text)) {
        this.lose();
        return;
      }
      this.beats += 1;
      await file.write(encodeHolder(own, this.beats), 0);
      this.heldAt = now;
    } catch (error) {
      if (errorCode(error) === '') throw error;
    }
    this.beatSoon();
  }

  /** Whether so much time has passed since the last heartbeat that the lock may be lost soon. */
  private isLate(): boolean {
    return performance.now() - this.heldAt > 2 * (this.parts.options.beatMs ?? BEAT_MS);
  }

  private isOwn(text: string | null): boolean {
    return text !== null && parseHolder(text)?.nonce === this.parts.own.nonce;
  }

  private lose(): StorageError {
    const { path, options } = this.parts;
    if (this.loss !== null) return this.loss;
    const what = `${path} is not the lock of this process any more: it was stopped for long, and another process has the folder`;
    this.loss = new StorageError(what, { code: 'locked', fatal: true });
    options.onLost?.(this.loss);
    return this.loss;
  }
}

/** Creates the lock and resolves with its open file; null when there is a lock. */
async function createLock(path: string, own: Holder): Promise<FileHandle | null> {
  const file = await openNew(path);
  if (file === null) return null;
  try {
    await file.write(encodeHolder(own, 0), 0);
    return file;
  } catch (error) {
    await file.close();
    await unlink(path);
    throw error;
  }
}

async function openNew(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'wx', 0o640);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return null;
    throw error;
  }
}

/**
 * The content of the lock when its holder has ended; null when the lock is gone or another one, so
 * that it is looked at again. Rejects with `locked` when its holder runs.
 */
async function abandonedLock(path: string, { onWait, watchMs = WATCH_MS }: LockOptions): Promise<string | null> {
  const found = await readIfThere(path);
  if (found === null) return null;
  const holder = parseHolder(found);
  if (holder !== null && isVisible(holder)) {
    if (isAlive(holder)) throw lockedBy(path, holder);
    return found;
  }
  onWait?.({ holder: holder === null ? null : { pid: holder.pid, host: holder.host }, waitMs: watchMs });
  for (let look = 1; look <= LOOKS; look += 1) {
    await pause(watchMs / LOOKS);
    const now = await readIfThere(path);
    if (now === found) continue;
    if (now !== null && holder !== null && parseHolder(now)?.nonce === holder.nonce) throw lockedBy(path, holder);
    return null;
  }
  return found;
}

/**
 * Removes the lock if it is still the abandoned one; resolves with false when it must be looked at
 * again. Rejects with `locked` when a process that runs is doing the same.
 */
async function removeAbandoned(
  path: string,
  found: string,
  { own, options }: { readonly own: Holder; readonly options: LockOptions },
): Promise<boolean> {
  const guard = `${path}.takeover`;
  const file = await createLock(guard, own);
  if (file === null) {
    if ((await abandonedLock(guard, options)) !== null) await unlinkIfThere(guard);
    return false;
  }
  await file.close();
  const isSame = (await readIfThere(path)) === found;
  if (isSame) await unlink(path);
  await unlink(guard);
  return isSame;
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function lockedBy(path: string, holder: Holder): StorageError {
  const where = isVisible(holder)
    ? ''
    : ` on ${holder.host}, in another container or on another machine: its heartbeat was seen`;
  const what = `${dirname(path)} is in use by process ${holder.pid}${where}`;
  return new StorageError(what, { code: 'locked', fatal: true });
}
