/**
 * The process behind `npm run inspect`: reads its arguments, inspects one folder, prints what is in
 * it.
 */
import { once } from 'node:events';
import { runProgram } from '#process/cli/run-program';
import { hasBeginPermission } from '#storage/begin-permission';
import { nodeFileSystem } from '#storage/disk/file-system';
import { type Inspection, inspectStore } from '#storage/inspect';
import { summaryOf } from './summary';
import { PROGRAM } from './usage';

const EXIT_NOTHING = 1;

/**
 * A node that writes while it is read can look damaged; one that still does after so many looks is.
 */
const LOOKS_MAX = 3;

const LINE_FEED = Buffer.from('\n');

interface Wanted {
  readonly directory: string;
  readonly json: boolean;
  readonly entries: boolean;
}

void runProgram(PROGRAM, ({ values, operands: [directory = ''] }) =>
  run({ directory, json: values['--json'], entries: values['--entries'] }),
);

async function run(asked: Wanted): Promise<number> {
  try {
    const found = await readSummary(asked);
    if (found === null) {
      process.stderr.write(`${await nothingIn(asked.directory)}\n`);
      return EXIT_NOTHING;
    }
    const summary = asked.json ? JSON.stringify(found, null, 2) : summaryOf(found);
    (asked.entries ? process.stderr : process.stdout).write(`${summary}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${asked.directory} cannot be inspected: ${error instanceof Error ? error.message : error}\n`);
    return EXIT_NOTHING;
  }
}

async function nothingIn(directory: string): Promise<string> {
  const isPermitted = await hasBeginPermission({ fileSystem: nodeFileSystem, directory });
  const permission = isPermitted ? ' Its node may begin a new log, once.' : '';
  return `There is no store in ${directory}: no store.json, and no segment of a log.${permission}`;
}

async function readSummary({ directory, entries }: Wanted): Promise<Inspection | null> {
  let found = await inspectStore(nodeFileSystem, directory, entries ? printEntries : null);
  for (let looks = 1; looks < LOOKS_MAX && found !== null; looks += 1) {
    if (found.damages.length === 0 || found.runningPid === null) break;
    found = await inspectStore(nodeFileSystem, directory);
  }
  return found;
}

async function printEntries(lines: readonly Buffer[]): Promise<void> {
  const isTaken = process.stdout.write(Buffer.concat(lines.flatMap((each) => [each, LINE_FEED])));
  if (!isTaken) await once(process.stdout, 'drain');
}
