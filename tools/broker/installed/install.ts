/**
 * Installs the package rabbitmq-server on Debian or Ubuntu, and leaves the machine otherwise as it
 * was: the package wants to start a service on the default ports and to start it again at every
 * boot, and neither is what somebody who tries this project has asked for.
 *
 * Starting is prevented by a temporary /usr/sbin/policy-rc.d (see invoke-rc.d(8)), which is taken
 * away again in any case; one that a run left because it was killed is taken away by the next
 * installation. Enabling cannot be prevented from outside, so what the installation has enabled is
 * disabled afterwards.
 *
 * Loading the packages may be interrupted; unpacking may not, because a half-configured package is
 * a worse thing to leave behind than half a minute of waiting.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type CommandResult, runCommand } from '../command';
import { messageOf } from '../errors';
import { findExecutable } from '../facts';

export interface InstallOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Not root: the user is asked, and sudo does the work. */
  readonly ask: boolean;
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
}

const PACKAGE = 'rabbitmq-server';

/** Package lists, over a slow line. */
const UPDATE_MS = 3 * 60_000;
/** About 50 MB. */
const DOWNLOAD_MS = 15 * 60_000;
/** Half a minute on a laptop. */
const UNPACK_MS = 10 * 60_000;
/** The small commands around it; with sudo a password may have to be typed. */
const STEP_MS = 2 * 60_000;

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_SAVED = `${POLICY}.before-replicated-log`;
const POLICY_MARK = 'replicated-log: no service is started while rabbitmq-server is installed';

/**
 * Another apt may be at work, as after a boot: wait for it, not for ever. Debian asks nothing,
 * Ubuntu restarts nothing.
 */
const APT = [
  'env',
  'DEBIAN_FRONTEND=noninteractive',
  'NEEDRESTART_SUSPEND=1',
  'apt-get',
  '-o',
  'DPkg::Lock::Timeout=60',
];
const INSTALL = [...APT, 'install', '--yes', '--no-install-recommends'];

/**
 * Returns undefined when the package is installed, otherwise why not. @throws the signal's reason
 * when aborted.
 */
export async function installPackage(options: InstallOptions): Promise<string | undefined> {
  const { log, signal } = options;
  if (options.ask && !(await (options.confirm ?? confirmAtTerminal(signal))(question()))) return 'you said no';
  log(`no Docker and no RabbitMQ here: installing the package ${PACKAGE} (about a minute)`);
  try {
    await fetchPackages(options);
    await unpackWithoutServices(options);
    log(`${PACKAGE} is installed; remove it with: apt-get purge --autoremove ${PACKAGE}`);
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return `failed: ${messageOf(error)}`;
  }
}

function question(): string {
  return `There is neither Docker nor RabbitMQ here. Install the package ${PACKAGE} with sudo apt-get? [y/N] `;
}

function confirmAtTerminal(signal: AbortSignal | undefined) {
  return async (text: string): Promise<boolean> => {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return /^y(es)?$/i.test((await terminal.question(text, signal ? { signal } : {})).trim());
    } finally {
      terminal.close();
    }
  };
}

async function fetchPackages(options: InstallOptions): Promise<void> {
  const { log } = options;
  log('  1/3 reading the package lists');
  const update = await privileged(options, [...APT, 'update'], UPDATE_MS, true);
  // Not fatal: the lists that are there may do, and if not, the next step says it better.
  if (update.code !== 0) log(`  the package lists could not be renewed: ${lastLines(update)}`);
  log('  2/3 loading the packages');
  await succeed(privileged(options, [...INSTALL, '--download-only', PACKAGE], DOWNLOAD_MS, true));
}

async function unpackWithoutServices(options: InstallOptions): Promise<void> {
  const { log, signal } = options;
  await restorePolicy(options);
  const enabledBefore = listEnabled();
  const onAbort = () => log('  interrupted: finishing the installation first, so that no half-installed package stays');
  signal?.throwIfAborted();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await forbidServices(options);
    log('  3/3 unpacking them (no service is started)');
    await succeed(privileged(options, [...INSTALL, PACKAGE], UNPACK_MS));
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await restorePolicy(options);
    await disable(
      options,
      listEnabled().filter((unit) => !enabledBefore.includes(unit)),
    );
  }
  signal?.throwIfAborted();
}

async function forbidServices(options: InstallOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'replicated-log-policy-'));
  try {
    const file = join(folder, 'policy-rc.d');
    // 101: "action forbidden by policy".
    writeFileSync(file, `#!/bin/sh\n# ${POLICY_MARK}\nexit 101\n`);
    if (read(POLICY) !== undefined) await succeed(privileged(options, ['mv', POLICY, POLICY_SAVED], STEP_MS));
    await succeed(privileged(options, ['install', '-m', '755', file, POLICY], STEP_MS));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Also mends what a run that was killed has left. */
async function restorePolicy(options: InstallOptions): Promise<void> {
  if (read(POLICY_SAVED) !== undefined) await succeed(privileged(options, ['mv', POLICY_SAVED, POLICY], STEP_MS));
  else if (read(POLICY)?.includes(POLICY_MARK)) await succeed(privileged(options, ['rm', POLICY], STEP_MS));
}

/**
 * The units that start at boot and belong to the package or to Erlang's name service, which comes
 * with it.
 */
function listEnabled(): string[] {
  const root = '/etc/systemd/system';
  const wants = list(root).filter((name) => name.endsWith('.wants'));
  const units = wants.flatMap((folder) => list(join(root, folder)));
  return [...new Set(units.filter((unit) => /^(rabbitmq-server|epmd)[.@]/.test(unit)))];
}

async function disable(options: InstallOptions, units: readonly string[]): Promise<void> {
  if (units.length === 0 || findExecutable('systemctl', options.env, []) === undefined) return;
  await succeed(privileged(options, ['systemctl', '--quiet', 'disable', ...units], STEP_MS));
  options.log(`  disabled what the package would start at boot: ${units.join(', ')}`);
}

function privileged(options: InstallOptions, command: readonly string[], timeoutMs: number, abortable = false) {
  const [program = '', ...args] = options.ask ? ['sudo', ...command] : command;
  const signal = abortable ? options.signal : undefined;
  return runCommand(program, args, { timeoutMs, env: options.env, signal, terminal: options.ask });
}

async function succeed(running: Promise<CommandResult>): Promise<void> {
  const result = await running;
  if (result.code !== 0) throw new Error(lastLines(result));
}

function lastLines({ code, stdout, stderr }: CommandResult): string {
  const text = stderr.trim() || stdout.trim();
  return text.split('\n').slice(-5).join('\n  ') || `exit code ${code}`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
