/**
 * Installs the package rabbitmq-server on Debian or Ubuntu, and leaves the machine otherwise as it
 * was: the package wants to start a service on the default ports and to start it again at every
 * boot, and neither is what somebody who tries this project has asked for.
 *
 * Starting is prevented by a temporary /usr/sbin/policy-rc.d (see invoke-rc.d(8)), which is taken
 * away again in any case; one that a killed run has left is taken away by the next installation.
 * One that somebody else has put there stays as it is. What the installation has enabled is
 * disabled afterwards.
 *
 * Loading the packages may be interrupted; unpacking may not, because a half-configured package is
 * a worse thing to leave behind than half a minute of waiting.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import type { Environment } from '#process/settings';
import { runCommand } from './command';
import { messageOf } from './errors';

export interface InstallOptions {
  readonly env: Environment;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Not root: the user is asked, and sudo does the work. */
  readonly ask: boolean;
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
}

const PACKAGE = 'rabbitmq-server';
const QUESTION = `There is neither Docker nor RabbitMQ here. Install the package ${PACKAGE} with sudo apt-get? [y/N] `;

/** About 50 MB, over a slow line; half a minute to unpack on a laptop. */
const STEP_MS = 15 * 60_000;

const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_MARK = 'replicated-log: no service is started while rabbitmq-server is installed';
/** 101: "action forbidden by policy". */
const WRITE_POLICY = `printf '#!/bin/sh\\n# %s\\nexit 101\\n' '${POLICY_MARK}' > ${POLICY} && chmod 755 ${POLICY}`;

/** The package's, and those of Erlang's name service, which comes with it. */
const UNITS = ['rabbitmq-server.service', 'epmd.service', 'epmd.socket'];

/**
 * Another apt may be at work, as after a boot: wait for it, not for ever. Debian asks nothing,
 * Ubuntu restarts nothing.
 */
const APT = ['env', 'DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_SUSPEND=1', 'apt-get'];
const INSTALL = [...APT, '-o', 'DPkg::Lock::Timeout=60', 'install', '--yes', '--no-install-recommends', PACKAGE];

/**
 * Returns undefined when the package is installed, otherwise why not. @throws the signal's reason
 * when aborted.
 */
export async function installPackage(options: InstallOptions): Promise<string | undefined> {
  const { log, signal, ask } = options;
  if (ask && !(await (options.confirm ?? confirmAtTerminal(signal))(QUESTION))) return 'you said no';
  log(`no Docker and no RabbitMQ here: installing the package ${PACKAGE} (about a minute)`);
  try {
    log('  1/3 reading the package lists');
    const update = privileged(options, [...APT, 'update'], signal);
    // Not fatal: the lists that are there may do, and if not, the next step says it better.
    await update.catch((error: unknown) => log(`  the package lists could not be renewed: ${messageOf(error)}`));
    log('  2/3 loading the packages');
    await privileged(options, [...INSTALL, '--download-only'], signal);
    await unpackWithoutServices(options);
    log(`${PACKAGE} is installed; remove it with: apt-get purge --autoremove ${PACKAGE}`);
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return `failed: ${messageOf(error)}`;
  }
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

async function unpackWithoutServices(options: InstallOptions): Promise<void> {
  const { log, signal } = options;
  signal?.throwIfAborted();
  const enabledBefore = await listEnabled(options);
  const onAbort = () => log('  interrupted: finishing the installation first, so that no half-installed package stays');
  signal?.addEventListener('abort', onAbort, { once: true });
  const isOurs = !existsSync(POLICY) || readFileSync(POLICY, 'utf8').includes(POLICY_MARK);
  try {
    if (isOurs) await privileged(options, ['sh', '-c', WRITE_POLICY]);
    log('  3/3 unpacking them (no service is started)');
    await privileged(options, INSTALL);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (isOurs) await privileged(options, ['rm', '--force', POLICY]);
    const enabled = (await listEnabled(options)).filter((unit) => !enabledBefore.includes(unit));
    if (enabled.length > 0) {
      await privileged(options, ['systemctl', '--quiet', 'disable', ...enabled]);
      log(`  disabled what the package would start at boot: ${enabled.join(', ')}`);
    }
  }
  signal?.throwIfAborted();
}

/** Empty where there is no systemd. */
async function listEnabled({ env }: InstallOptions): Promise<string[]> {
  const ask = (unit: string) => runCommand(['systemctl', 'is-enabled', unit], { env, timeoutMs: STEP_MS });
  const answers = await Promise.allSettled(UNITS.map(ask));
  return UNITS.filter((_, index) => answers[index]?.status === 'fulfilled');
}

function privileged({ ask, env }: InstallOptions, command: readonly string[], signal?: AbortSignal): Promise<string> {
  return runCommand(ask ? ['sudo', ...command] : command, { env, signal, timeoutMs: STEP_MS, isInteractive: ask });
}
