/**
 * Runs one external command to its end, bounded in time. Arguments are always a list: nothing
 * passes through a shell. A command ends in one of four ways: it exits (a value, whatever the exit
 * code), it cannot be started, its time is over, or the caller aborts. The last three reject, after
 * the child is really gone, so that nothing runs on unseen.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface CommandOptions {
  /** The command is killed when it has not ended by then. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Each line of stdout and stderr, as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** The command may ask its questions at our terminal, as sudo does for a password. */
  readonly terminal?: boolean | undefined;
}

export interface CommandResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Enough of an output to explain a failure; a chatty command must not fill our memory. */
const KEPT_CHARS = 64 * 1024;

/** How long a command that was told to end gets before SIGKILL. */
const GRACE_MS = 2_000;

/**
 * @throws Error with a cause when the command cannot be started or its time is over; the signal's
 * reason when aborted.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    env: options.env ?? process.env,
    stdio: [options.terminal ? 'inherit' : 'ignore', 'pipe', 'pipe'],
    // Ctrl-C reaches every process of our terminal's group; what happens to a command is decided
    // here instead. One that may ask at the terminal has to stay in the group, or the terminal
    // would stop it.
    detached: !options.terminal,
  });
  let killTimer: NodeJS.Timeout | undefined;
  let ended: 'timeout' | 'aborted' | undefined;
  const end = (why: 'timeout' | 'aborted') => {
    ended ??= why;
    child.kill('SIGTERM');
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  const timer = setTimeout(() => end('timeout'), options.timeoutMs);
  const onAbort = () => end('aborted');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const stdout = collect(child.stdout, options.onLine);
  const stderr = collect(child.stderr, options.onLine);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (ended === 'aborted') options.signal?.throwIfAborted();
    if (ended === 'timeout') throw new Error(`${command} ${args[0] ?? ''}: no end after ${options.timeoutMs} ms`);
    return { code, stdout: stdout(), stderr: stderr() };
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new Error(`${[command, ...args].join(' ')} failed`, { cause });
  } finally {
    clearTimeout(timer);
    clearTimeout(killTimer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function collect(stream: Readable, onLine: ((line: string) => void) | undefined): () => string {
  let kept = '';
  createInterface({ input: stream }).on('line', (line) => {
    kept = `${kept}${line}\n`.slice(-KEPT_CHARS);
    onLine?.(line);
  });
  return () => kept.trimEnd();
}
