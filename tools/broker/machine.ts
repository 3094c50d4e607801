/** What is installed on this machine. Nothing is changed by looking. */
import { accessSync, constants } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Environment } from '#process/settings';

export interface InstalledServer {
  /** The server's own script. */
  readonly script: string;
  /** Erlang's name service. */
  readonly epmd: string;
}

/** Where packages put servers; not on every user's PATH. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin', '/home/linuxbrew/.linuxbrew/sbin'];

/**
 * Debian's and Red Hat's packages put a wrapper on the PATH which changes to the user rabbitmq and
 * to /var/lib/rabbitmq. The server's own script, which runs as whoever starts it, is here.
 */
const INNER_SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** The server to start, or why there is none. */
export function findServer(env: Environment): InstalledServer | { readonly missing: string } {
  if (process.platform === 'win32') return { missing: 'not run on Windows itself, but in WSL 2' };
  const script = isExecutable(INNER_SCRIPT) ? INNER_SCRIPT : findExecutable('rabbitmq-server', env, SERVER_FOLDERS);
  if (script === undefined) return { missing: 'not installed' };
  const epmd = findExecutable('epmd', env, [dirname(script), '/usr/lib/erlang/bin']);
  return epmd === undefined ? { missing: `found as ${script}, but without Erlang's epmd` } : { script, epmd };
}

/** Its path, in the folders of the PATH or in `more`. */
export function findExecutable(name: string, env: Environment, more: readonly string[]): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), ...more].filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
