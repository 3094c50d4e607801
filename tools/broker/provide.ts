/**
 * Provides a RabbitMQ to the project or its tests, whatever the machine has: the first of
 *
 *   1. AMQP_URL names one: that one, or an error
 *   2. a Docker engine that has the image, or can pull it: a container
 *   3. rabbitmq-server is installed: a private node, apart from the system's in every respect
 *   4. Debian or Ubuntu, and we may: the package is installed, then 3
 *   5. an error which shows the ways out
 *
 * The order is from "the user said so" over "leaves nothing behind" to "changes the machine".
 */
import { tryContainer } from './docker';
import { useGiven } from './given-broker';
import { tryInstall } from './install';
import { LaunchError } from './launch-error';
import type { OwnBroker, StartOptions } from './own-broker';
import { tryPrivateNode } from './private-node';

/** In the order in which they are tried. */
export const WAYS = ['container', 'private-node', 'install'] as const;
export type Way = (typeof WAYS)[number];

const ATTEMPTS = { container: tryContainer, 'private-node': tryPrivateNode, install: tryInstall };

export interface ProvideOptions extends StartOptions {
  /** Only these may be used; absent: all. A broker that is given by AMQP_URL is always used. */
  readonly ways?: readonly Way[] | undefined;
}

/** One that AMQP_URL names, or an `OwnBroker`. */
export type ProvidedBroker = Awaited<ReturnType<typeof useGiven>> | OwnBroker;

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
  const refusals = { container: '', 'private-node': '', install: '' };
  for (const way of WAYS) {
    const broker = ways.includes(way) ? await ATTEMPTS[way](options) : 'not wanted by the caller';
    if (typeof broker !== 'string') return broker;
    refusals[way] = broker;
  }
  throw new LaunchError(explainWaysOut(refusals), { code: 'no-way' });
}

/** For each way why it did not apply, and what helps. */
export function explainWaysOut(refusals: Readonly<Record<Way, string>>): string {
  return `No RabbitMQ could be had on this machine.
  AMQP_URL          not set
  Docker            ${refusals.container}
  rabbitmq-server   ${refusals['private-node']}
  installing it     ${refusals.install}

Any one of these helps; then run the same command again:
  1. name a RabbitMQ that runs already:  export AMQP_URL=amqp://user:password@host:5672
  2. start Docker:                       https://docs.docker.com/get-docker/
  3. install RabbitMQ:                   sudo apt-get install rabbitmq-server   (Debian, Ubuntu)
                                         brew install rabbitmq                  (macOS)
                                         https://www.rabbitmq.com/docs/download (other systems)`;
}
