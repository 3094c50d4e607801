/**
 * One command of a test run, with its whole tree of processes: bounded in time, and ended as a whole.
 *
 * The command leads a process group of its own, so Ctrl-C at the terminal reaches only us, and one signal from us reaches all
 * of the group. Processes that a test has put into groups of their own are found by leftovers.mjs.
 */
import { spawn } from 'node:child_process';
import { root } from '../build.mjs';

/** How long a group that was told to end gets before SIGKILL. */
const GRACE_MS = 5_000;

/**
 * @param {readonly string[]} args of node
 * @param {{ env: NodeJS.ProcessEnv, boundMs: number, signal: AbortSignal }} options
 * @returns {Promise<string | null>} null when it succeeded, else how it ended
 */
export async function runStep(args, { env, boundMs, signal }) {
  if (signal.aborted) return 'interrupted';
  const child = spawn(process.execPath, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  let why = null;
  let kill;
  const end = (reason) => {
    why ??= reason;
    signalGroup(child.pid, 'SIGTERM');
    kill ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
  };
  const late = setTimeout(() => end(`took longer than ${Math.round(boundMs / 1000)} s`), boundMs);
  const interrupt = () => end('interrupted');
  signal.addEventListener('abort', interrupt, { once: true });
  const how = await new Promise((resolve) => {
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

/** A group that is gone already is what was wanted. */
function signalGroup(leader, signal) {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
