/**
 * One command of a test run, with its whole tree of processes: bounded in time, and ended as a
 * whole.
 *
 * The command leads a process group of its own, so Ctrl-C at the terminal reaches only us, and one
 * signal from us reaches all of the group. Processes that a test has put into groups of their own
 * are found by leftovers.ts.
 */
import { spawn } from 'node:child_process';
import { ROOT } from '../build';
import { signalProcess } from '../signal-process';

/** How long a group that was told to end gets before SIGKILL. */
const GRACE_MS = 5_000;

export interface StepOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly boundMs: number;
  readonly signal: AbortSignal;
}

/** Runs node with these arguments. Returns null when it succeeded, else how it ended. */
export async function runStep(args: readonly string[], { env, boundMs, signal }: StepOptions): Promise<string | null> {
  if (signal.aborted) return 'interrupted';
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const signalGroup = (name: NodeJS.Signals) => child.pid !== undefined && signalProcess(-child.pid, name);
  let why: string | null = null;
  let kill: NodeJS.Timeout | undefined;
  const end = (reason: string) => {
    why ??= reason;
    signalGroup('SIGTERM');
    kill ??= setTimeout(() => signalGroup('SIGKILL'), GRACE_MS);
  };
  const late = setTimeout(() => end(`took longer than ${Math.round(boundMs / 1000)} s`), boundMs);
  const interrupt = () => end('interrupted');
  signal.addEventListener('abort', interrupt, { once: true });
  const how = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, by) =>
      resolve(code === 0 ? null : by === null ? `exit code ${code}` : `killed by ${by}`),
    );
  });
  clearTimeout(late);
  clearTimeout(kill);
  signal.removeEventListener('abort', interrupt);
  return why ?? how;
}
