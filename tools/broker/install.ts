/**
 * Installs the package rabbitmq-server on Debian or Ubuntu, without the service that the package
 * would start on the default ports, now and at every boot.
 *
 * Loading the packages may be interrupted; unpacking may not, because it would leave a
 * half-configured package.
 */
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import type { Environment } from '#process/settings';
import { runCommand } from './command';
import { messageOf } from './launch-error';
import type { OwnBroker, StartOptions } from './own-broker';
import { findExecutable, tryPrivateNode } from './private-node';

const PACKAGE = 'rabbitmq-server';
const QUESTION = `There is neither Docker nor RabbitMQ here. Install the package ${PACKAGE} with sudo apt-get? [y/N] `;
/** About 50 MB, over a slow line; half a minute to unpack on a laptop. */
const STEP_MS = 15 * 60_000;
/** Waits a minute for another apt; Debian asks nothing, Ubuntu restarts nothing. */
const APT = 'DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get --option DPkg::Lock::Timeout=60 --yes';
const INSTALL = `${APT} --no-install-recommends install ${PACKAGE}`;
/** The lists that are there may do, and if not, the second command says it better. */
const LOAD = `${APT} update; ${INSTALL} --download-only`;

/**
 * Starts no service: a temporary /usr/sbin/policy-rc.d forbids it (see invoke-rc.d(8); 101 is
 * "action forbidden by policy"). One that somebody else has put there stays as it is; one that a
 * killed run has left is replaced. What the installation has enabled for the next boot is disabled.
 */
const UNPACK = `
policy=/usr/sbin/policy-rc.d
mark='replicated-log: no service is started while ${PACKAGE} is installed'
enabled() {
  for unit in ${PACKAGE}.service epmd.service epmd.socket; do
    if systemctl --quiet is-enabled $unit 2>/dev/null; then echo $unit; fi
  done
}
trap '' INT
before=$(enabled)
if [ ! -e $policy ] || grep -q "$mark" $policy; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\n# %s\\nexit 101\\n' "$mark" >$policy && chmod 755 $policy || exit
fi
${INSTALL} || exit
for unit in $(enabled); do
  case "$before" in *$unit*) ;; *) systemctl --quiet disable $unit ;; esac
done`;

const isRoot = () => process.getuid?.() === 0;

/** undefined: the package can be installed. */
export function whyNoInstall(env: Environment): string | undefined {
  // Ubuntu and what is like it have this file too.
  if (!existsSync('/etc/debian_version')) return 'only done on Debian and Ubuntu';
  if (isRoot()) return undefined;
  if (findExecutable('sudo', env, []) === undefined) return 'needs root, and there is no sudo';
  return process.stdin.isTTY && process.stdout.isTTY ? undefined : 'needs a yes at a terminal, and there is none';
}

/**
 * Installs the package, after a question where sudo is needed, and starts a private node from it;
 * otherwise returns why not. @throws LaunchError `start-failed`; the signal's reason.
 */
export async function tryInstall(options: StartOptions): Promise<OwnBroker | string> {
  const refusal = whyNoInstall(options.env) ?? (await installPackage(options));
  if (refusal !== undefined) return refusal;
  const node = await tryPrivateNode(options);
  return typeof node === 'string' ? `the package is installed, but its server is ${node}` : node;
}

async function installPackage({ env, log, signal }: StartOptions): Promise<string | undefined> {
  const isInteractive = !isRoot();
  if (isInteractive && !(await confirm(signal))) return 'you said no';
  const run = (script: string, interruption?: AbortSignal) => {
    const command = [...(isInteractive ? ['sudo'] : []), 'sh', '-c', script];
    return runCommand(command, { env, signal: interruption, timeoutMs: STEP_MS, isInteractive });
  };
  try {
    log(`no Docker and no RabbitMQ here: installing the package ${PACKAGE} (about a minute)`);
    log('  1/2 loading the packages');
    await run(LOAD, signal);
    log('  2/2 unpacking them (no service is started; Ctrl-C waits for the end of it)');
    await run(UNPACK);
    log(`${PACKAGE} is installed; remove it with: apt-get purge --autoremove ${PACKAGE}`);
    signal?.throwIfAborted();
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return `failed: ${messageOf(error)}`;
  }
}

async function confirm(signal: AbortSignal | undefined): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(QUESTION, signal ? { signal } : {})).trim());
  } finally {
    terminal.close();
  }
}
