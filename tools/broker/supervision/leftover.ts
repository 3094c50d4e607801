/**
 * Who runs, or ran, a broker on a data folder. The supervisor writes a record into the folder
 * before it starts anything and removes it as its last act; a record that is found at a start
 * therefore means one of
 *
 *   in use     the supervisor and the process that asked for it both live: theirs, not ours to touch
 *   ending     the supervisor lives and its owner does not: it is about to stop the broker by itself
 *   leftover   the supervisor is gone (it was killed): the broker it started may live on and has to be stopped by us
 *
 * A recorded process counts as alive only if pid, start time and a word of its command line all
 * agree; a pid that the system has given to somebody else is left alone.
 */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerError } from '../errors';
import { awaitGone, type ObservedProcess, observe, signalProcess } from './processes';

export interface RecordedProcess {
  readonly pid: number;
  readonly start: string;
  /** A part of its command line that no foreign process would have. */
  readonly mark: string;
}

export interface RunRecord {
  /** Who asked for the broker. */
  readonly owner: RecordedProcess;
  readonly supervisor: RecordedProcess;
  /** What the supervisor started: the broker first. Empty for a container. */
  readonly started: readonly RecordedProcess[];
}

export type RunState =
  | { readonly state: 'in-use'; readonly owner: number }
  | { readonly state: 'ending'; readonly supervisor: number }
  | { readonly state: 'leftover'; readonly left: readonly number[] };

type Look = (pid: number) => ObservedProcess | undefined;

const RECORD_FILE = 'running.json';

/** An orderly stop takes 1–3 s and is bounded by 8 s; then the supervisor is stuck. */
const ENDING_MS = 10_000;

/**
 * A leftover broker closes its queues within a tenth of a second of SIGTERM; nobody waits for the
 * rest of its end.
 */
const LEFTOVER_MS = 2_000;

export function recorded(pid: number, mark: string): RecordedProcess | undefined {
  const observed = observe(pid);
  return observed && { pid, start: observed.start, mark };
}

export function judgeRun(record: RunRecord, look: Look): RunState {
  if (!lives(record.supervisor, look)) return { state: 'leftover', left: leftOf(record, look) };
  if (lives(record.owner, look)) return { state: 'in-use', owner: record.owner.pid };
  return { state: 'ending', supervisor: record.supervisor.pid };
}

function leftOf(record: RunRecord, look: Look): number[] {
  return record.started.filter((process) => lives(process, look)).map(({ pid }) => pid);
}

function lives({ pid, start, mark }: RecordedProcess, look: Look): boolean {
  const observed = look(pid);
  return observed !== undefined && observed.start === start && observed.commandLine.includes(mark);
}

/**
 * Makes a data folder free: waits for a run that is ending, stops a leftover.
 * @throws BrokerError `already-running` when a live process uses it.
 */
export async function clearRun(dataDir: string, log: (line: string) => void): Promise<void> {
  const record = readRecord(dataDir);
  if (record === undefined) return;
  const run = judgeRun(record, observe);
  if (run.state === 'in-use') {
    throw new BrokerError('already-running', `A broker is already running on ${dataDir}, for process ${run.owner}.`);
  }
  if (run.state === 'ending') {
    log('waiting for the broker of an earlier run to stop');
    const stuck = await awaitGone([run.supervisor], ENDING_MS);
    for (const pid of stuck) signalProcess(pid, 'SIGKILL');
  }
  const left = leftOf(record, observe);
  if (left.length > 0) {
    log(`stopping the broker that an earlier run left behind (process ${left.join(', ')})`);
    await stopAll(left);
  }
  forgetRun(dataDir);
}

async function stopAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signalProcess(pid, 'SIGTERM');
  const stubborn = await awaitGone(pids, LEFTOVER_MS);
  for (const pid of stubborn) signalProcess(pid, 'SIGKILL');
  const immortal = await awaitGone(stubborn, 2_000);
  if (immortal.length > 0) throw new BrokerError('start-failed', `process ${immortal.join(', ')} cannot be stopped`);
}

/** @throws EEXIST when there is a record: of two that start at once, one gets the folder. */
export function claimRun(dataDir: string, record: RunRecord): void {
  writeFileSync(join(dataDir, RECORD_FILE), JSON.stringify(record), { flag: 'wx' });
}

/** By rename: a reader finds the old record or the new one, never half of it. */
export function updateRun(dataDir: string, record: RunRecord): void {
  const path = join(dataDir, RECORD_FILE);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}

export function forgetRun(dataDir: string): void {
  rmSync(join(dataDir, RECORD_FILE), { force: true });
}

/**
 * A record cut short by a crash says nothing usable, and the broker it would name was not started
 * yet.
 */
function readRecord(dataDir: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, RECORD_FILE), 'utf8')) as RunRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    forgetRun(dataDir);
    return undefined;
  }
}
