/** The owner's end of a leash (leash.ts): starts it, tells it to stop, and hears of its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Environment } from '#process/settings';
import type { Leash } from './leash';

export interface Leashed {
  /** Resolves when nothing else runs on the folder, just before the program is started. */
  readonly isAlone: Promise<unknown>;
  /** Resolves when the program has ended and is cleared away, with how: "exit code 1". */
  readonly ended: Promise<string>;
  /** The program stops in order, within the leash's bound. */
  halt(): void;
  /** At once, as a power cut would. */
  kill(): void;
}

export function startLeashed(leash: Leash, env: Environment): Leashed {
  // Compiled, these are plain scripts; run from the sources they need a loader.
  const extension = extname(__filename);
  const loader = extension === '.ts' ? ['--require', require.resolve('tsx/cjs')] : [];
  const [preload, script] = ['end-with-parent', 'leash'].map((name) => join(__dirname, `${name}${extension}`)) as [
    string,
    string,
  ];
  const log = openSync(leash.log, 'a');
  const child = spawn(process.execPath, [...loader, '--require', preload, script, JSON.stringify(leash)], {
    env,
    stdio: ['ignore', 'ignore', log, 'ipc'],
    // It decides itself when it ends, and Ctrl-C at our terminal is for us alone.
    detached: true,
  });
  closeSync(log);
  const tell = (signal: NodeJS.Signals) => {
    child.ref();
    child.kill(signal);
  };
  const ended = once(child, 'exit').then(([code, signal]) => String(signal ?? `exit code ${code}`));
  const alone = once(child, 'message').then(() => {
    // An owner that exits without a word is not held up, and its program stops all the same.
    child.unref();
    child.channel?.unref();
  });
  return {
    isAlone: Promise.race([alone, ended]),
    ended,
    halt: () => tell('SIGTERM'),
    kill: () => tell('SIGUSR2'),
  };
}
