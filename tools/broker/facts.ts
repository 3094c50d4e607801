/**
 * Finds the facts that chooseBroker needs: what is installed, who we are, whether somebody can be
 * asked. Nothing is changed by looking, and nothing takes longer than a few seconds.
 */

import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Facts, Platform } from './choose';
import { runCommand } from './command';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where packages put servers; not on every user's PATH. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin', '/home/linuxbrew/.linuxbrew/sbin'];

/**
 * Debian's and Red Hat's packages put a wrapper on the PATH which changes to the user rabbitmq and
 * to /var/lib/rabbitmq. The server's own script, which runs as whoever starts it, is here.
 */
const INNER_SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';

export async function findServer(env: Environment): Promise<Facts['server']> {
  if (process.platform === 'win32') return { missing: 'not run on Windows itself' };
  const script = findServerScript(env);
  if (script === undefined) return { missing: 'not installed' };
  const epmd = findExecutable('epmd', env, [dirname(script)]) ?? (await epmdOfErlang(env));
  return epmd === undefined ? { missing: `found as ${script}, but without Erlang's epmd` } : { script, epmd };
}

export function findServerScript(env: Environment): string | undefined {
  return isExecutable(INNER_SCRIPT) ? INNER_SCRIPT : findExecutable('rabbitmq-server', env, SERVER_FOLDERS);
}

/** Erlang always has an epmd, though not always on the PATH. */
async function epmdOfErlang(env: Environment): Promise<string | undefined> {
  const erl = findExecutable('erl', env, []);
  if (erl === undefined) return undefined;
  const print =
    'io:put_chars(filename:join([code:root_dir(), "erts-" ++ erlang:system_info(version), "bin", "epmd"])), halt().';
  const { stdout } = await runCommand(erl, ['-noinput', '-boot', 'start_clean', '-eval', print], {
    timeoutMs: 5_000,
    env,
  });
  return isExecutable(stdout) ? stdout : undefined;
}

export function findPlatform(env: Environment): Platform {
  return {
    os: process.platform,
    distributions: readDistributions(),
    isRoot: process.getuid?.() === 0,
    hasSudo: findExecutable('sudo', env, []) !== undefined,
    hasTerminal: process.stdin.isTTY && process.stdout.isTTY,
  };
}

function readDistributions(): string[] {
  try {
    return parseDistributions(readFileSync('/etc/os-release', 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** ID, then what ID_LIKE says it is like (os-release(5)). */
export function parseDistributions(osRelease: string): string[] {
  const value = (key: string) => osRelease.match(new RegExp(`^${key}=["']?([^"'\n]*)`, 'm'))?.[1] ?? '';
  return `${value('ID')} ${value('ID_LIKE')}`.split(/\s+/).filter((id) => id !== '');
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
