/**
 * What this machine is, as far as a way to a broker depends on it: what is installed, who we are,
 * whether somebody can be asked. Nothing is changed by looking.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Environment } from '#process/settings';
import type { InstalledServer } from './private-node';

export interface Machine {
  /** As in process.platform. */
  readonly os: string;
  /** ID and ID_LIKE of /etc/os-release; empty elsewhere. */
  readonly distributions: readonly string[];
  readonly isRoot: boolean;
  readonly hasSudo: boolean;
  /** Somebody can be asked. */
  readonly hasTerminal: boolean;
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
  if (process.platform === 'win32') return { missing: 'not run on Windows itself' };
  const script = isExecutable(INNER_SCRIPT) ? INNER_SCRIPT : findExecutable('rabbitmq-server', env, SERVER_FOLDERS);
  if (script === undefined) return { missing: 'not installed' };
  const epmd = findExecutable('epmd', env, [dirname(script), '/usr/lib/erlang/bin']);
  return epmd === undefined ? { missing: `found as ${script}, but without Erlang's epmd` } : { script, epmd };
}

export function findMachine(env: Environment): Machine {
  const release = '/etc/os-release';
  return {
    os: process.platform,
    distributions: existsSync(release) ? parseDistributions(readFileSync(release, 'utf8')) : [],
    isRoot: process.getuid?.() === 0,
    hasSudo: findExecutable('sudo', env, []) !== undefined,
    hasTerminal: process.stdin.isTTY && process.stdout.isTTY,
  };
}

/** ID, then what ID_LIKE says it is like (os-release(5)). */
export function parseDistributions(osRelease: string): string[] {
  const value = (key: string) => osRelease.match(new RegExp(`^${key}=["']?([^"'\n]*)`, 'm'))?.[1] ?? '';
  return `${value('ID')} ${value('ID_LIKE')}`.split(/\s+/).filter((id) => id !== '');
}

export function isDebianLike({ os, distributions }: Machine): boolean {
  return os === 'linux' && distributions.some((id) => id === 'debian' || id === 'ubuntu');
}

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
