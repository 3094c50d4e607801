/**
 * A process between whoever wants a foreign program (RabbitMQ's server, the docker command) and that
 * program. The foreign program knows nothing of our IPC channel; this process does
 * (end-with-parent.ts), and takes the program along.
 *
 *   SIGTERM          the program gets SIGTERM, and SIGKILL when the bound is reached
 *   SIGUSR2          the program gets SIGKILL
 *   the program ends what is left of it is cleared away, then this process ends with its exit code
 *
 * While it runs it holds the lock of the data folder: the next one on the folder waits until the
 * program of a killed owner has stopped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type StoreLock, takeStoreLock } from '#storage/disk/lock';
import { StorageError } from '#storage/log-store';
import { runCommand } from '../command';
import { messageOf } from '../errors';

export type Command = readonly [program: string, ...args: string[]];

export interface Leash {
  readonly command: Command;
  /** stdout and stderr of the program are appended to it. */
  readonly log: string;
  /** Locked as long as the program runs. */
  readonly folder: string;
  /** Where the program notes its pid, and a part of its command line: see endLeftover. */
  readonly leftover?: { readonly pidFile: string; readonly mark: string };
  /** Run once the program has ended, whatever comes of them. */
  readonly after: readonly Command[];
  /** Run too when the parent is gone and will not clear up. */
  readonly orphaned: readonly Command[];
}

/** An orderly stop of RabbitMQ takes 1 to 6 s. */
const GRACE_MS = 8_000;
/** What an earlier leash on the folder may still need: its grace, and its commands. */
const LOCK_MS_MAX = 12_000;
const LOOK_MS = 50;
const AFTER_MS = 20_000;

let isOver = false;
let program: ChildProcess | undefined;

async function main(leash: Leash): Promise<number> {
  process.on('SIGTERM', () => end('SIGTERM')).on('SIGUSR2', () => end('SIGKILL'));
  const lock = await takeFolder(leash.folder);
  await endLeftover(leash);
  process.send?.('alone', () => undefined);
  const exitCode = isOver ? 0 : await run(leash);
  for (const command of [...leash.after, ...(process.connected ? [] : leash.orphaned)])
    await runCommand(command, { timeoutMs: AFTER_MS }).catch((error: unknown) => console.error(messageOf(error)));
  await lock.release();
  return exitCode;
}

function end(signal: NodeJS.Signals): void {
  isOver = true;
  program?.kill(signal);
  setTimeout(() => program?.kill('SIGKILL'), GRACE_MS).unref();
}

async function run({ command: [file, ...args], log }: Leash): Promise<number> {
  const output = openSync(log, 'a');
  program = spawn(file, args, { stdio: ['ignore', output, output] });
  const [code, signal] = (await once(program, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
}

/** @throws StorageError `locked` when a live process keeps the folder. */
async function takeFolder(folder: string): Promise<StoreLock> {
  for (const deadline = performance.now() + LOCK_MS_MAX; ; await delay(LOOK_MS)) {
    try {
      return await takeStoreLock(folder);
    } catch (error) {
      if (!(error instanceof StorageError) || isOver || performance.now() > deadline) throw error;
    }
  }
}

/** A server whose own leash was killed lives on, and must not share its files with the next one. */
async function endLeftover({ leftover }: Leash): Promise<void> {
  if (leftover === undefined || !existsSync(leftover.pidFile)) return;
  const pid = Number(readFileSync(leftover.pidFile, 'utf8'));
  while (commandLineOf(pid).includes(leftover.mark)) {
    process.kill(pid, 'SIGKILL');
    await delay(LOOK_MS);
  }
}

/** Linux answers from /proc (a slim image has no ps), other systems from ps; '' for no process. */
function commandLineOf(pid: number): string {
  if (!existsSync('/proc/self'))
    return spawnSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' }).stdout;
  return existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') : '';
}

main(JSON.parse(process.argv[2] ?? '') as Leash).then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
