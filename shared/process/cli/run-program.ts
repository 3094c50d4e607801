/**
 * Runs a program of the command line: prints its usage or its faults, or calls it with its
 * arguments; sets the exit code. A program whose reader has gone, as in `… | head`, ends quietly.
 */
import { type Arguments, type Program, readArguments, UsageError, usageOf } from './program';

const EXIT_FAILED = 1;

interface RunOptions {
  /** What is done when the reader has gone, once; left out: the process exits with 0. */
  readonly onReaderGone?: () => void;
}

/** Settles when `main` has; never rejects. @param main returns the exit code */
export async function runProgram<Values>(
  program: Program<Values>,
  main: (given: Arguments<Values>) => Promise<number> | number,
  { onReaderGone = () => process.exit(0) }: RunOptions = {},
): Promise<void> {
  endQuietlyWithReader(onReaderGone);
  try {
    const given = readArguments(program, process.argv.slice(2), process.env);
    if (given === null) process.stdout.write(`${usageOf(program)}\n`);
    else process.exitCode = await main(given);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const text = isUsage || !(error instanceof Error) ? String(isUsage ? error.message : error) : error.stack;
    process.stderr.write(`${text}\n`);
    process.exitCode = isUsage ? error.exitCode : EXIT_FAILED;
  }
}

function endQuietlyWithReader(end: () => void): void {
  let isGone = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (!isGone) end();
      isGone = true;
    });
  }
}

/** For a program with processes of its own to stop, which SIGTERM makes it do. */
export function terminate(): void {
  process.kill(process.pid, 'SIGTERM');
}
