/**
 * `npm run transcript`: makes the transcripts of a page again, by doing what they show, and puts
 * them between the marks of the page.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineProgram } from '#process/cli/program';
import { runProgram, terminate } from '#process/cli/run-program';
import { nearestName } from '#process/nearest';
import { ROOT } from '../build';
import { putBetween } from '../page';
import { docker } from './docker';
import { operations } from './operations';
import { pictures } from './pictures';
import { readme } from './readme';
import { interrupt } from './terminal';

/** Takes an empty folder to work in. Resolves with the transcripts by the names of their marks. */
type Make = (home: string) => Promise<Readonly<Record<string, string>>>;

const PAGES: ReadonlyMap<string, { readonly file: string; readonly make: Make }> = new Map([
  ['readme', { file: 'README.md', make: readme }],
  ['docker', { file: 'docs/docker.md', make: docker }],
  ['operations', { file: 'docs/operations.md', make: operations }],
  ['pictures', { file: 'docs/docker.md', make: pictures }],
]);
const NAMES = [...PAGES.keys()];

const PROGRAM = defineProgram({
  does: 'Makes the transcripts of pages again, by running what they show.',
  synopsis: [`npm run transcript -- [${NAMES.join(' | ')}] …`],
  options: {},
  operands: { min: 0, max: NAMES.length, rule: `At most ${NAMES.length} pages can be given.` },
  notes: `readme (when none is named): README.md, from a fresh clone of this checkout's last commit; docker: docs/docker.md, from
such a clone, too; operations: docs/operations.md, from this checkout; pictures: the pictures of docs/docker.md.

All need the ports 8000 to 8002; docker and pictures need a Docker engine and port 15672, pictures a Chromium (the
environment's CHROMIUM, /usr/bin/chromium). Exit codes: 0 written; 1 failed; 2 wrong use.`,
});

async function write(name: string): Promise<void> {
  const { file, make } = PAGES.get(name) as { file: string; make: Make };
  const home = mkdtempSync(join(tmpdir(), `replicated-log-${name}-`));
  try {
    const transcripts = Object.entries(await make(home));
    for (const [mark, text] of transcripts) {
      const marks = [`<!-- transcript ${mark} -->`, '<!-- /transcript -->'] as const;
      putBetween(join(ROOT, file), marks, `\n\n\`\`\`console\n${text}\n\`\`\`\n\n`);
    }
    process.stderr.write(`${file} has ${transcripts.length} new transcripts\n`);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

void runProgram(
  PROGRAM,
  async ({ operands }) => {
    const unknown = operands.filter((name) => !PAGES.has(name));
    for (const name of unknown) {
      const near = nearestName(name, NAMES);
      const hint = near === null ? `there are ${NAMES.join(', ')}` : `did you mean ${near}?`;
      process.stderr.write(`no page is named ${name}; ${hint}\n`);
    }
    if (unknown.length > 0) return 2;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
    for (const name of operands.length === 0 ? ['readme'] : operands) await write(name);
    return 0;
  },
  { onReaderGone: terminate },
);
