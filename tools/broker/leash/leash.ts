/**
 * A process between ours and a foreign program (RabbitMQ's server, the docker command), which knows
 * nothing of our IPC channel; this one does (end-with-parent.ts), and takes the program along.
 *
 *   SIGTERM          the program is told to stop, and gets SIGKILL when the bound is reached
 *   SIGUSR2          the program gets SIGKILL
 *   the program ends what is left of it is cleared away, then this process ends with its exit code
 *
 * While it runs it holds the lock of the data folder: the next one on the folder waits until the
 * program of a killed owner has stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { constants } from 'node:os';
import { takeStoreLock } from '#storage/disk/lock/lock';
import { runCommand } from '../command';
import { messageOf } from '../launch-error';
import { retry } from '../retry';

export type Command = readonly [program: string, ...args: string[]];

export interface Leash {
  /** Locked as long as the program runs. */
  readonly folder: string;
  /** Run before the program; one that fails ends the start. */
  readonly prepare: readonly Command[];
  readonly command: Command;
  /** In place of SIGTERM: the docker command ends by it, and leaves its container running. */
  readonly halt?: Command | undefined;
  /** stdout and stderr of the program are appended to it. */
  readonly log: string;
  /** Remove what a program leaves: run first, for one whose leash was killed, and at its end. */
  readonly clear: readonly Command[];
  /** Run too when the parent is gone and will not clear up. */
  readonly orphaned: readonly Command[];
}

/** An orderly stop of RabbitMQ takes 1 to 6 s. */
const GRACE_MS = 8_000;
/** What an earlier leash on the folder may still need: its grace, and its commands. */
const LOCK_WAIT = { boundMs: 12_000, everyMs: 50 };
/** Making a container from an image takes a busy engine seconds. */
const COMMAND_MS = 20_000;

const ending = new AbortController();
let program: ChildProcess | undefined;

async function main(leash: Leash): Promise<number> {
  process.on('SIGTERM', () => end('SIGTERM', leash.halt)).on('SIGUSR2', () => end('SIGKILL'));
  const lock = await retry(() => takeStoreLock(leash.folder), { ...LOCK_WAIT, signal: ending.signal });
  await runAll(leash.clear);
  process.send?.('alone', () => undefined);
  try {
    return await run(leash);
  } finally {
    await runAll([...leash.clear, ...(process.connected ? [] : leash.orphaned)]);
    await lock.release();
  }
}

function end(signal: NodeJS.Signals, command?: Command): void {
  ending.abort();
  if (command !== undefined && program !== undefined) void runAll([command]);
  else program?.kill(signal);
  setTimeout(() => program?.kill('SIGKILL'), GRACE_MS).unref();
}

async function run({ prepare, command: [file, ...args], log }: Leash): Promise<number> {
  for (const command of prepare) if (!ending.signal.aborted) await runCommand(command, { timeoutMs: COMMAND_MS });
  if (ending.signal.aborted) return 0;
  const output = openSync(log, 'a');
  program = spawn(file, args, { stdio: ['ignore', output, output] });
  const [code, signal] = (await once(program, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
}

/** Whatever comes of them: where nothing is left to clear away, they fail. */
async function runAll(commands: readonly Command[]): Promise<void> {
  for (const command of commands) await runCommand(command, { timeoutMs: COMMAND_MS }).catch(() => undefined);
}

main(JSON.parse(process.argv[2] ?? '') as Leash).then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    console.error(messageOf(error));
    process.exit(1);
  },
);
