/**
 * Builds the product as it was: at the last release tag before this commit, or where there is none,
 * at this commit's parent. The checkout and its git repository stay as they are; the build uses its
 * node_modules, so the former commit must have locked the same packages.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Of the lock file, the largest that is read from git. */
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;

/** There is no former build; the message says why. */
export class FormerBuildError extends Error {}

interface FormerBuild {
  /** As "v1.2.0, the last release tag". */
  readonly commit: string;
  /** Where the compiled product is. */
  readonly dist: string;
}

/** In the order in which they are tried. A tag of this commit itself names no former build. */
const CANDIDATES = [
  { name: 'the last release tag', find: ['describe', '--tags', '--abbrev=0', 'HEAD^'] },
  { name: 'the parent commit', find: ['rev-parse', '--short', '--verify', 'HEAD^'] },
];

/**
 * @param root of the checkout
 * @param scratch a folder for the former checkout and its build, which the caller deletes
 * @throws FormerBuildError
 */
export async function buildFormer(root: string, scratch: string): Promise<FormerBuild> {
  const refusals: string[] = [];
  for (const { name, find } of CANDIDATES) {
    try {
      const revision = await git(root, ...find);
      await expectSamePackages(root, revision);
      return { commit: `${revision}, ${name}`, dist: await buildOf(root, revision, scratch) };
    } catch (error) {
      refusals.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new FormerBuildError(refusals.join('; '));
}

async function expectSamePackages(root: string, revision: string): Promise<void> {
  const former = packagesIn(await git(root, 'show', `${revision}:package-lock.json`));
  if (former !== packagesIn(readFileSync(join(root, 'package-lock.json'), 'utf8')))
    throw new Error(`${revision} has locked other packages`);
}

/** Without the project's own entry, which has its version. */
function packagesIn(lock: string): string {
  const { packages } = JSON.parse(lock) as { readonly packages: Readonly<Record<string, unknown>> };
  const { '': _, ...installed } = packages;
  return JSON.stringify(installed);
}

async function buildOf(root: string, revision: string, scratch: string): Promise<string> {
  const directory = mkdtempSync(join(scratch, 'former-'));
  const archive = join(directory, 'former.tar');
  await git(root, 'archive', '--output', archive, revision);
  await run('tar', ['-xf', archive, '-C', directory]);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'dir');
  await run(process.execPath, ['tools/scripts/run.js', 'tools/scripts/build.ts'], { cwd: directory });
  return join(directory, 'dist');
}

async function git(root: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', root, ...args], { maxBuffer: OUTPUT_BYTES_MAX });
  return stdout.trim();
}

/** The line of a command's stderr that names the error, or the error's message. */
function reasonOf(error: unknown): string {
  const { stderr = '', message = String(error) } = error as { readonly stderr?: string; readonly message?: string };
  const lines = stderr.trim() === '' ? [message] : stderr.trim().split('\n');
  return lines.find((line) => /error|fatal/i.test(line)) ?? lines[0] ?? message;
}
