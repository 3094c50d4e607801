/**
 * Provides a RabbitMQ to whoever starts the project or its tests, whatever the machine has: the
 * first of
 *
 *   1. AMQP_URL names one: that one, or an error
 *   2. a Docker engine that has the image, or can pull it: a container
 *   3. rabbitmq-server is installed: a private node, apart from the system's in every respect
 *   4. Debian or Ubuntu, and we may: the package is installed, then 3
 *   5. an error which shows the ways out
 *
 * The order is from "the user said so" over "leaves nothing behind" to "changes the machine". What
 * was started is stopped, what was found is left alone. A container that fails to come up is not
 * the end: the next way is tried, and the failure is said.
 */
import { startContainer } from './container';
import { findDocker, IMAGE, pullImage } from './docker';
import { BrokerError, messageOf } from './errors';
import { type GivenBroker, greetGiven } from './given-broker';
import { type InstallOptions, installPackage } from './install';
import { findMachine, findServer, isDebianLike, type Machine } from './machine';
import type { OwnBroker, StartOptions } from './own-broker';
import { startPrivateNode } from './private-node';
import { explainWaysOut } from './ways-out';

export const WAYS = ['container', 'private-node', 'install'] as const;

/** `install` leads to a private node, and is of no use without it. */
export type Way = (typeof WAYS)[number];

export interface ProvideOptions extends StartOptions, Pick<InstallOptions, 'confirm'> {
  /** Only these may be used; absent: all. A broker that is given by AMQP_URL is always used. */
  readonly ways?: readonly Way[] | undefined;
}

export type ProvidedBroker = GivenBroker | OwnBroker;

const UNWANTED = 'not wanted by the caller';

/**
 * Returns when AMQP is served.
 * @throws BrokerError; the signal's reason when aborted. In both cases nothing that was started is left running.
 */
export async function provideBroker(options: ProvideOptions): Promise<ProvidedBroker> {
  const { env, signal, ways = WAYS } = options;
  if (!/^[\w-]+$/.test(options.name)) throw new RangeError(`a broker cannot be named "${options.name}"`);
  signal?.throwIfAborted();
  const given = env.AMQP_URL?.trim();
  if (given) return greetGiven(given, options);
  const container = ways.includes('container') ? await tryContainer(options) : UNWANTED;
  if (typeof container !== 'string') return container;
  const isNodeWanted = ways.includes('private-node');
  const found = isNodeWanted ? findServer(env) : { missing: UNWANTED };
  if ('script' in found) return startPrivateNode(found, options);
  const machine = findMachine(env);
  let install = ways.includes('install') && isNodeWanted ? whyNoInstall(machine) : UNWANTED;
  if (install === undefined) {
    install = await installPackage({ ...options, ask: !machine.isRoot });
    const installed = findServer(env);
    if ('script' in installed) return startPrivateNode(installed, options);
    install ??= 'the package brought no server that we can start';
  }
  throw new BrokerError('no-way', explainWaysOut(machine, { docker: container, server: found.missing, install }));
}

/** The container, or why there is none. */
async function tryContainer(options: ProvideOptions): Promise<OwnBroker | string> {
  const { log, signal } = options;
  const docker = await findDocker(options);
  if (docker.state === 'unusable') return docker.why;
  if (docker.state === 'image-missing') {
    log(`a Docker engine answers; pulling ${IMAGE}`);
    const failure = await pullImage(options, log);
    if (failure !== undefined) {
      log(`the image cannot be had, going on without Docker: ${failure}`);
      return `${IMAGE} cannot be pulled: ${failure}`;
    }
  }
  try {
    return await startContainer(options);
  } catch (error) {
    signal?.throwIfAborted();
    log(`the container did not come up, going on without Docker: ${messageOf(error)}`);
    return 'the container did not come up';
  }
}

/** undefined: the package can be installed. */
export function whyNoInstall(machine: Machine): string | undefined {
  if (!isDebianLike(machine)) return 'only done on Debian and Ubuntu';
  if (machine.isRoot) return undefined;
  if (!machine.hasSudo) return 'needs root, and there is no sudo';
  return machine.hasTerminal ? undefined : 'needs a yes at a terminal, and there is none';
}
