/**
 * What a test run has left running, wherever it is in the tree of processes: every process that was
 * started in the run has inherited a variable from it, and Linux shows a process's environment in
 * /proc. Other systems do not, so nothing is found there; the broker and the nodes of `npm start`
 * end with their owner everywhere.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { signalProcess } from '../signal-process';

export const RUN_VARIABLE = 'REPLICATED_LOG_TEST_RUN';

/**
 * Between two looks at processes that are not our children, so that no event tells of their end.
 */
const LOOK_MS = 100;

export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * @param run the variable's value
 * @param boundMs how long they may take to end by themselves
 * @returns empty as soon as none is left
 */
export async function awaitNoneLeft(run: string, boundMs: number): Promise<readonly LeftProcess[]> {
  const deadline = Date.now() + boundMs;
  for (;;) {
    const left = findLeft(run);
    if (left.length === 0 || Date.now() >= deadline) return left;
    await delay(LOOK_MS);
  }
}

/**
 * In order if they end within the bound, by force if not. Nothing is sent to a broker's leash
 * and to what it has started: its owner's end makes it stop the broker, and a `docker stop` that is
 * cut short would leave the container running.
 */
export async function endLeft(run: string, boundMs: number): Promise<void> {
  const ours = findLeft(run).filter(({ command }) => /^\S*node /.test(command) && !/leash\.[jt]s /.test(command));
  for (const { pid } of ours) signalProcess(pid, 'SIGTERM');
  for (const { pid } of await awaitNoneLeft(run, boundMs)) signalProcess(pid, 'SIGKILL');
}

function findLeft(run: string): readonly LeftProcess[] {
  if (!existsSync('/proc/self/environ')) return [];
  const entry = `${RUN_VARIABLE}=${run}`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && readProc(pid, 'environ').includes(entry))
    .map((pid) => ({ pid, command: readProc(pid, 'cmdline').join(' ').trim() }));
}

/** Empty for a process that has ended meanwhile, or is not ours to look at. */
function readProc(pid: number, file: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
