/** The process behind `npm run begin`: writes the one-time permission to begin a log into a node's folder. */
import { parseArgs } from 'node:util';
import { writeBeginPermission } from '#storage/write-begin-permission';

const USAGE = `Permits the node with this data folder to begin a new log.

  npm run begin -- DIR      in the image: node dist/services/begin/main.js DIR

The node with this folder may then begin a new log, once, after it has listened and heard nobody who holds one. The
permission is used up by that, and is lost with the disk. A folder that holds a log is refused. A node that is running
sees the permission at its next start.

Exit codes: 0 it is permitted; 1 refused, nothing was written; 2 wrong use.`;

const EXIT_REFUSED = 1;
const EXIT_USAGE = 2;

void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function run(args: readonly string[]): Promise<number> {
  const asked = folderIn(args);
  if (asked === null) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if ('fault' in asked) {
    process.stderr.write(`${asked.fault}\n\n${USAGE}\n`);
    return EXIT_USAGE;
  }
  try {
    await writeBeginPermission(asked.directory);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return EXIT_REFUSED;
  }
  process.stdout.write(
    `The node with the folder ${asked.directory} may begin a new log, once, after it has listened and heard nobody who holds one. ` +
      'The permission is lost with the disk.\n',
  );
  return 0;
}

/** Null: help is asked for. */
function folderIn(args: readonly string[]): { readonly directory: string } | { readonly fault: string } | null {
  try {
    const options = { help: { type: 'boolean', short: 'h' } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (values.help === true) return null;
    const [directory, ...others] = positionals;
    if (directory === undefined || others.length > 0) return { fault: 'Exactly one folder must be given.' };
    return { directory };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
