/**
 * Runs an external command to its end, bounded in time. Arguments are always a list: nothing passes
 * through a shell. (execa, an ES module only, cannot be loaded by tsx or jest's global setup here.)
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Environment } from '#process/settings';

export interface CommandOptions {
  /** The command is told to end when it has not ended by then. */
  readonly timeoutMs: number;
  readonly env?: Environment | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Each line of stdout, as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** It may ask at our terminal, as sudo does for a password, and stays in its process group. */
  readonly isInteractive?: boolean | undefined;
}

/**
 * Resolves with stdout. @throws Error with the end of what the command said, when it fails; with a
 * code such as ENOENT, when it cannot be started; the signal's reason when aborted.
 */
export async function runCommand(command: readonly string[], options: CommandOptions): Promise<string> {
  const { env = process.env, timeoutMs, signal, onLine, isInteractive = false } = options;
  const [program = '', ...args] = command;
  signal?.throwIfAborted();
  const stdio = [isInteractive ? 'inherit' : 'ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
  // Ctrl-C at our terminal is for us alone, as far as that can be.
  const child = spawn(program, args, { env, stdio, detached: !isInteractive, ...(signal && { signal }) });
  // Not spawn's own timeout: that one goes on when the command cannot be started.
  const timer = setTimeout(() => child.kill(), timeoutMs);
  const said: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] };
  for (const name of ['stdout', 'stderr'] as const)
    createInterface({ input: child[name] }).on('line', (line) => said[name].push(line));
  if (onLine) createInterface({ input: child.stdout }).on('line', onLine);
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null];
    if (code === 0) return said.stdout.join('\n');
    const end = [`${command.join(' ')}: ended by ${killedBy ?? `exit code ${code}`}`];
    throw new Error((said.stderr.length > 0 ? said.stderr : end).slice(-5).join('\n  '));
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
