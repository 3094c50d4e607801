/**
 * The peers' official clients: a package of its own in `npm/`, so that none of them is a dependency
 * of the product. `npm run bench -- --peers` installs it when it is needed. Each client is loaded
 * by name and typed by what is used of it, so types and lint need no installation.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '#tools/scripts/build';
import { NotInstalled } from '../peer-sandbox';

const FOLDER = join('bench', 'peers', 'official', 'npm');
const MANIFEST = join(ROOT, FOLDER, 'package.json');
const LOCK = join(ROOT, FOLDER, 'package-lock.json');

/** npm writes it last. */
const INSTALLED = join(ROOT, FOLDER, 'node_modules', '.package-lock.json');

const INSTALL_MS_MAX = 180_000;

/**
 * Runs `npm ci` in the package unless it is installed already.
 *
 * @param signal ends npm
 * @throws NotInstalled with npm's reason, for example that there is no network
 */
export async function installOfficialClients(say: (text: string) => void, signal: AbortSignal): Promise<void> {
  if (changedAtMs(INSTALLED) >= changedAtMs(LOCK)) return;
  say(`    npm ci in ${FOLDER} …`);
  const options = { cwd: join(ROOT, FOLDER), timeout: INSTALL_MS_MAX, signal };
  try {
    await promisify(execFile)('npm', ['ci', '--fetch-retries=1', '--fetch-timeout=20000'], options);
  } catch (error) {
    throw new NotInstalled(`official client: not installed; npm ci in ${FOLDER} failed: ${reasonIn(error)}`);
  }
}

/** One package of them, after `installOfficialClients`. @throws Error when it is not installed */
export function loadOfficialClient<Client>(name: string): Client {
  return createRequire(MANIFEST)(name) as Client;
}

/** The version that is to be installed, for example "8.23.1". */
export function versionOfOfficialClient(name: string): string {
  const { dependencies } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { dependencies: Record<string, string> };
  return dependencies[name] ?? 'unknown';
}

/** 0 for a file that does not exist. */
function changedAtMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** npm's own lines, the first of which name the error. */
function reasonIn(error: unknown): string {
  const { message, stderr = '' } = error as { readonly message: string; readonly stderr?: string };
  const lines = stderr.match(/(?<=^npm error ).+$/gm) ?? [message];
  return lines.slice(0, 3).join('; ');
}
