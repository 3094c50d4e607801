/**
 * Compiles what runs to dist/, and nothing when that is up to date. `tsc -b` finds that out from
 * the files' times and contents within half a second; what is compiled anew takes some seconds.
 *
 * Resolves with whether it compiled. The compiler's complaints are on stderr.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

/** A cold build takes 8 s here. */
const BUILD_MS_MAX = 300_000;

/** @returns {Promise<boolean>} */
export async function build() {
  if (!existsSync(compiler)) {
    process.stderr.write('The packages are not installed yet: npm ci\n');
    return false;
  }
  const child = spawn(process.execPath, [compiler, '-b', 'tsconfig.build.json'], {
    cwd: root,
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
function mapImports() {
  const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const compiled = Object.entries(imports).map(([name, path]) => [name, path.replace(/\.ts$/, '.js')]);
  const text = `${JSON.stringify({ imports: Object.fromEntries(compiled) }, null, 2)}\n`;
  const file = join(root, 'dist', 'package.json');
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await build()) ? 0 : 1;
