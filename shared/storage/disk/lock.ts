/**
 * Locks the folder of a store for one process. The lock is a file that names its holder: pid, and
 * on Linux the start time of the process (/proc/<pid>/stat), because pids are reused. A lock whose
 * holder no longer runs, after a kill or a power loss, is taken over.
 *
 * Only the process that holds a second lock, the guard, may remove an abandoned lock, and it reads
 * the lock once more before it does; so no process removes a lock that a faster one has taken. (The
 * remaining race: a process is killed in the millisecond in which it holds the guard, while two
 * others start.) A folder shared by machines or containers that do not see each other's processes
 * is not protected; there the broker's exclusive queues keep a node from running twice.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../log-store';
import { errorCode } from './file-system';

interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks since boot; '' where that is not known. */
  readonly started: string;
}

/** A lock that is held. */
export interface StoreLock {
  /** Pid of the process whose abandoned lock was taken over; null when there was no lock. */
  readonly takenFrom: number | null;
  release(): Promise<void>;
}

/**
 * Two processes that start at the same moment may both have to try again; more attempts than this
 * mean that something else is wrong.
 */
const ATTEMPTS_MAX = 10;

/**
 * Takes the folder's lock. Rejects with a `StorageError` `locked` whose message names the pid of
 * the process that holds it.
 */
export async function takeStoreLock(directory: string): Promise<StoreLock> {
  const path = join(directory, 'lock');
  const own = JSON.stringify({ pid: process.pid, started: statOf(process.pid).started } satisfies Holder);
  let takenFrom: number | null = null;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    if (await createLock(path, own)) return { takenFrom, release: () => releaseLock(path, own) };
    const found = await readIfThere(path);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== null && isAlive(holder)) throw lockedBy(directory, holder.pid);
    const other = await removeAbandoned(path, found, own);
    if (other !== null) throw lockedBy(directory, other);
    takenFrom = holder?.pid ?? 0;
  }
  throw new StorageError(`${directory}: the lock changes hands all the time`, { code: 'locked', fatal: true });
}

/** Pid of the running process that holds the lock with this content; null when there is none. */
export function runningHolderOf(lock: string): number | null {
  const holder = parseHolder(lock);
  return holder !== null && isAlive(holder) ? holder.pid : null;
}

/**
 * Creates the lock; resolves with false when there is one. The content is written to another file
 * that is then linked, so no process ever reads an empty lock.
 */
async function createLock(path: string, own: string): Promise<boolean> {
  const beside = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(beside, own);
  try {
    await link(beside, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(beside);
  }
}

/**
 * Removes the lock if it is still the abandoned one. Resolves with the pid of another process that
 * is doing the same, or null.
 */
async function removeAbandoned(path: string, found: string, own: string): Promise<number | null> {
  const guard = `${path}.takeover`;
  if (await createLock(guard, own)) {
    if ((await readIfThere(path)) === found) await unlink(path);
    await unlink(guard);
    return null;
  }
  const text = await readIfThere(guard);
  const other = text === null ? null : parseHolder(text);
  if (other !== null && isAlive(other)) return other.pid;
  if (text !== null) await unlinkIfThere(guard);
  return null;
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function releaseLock(path: string, own: string): Promise<void> {
  if ((await readIfThere(path)) === own) await unlink(path);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Null when the text is not a lock, for instance one cut short by a full disk; such a lock counts
 * as abandoned.
 */
function parseHolder(text: string): Holder | null {
  try {
    const { pid, started } = JSON.parse(text) as { readonly pid?: unknown; readonly started?: unknown };
    return Number.isSafeInteger(pid) && typeof started === 'string' ? { pid: pid as number, started } : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  const { state, started: now } = statOf(pid);
  if (ENDED_STATES.has(state)) return false;
  return now === '' || started === '' || now === started;
}

/** States in which a process still has its pid but has ended: zombie, dead (proc(5)). */
const ENDED_STATES: ReadonlySet<string> = new Set(['Z', 'X']);

/**
 * State and start time of a process, fields 3 and 22 of /proc/<pid>/stat (proc(5)); '' where there
 * is no such file. Field 2, the command, is in parentheses and may hold any character.
 */
function statOf(pid: number): { readonly state: string; readonly started: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch (error) {
    if (errorCode(error) !== '') return { state: '', started: '' };
    throw error;
  }
}

function lockedBy(directory: string, pid: number): StorageError {
  return new StorageError(`${directory} is in use by process ${pid}`, { code: 'locked', fatal: true });
}
