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
import { startContainer, whyNoContainer } from './docker';
import { type GivenBroker, useGiven } from './given-broker';
import { installPackage } from './install';
import { LaunchError, messageOf } from './launch-error';
import { findServer } from './machine';
import type { OwnBroker, StartOptions } from './own-broker';
import { startPrivateNode } from './private-node';

export const WAYS = ['container', 'private-node', 'install'] as const;

/** `install` leads to a private node, and is of no use without it. */
export type Way = (typeof WAYS)[number];

export interface ProvideOptions extends StartOptions {
  /** Only these may be used; absent: all. A broker that is given by AMQP_URL is always used. */
  readonly ways?: readonly Way[] | undefined;
}

export type ProvidedBroker = GivenBroker | OwnBroker;

const UNWANTED = 'not wanted by the caller';

/**
 * Returns when AMQP is served. @throws LaunchError; the signal's reason when aborted. In both cases
 * nothing that was started is left running.
 */
export async function provideBroker(options: ProvideOptions): Promise<ProvidedBroker> {
  const { env, signal, ways = WAYS } = options;
  if (!/^[\w-]+$/.test(options.name)) throw new RangeError(`a broker cannot be named "${options.name}"`);
  signal?.throwIfAborted();
  const given = env.AMQP_URL?.trim();
  if (given) return useGiven(given, env, signal);
  const docker = ways.includes('container') ? await tryContainer(options) : UNWANTED;
  if (typeof docker !== 'string') return docker;
  const isNodeWanted = ways.includes('private-node');
  const found = isNodeWanted ? findServer(env) : { missing: UNWANTED };
  if ('script' in found) return startPrivateNode(found, options);
  let install: string | undefined = UNWANTED;
  if (isNodeWanted && ways.includes('install')) {
    install = await installPackage(options);
    const installed = findServer(env);
    if ('script' in installed) return startPrivateNode(installed, options);
    install ??= 'the package brought no server that we can start';
  }
  throw new LaunchError(explainWaysOut({ docker, server: found.missing, install }), { code: 'no-way' });
}

/** The container, or why there is none. */
async function tryContainer(options: ProvideOptions): Promise<OwnBroker | string> {
  const refusal = await whyNoContainer(options);
  if (refusal !== undefined) return refusal;
  try {
    return await startContainer(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    options.log(`the container did not come up, going on without Docker: ${messageOf(error)}`);
    return 'the container did not come up';
  }
}

/** For each way why it did not apply, and what helps. */
export function explainWaysOut(refusals: { docker: string; server: string; install: string }): string {
  return `No RabbitMQ could be had on this machine.
  AMQP_URL          not set
  Docker            ${refusals.docker}
  rabbitmq-server   ${refusals.server}
  installing it     ${refusals.install}

Any one of these helps; then run the same command again:
  1. name a RabbitMQ that runs already:  export AMQP_URL=amqp://user:password@host:5672
  2. start Docker:                       https://docs.docker.com/get-docker/
  3. install RabbitMQ:                   sudo apt-get install rabbitmq-server   (Debian, Ubuntu)
                                         brew install rabbitmq                  (macOS)
                                         https://www.rabbitmq.com/docs/download (other systems)`;
}
