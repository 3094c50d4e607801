/**
 * Describes the process that holds the lock of a folder, and tells whether it still runs.
 *
 * A pid means something only to the processes of the same PID namespace of the same boot: in each
 * container the node can be pid 1. So a holder also names its boot and its namespace. Of a holder
 * in this process's namespace it is known at once whether it runs, by its pid and its start time,
 * because pids are reused. Of any other nothing can be said (lock.ts watches its heartbeat).
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errorCode } from '../file-system';

/** The content of a lock file, as one line of JSON. */
export interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks since boot; '' where that is not known. */
  readonly started: string;
  /** Id of the machine's boot, or the host's name where there is none. */
  readonly boot: string;
  /** PID namespace of the process; '' where there are none. */
  readonly namespace: string;
  /** Host name, for messages: in a container its id. */
  readonly host: string;
  /** Random, so that two locks of one process differ. */
  readonly nonce: string;
}

/** This process as the holder of a new lock. */
export function newHolder(): Holder {
  return {
    pid: process.pid,
    started: statOf(process.pid).started,
    ...place(),
    host: hostname(),
    nonce: randomBytes(8).toString('hex'),
  };
}

/** The lock's content after this many heartbeats; its length does not change. */
export function encodeHolder(holder: Holder, beats: number): string {
  return JSON.stringify({ ...holder, beats: String(beats).padStart(12, '0') });
}

/**
 * Null when the text is not a lock of this version: one that is just being written, one that was
 * cut short by a kill or a full disk, or one of an earlier version.
 */
export function parseHolder(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    const { started, boot, namespace, host, nonce } = holder ?? {};
    const isWhole = [started, boot, namespace, host, nonce].every((field) => typeof field === 'string');
    return isWhole && Number.isSafeInteger(holder?.pid) ? (holder as Holder) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Whether `isAlive` can tell: the holder is or was in this process's PID namespace. */
export function isVisible({ boot, namespace }: Holder): boolean {
  const own = place();
  return boot === own.boot && namespace === own.namespace;
}

/** Whether the process of a visible holder still runs. */
export function isAlive({ pid, started }: Holder): boolean {
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

/** Pid of the running process that holds the lock with this content; null when none is visible. */
export function runningHolderOf(lock: string): number | null {
  const holder = parseHolder(lock);
  return holder !== null && isVisible(holder) && isAlive(holder) ? holder.pid : null;
}

function place(): Pick<Holder, 'boot' | 'namespace'> {
  return {
    boot: textOr(hostname(), () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    namespace: textOr('', () => readlinkSync('/proc/self/ns/pid')),
  };
}

/** States in which a process still has its pid but has ended: zombie, dead (proc(5)). */
const ENDED_STATES: ReadonlySet<string> = new Set(['Z', 'X']);

/**
 * State and start time of a process, fields 3 and 22 of /proc/<pid>/stat (proc(5)); '' where there
 * is no such file. Field 2, the command, is in parentheses and may hold any character.
 */
function statOf(pid: number): { readonly state: string; readonly started: string } {
  const stat = textOr('', () => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', started: fields[19] ?? '' };
}

function textOr(fallback: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) !== '') return fallback;
    throw error;
  }
}
