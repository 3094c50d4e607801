/**
 * One process for one folder. The lock is a file that names its holder: pid, and on Linux the
 * moment that the process started (/proc), since pids are used again. A lock whose holder is gone,
 * after a kill or a power loss, is taken over.
 *
 * Only the process that has a second lock, the guard, may remove an abandoned one, and it looks
 * again before it does: so nobody removes the lock of another who was faster. (Left over: a process
 * killed in the millisecond in which it has the guard, and two others that start at that very
 * moment.) A folder shared by machines or containers that do not see each other's processes is not
 * protected; the broker's exclusive queues keep a node from running twice there.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../log-store';
import { errorCode } from './file-system';

interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks since the machine's; '' where that cannot be known. */
  readonly started: string;
}

export interface StoreLock {
  /** Process whose abandoned lock was taken over; null: there was none. */
  readonly takenFrom: number | null;
  release(): Promise<void>;
}

/**
 * Two who start at the same moment may both have to look again; more rounds than that mean
 * something else is wrong.
 */
const ATTEMPTS_MAX = 10;

/**
 * Takes the folder's lock. Rejects with a `StorageError` `locked` that names the process that has
 * it.
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

/** Pid of the process that runs with the folder, by the content of its lock; null: none does. */
export function runningHolderOf(lock: string): number | null {
  const holder = parseHolder(lock);
  return holder !== null && isAlive(holder) ? holder.pid : null;
}

/**
 * False: there is one. The content appears with the name: it is written beside and linked, so
 * nobody ever sees an empty lock.
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
 * Removes the lock if it is still the abandoned one. The pid of another process that is doing the
 * same, or null.
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

/** Null: not a lock of ours, for instance cut short by a full disk; then nobody holds it. */
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

/** A process that has ended and that nobody has waited for yet still has its pid. */
const ENDED_STATES: ReadonlySet<string> = new Set(['Z', 'X']);

/**
 * State and start of a process: the 3rd and the 22nd field of /proc/<pid>/stat; '' where there is
 * none. The second, the command, is in parentheses and may hold anything.
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
