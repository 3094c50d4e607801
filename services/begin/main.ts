/**
 * The process behind `npm run begin`: writes the one-time permission to begin a log into a node's
 * folder.
 */
import { defineProgram } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';
import { writeBeginPermission } from '#storage/write-begin-permission';

const EXIT_REFUSED = 1;

const PROGRAM = defineProgram({
  does: 'Permits the node with this data folder to begin a new log.',
  synopsis: ['npm run begin -- DIR      in the image: node dist/services/begin/main.js DIR'],
  options: {},
  operands: { min: 1, max: 1, rule: 'Exactly one folder must be given.' },
  notes: `The node with this folder may then begin a new log, once, after it has listened and heard nobody who holds one. The
permission is used up by that, and is lost with the disk. A folder that holds a log is refused. A node that is running
sees the permission at its next start.

Exit codes: 0 it is permitted; 1 refused, nothing was written; 2 wrong use.`,
});

void runProgram(PROGRAM, async ({ operands: [directory = ''] }) => {
  try {
    await writeBeginPermission(directory);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return EXIT_REFUSED;
  }
  process.stdout.write(
    `The node with the folder ${directory} may begin a new log, once, after it has listened and heard nobody who holds one. ` +
      'The permission is lost with the disk.\n',
  );
  return 0;
});
