/**
 * Looking at other processes of this machine: who they are, what they started, when they are gone.
 * Linux answers from /proc (a slim image has no ps), other systems from ps. A pid alone names
 * nobody, since the system uses it again: together with its start time it does.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

interface ObservedProcess {
  /** Opaque; equal only for the same process. */
  readonly start: string;
  readonly commandLine: string;
}

const HAS_PROC = existsSync('/proc/self/stat');

/** Between two looks at a process which is not our child, so that no event tells of its end. */
const LOOK_MS = 25;

/** undefined: no such process, or it has ended and only waits to be collected. */
export function observe(pid: number): ObservedProcess | undefined {
  return HAS_PROC ? observeProc(pid) : observePs(pid);
}

function observeProc(pid: number): ObservedProcess | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  const commandLine = readProc(`/proc/${pid}/cmdline`);
  if (stat === undefined || commandLine === undefined) return undefined;
  const { state, start } = parseStat(stat);
  return state === 'Z' || state === 'X' ? undefined : { start, commandLine: commandLine.replaceAll('\0', ' ').trim() };
}

/**
 * The name, in parentheses, may hold anything; what follows the last parenthesis is state, parent …
 * start (proc(5)).
 */
function parseStat(stat: string): { state: string; parent: number; start: string } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parent: Number(fields[1]), start: fields[19] ?? '' };
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

function observePs(pid: number): ObservedProcess | undefined {
  const line = ps(['-o', 'lstart=,command=', '-p', String(pid)]);
  // lstart is 24 characters wide on every ps that has it: "Fri Nov 20 04:58:03 2026".
  return line === '' ? undefined : { start: line.slice(0, 24), commandLine: line.slice(24).trim() };
}

function ps(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', timeout: 3_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    // ps exits with 1 when it has found nothing.
    if ((error as { status?: number | null }).status === 1) return '';
    throw error;
  }
}

/** Children, their children and so on; those whose parent has already ended are not found. */
export function descendants(root: number): number[] {
  const parents = parentsOfAll();
  const found = [root];
  for (const parent of found) {
    for (const [pid, itsParent] of parents) if (itsParent === parent) found.push(pid);
  }
  return found.slice(1);
}

function parentsOfAll(): [pid: number, parent: number][] {
  if (!HAS_PROC) {
    const lines = ps(['-axo', 'pid=,ppid=']).split('\n');
    return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readProc(`/proc/${name}/stat`);
      return stat === undefined ? [] : [[Number(name), parseStat(stat).parent] as [number, number]];
    });
}

/**
 * The processes among `pids` that still live when the time is over; empty as soon as all are gone.
 */
export async function awaitGone(pids: readonly number[], boundMs: number): Promise<number[]> {
  const deadline = Date.now() + boundMs;
  for (;;) {
    const alive = pids.filter((pid) => observe(pid) !== undefined);
    if (alive.length === 0 || Date.now() >= deadline) return alive;
    await delay(LOOK_MS);
  }
}
