/**
 * One process for one folder. The lock is a file that names its holder: pid, and on Linux the moment that the process started
 * (/proc), since pids are used again. A lock whose holder is gone, after a kill or a power loss, is taken over.
 *
 * Taking over is a rename, which only one of two can win, and what was moved away is looked at again: if it was not the dead lock
 * but one that another process has just made, it is put back. A folder shared by machines or containers that do not see
 * each other's processes is not protected; the broker's exclusive queues keep a node from running twice there.
 */
import { readFileSync } from 'node:fs';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './file-system';
import { StorageError } from './log-store';

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

/** Two who start at the same moment may both have to look again; more rounds than that mean something else is wrong. */
const ATTEMPTS_MAX = 10;

/** Takes the folder's lock. Rejects with a `StorageError` `locked` that names the process that has it. */
export async function takeStoreLock(directory: string): Promise<StoreLock> {
  const path = join(directory, 'lock');
  const own = JSON.stringify({ pid: process.pid, started: startOf(process.pid) } satisfies Holder);
  let takenFrom: number | null = null;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    if (await createLock(path, own)) return { takenFrom, release: () => releaseLock(path, own) };
    const found = await readIfThere(path);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== null && isAlive(holder)) throw lockedBy(directory, holder.pid);
    if (await removeAbandoned(path, found)) takenFrom = holder?.pid ?? 0;
  }
  throw new StorageError(`${directory}: the lock changes hands all the time`, { code: 'locked', fatal: true });
}

/** The content appears with the name: it is written beside and linked, so nobody ever sees an empty lock. */
async function createLock(path: string, own: string): Promise<boolean> {
  const beside = `${path}.${process.pid}`;
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

async function removeAbandoned(path: string, found: string): Promise<boolean> {
  const aside = `${path}.abandoned.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  const isTheSame = (await readIfThere(aside)) === found;
  if (!isTheSame) await link(aside, path);
  await unlink(aside);
  return isTheSame;
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
  const now = startOf(pid);
  return now === '' || started === '' || now === started;
}

/** The 22nd field of /proc/<pid>/stat; the second, the command, is in parentheses and may hold anything. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch (error) {
    if (errorCode(error) !== '') return '';
    throw error;
  }
}

function lockedBy(directory: string, pid: number): StorageError {
  return new StorageError(`${directory} is in use by process ${pid}`, { code: 'locked', fatal: true });
}
