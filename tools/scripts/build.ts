/**
 * `npm run build`: compiles what runs to dist/, and nothing when that is up to date. `tsc -b` finds
 * that out from the files' times and contents within half a second; what is compiled anew takes
 * some seconds.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineProgram } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';

/** Of the checkout. */
export const ROOT = join(__dirname, '..', '..');

/** A cold build takes 8 s here. */
const BUILD_MS_MAX = 300_000;

const PROGRAM = defineProgram({
  does: 'Compiles what runs to dist/.',
  synopsis: ['npm run build'],
  options: {},
  notes: 'Exit codes: 0 dist/ is up to date; 1 the compiler complained, on stderr; 2 wrong use.',
});

/** Resolves with whether dist/ is up to date. The compiler's complaints are on stderr. */
export async function build(): Promise<boolean> {
  const child = spawn(process.execPath, [require.resolve('typescript/bin/tsc'), '-b', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    timeout: BUILD_MS_MAX,
  });
  const endWithUs = () => child.kill();
  process.once('exit', endWithUs);
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  process.removeListener('exit', endWithUs);
  if (code === 0) mapImports();
  return code === 0;
}

/** What runs in dist/ imports from dist/: package.json's `imports` name the sources. */
function mapImports(): void {
  const { imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly imports: Readonly<Record<string, string>>;
  };
  const compiled = Object.entries(imports).map(([name, path]) => [name, path.replace(/\.ts$/, '.js')]);
  const text = `${JSON.stringify({ imports: Object.fromEntries(compiled) }, null, 2)}\n`;
  const file = join(ROOT, 'dist', 'package.json');
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}

if (process.argv[1] === __filename) void runProgram(PROGRAM, async () => ((await build()) ? 0 : 1));
