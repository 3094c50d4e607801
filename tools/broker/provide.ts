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
 * What was started is stopped, what was found is left alone. A container that fails to come up is
 * not the end: the next way is tried, and the failure is said.
 */

import { chooseBroker, type Facts } from './choose';
import { findDocker, IMAGE, pullImage } from './container/docker';
import { BrokerError, messageOf } from './errors';
import { findPlatform, findServer } from './facts';
import { type GivenBroker, greetGiven } from './given-broker';
import { installPackage } from './installed/install';
import type { OwnBroker } from './own-broker';
import { type StartOptions, startContainer, startPrivateNode } from './start-own';

export const WAYS = ['container', 'private-node', 'install'] as const;

/** `install` leads to a private node, and is of no use without it. */
export type Way = (typeof WAYS)[number];

export interface ProvideOptions extends StartOptions {
  /** Only these may be used; absent: all. A broker that is given by AMQP_URL is always used. */
  readonly ways?: readonly Way[] | undefined;
  /** Asks the user at the terminal. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
}

export type ProvidedBroker = GivenBroker | OwnBroker;

/**
 * Returns when AMQP is served.
 * @throws BrokerError; the signal's reason when aborted. In both cases nothing that was started is left running.
 */
export async function provideBroker(options: ProvideOptions): Promise<ProvidedBroker> {
  if (!/^[\w-]+$/.test(options.name)) throw new RangeError(`a broker cannot be named "${options.name}"`);
  let facts = await findFacts(options);
  for (;;) {
    options.signal?.throwIfAborted();
    const choice = chooseBroker(facts);
    switch (choice.way) {
      case 'given':
        return greetGiven(choice.url, options);
      case 'pull':
        facts = { ...facts, docker: await pull(options) };
        break;
      case 'container':
        try {
          return await startContainer(options);
        } catch (error) {
          options.signal?.throwIfAborted();
          if (error instanceof BrokerError && error.code === 'already-running') throw error;
          options.log(`the container did not come up, going on without Docker: ${messageOf(error)}`);
          facts = { ...facts, docker: { state: 'unusable', why: 'the container did not come up' } };
        }
        break;
      case 'install': {
        const refused = await installPackage({ ...options, ask: choice.ask });
        const server = await findServer(options.env);
        facts = { ...facts, server, installRefused: refused ?? 'the package brought no server that we can start' };
        break;
      }
      case 'private-node':
        return startPrivateNode(choice, options);
      case 'none':
        throw new BrokerError('no-way', choice.explanation);
    }
  }
}

async function findFacts({ env, signal, ways }: ProvideOptions): Promise<Facts> {
  const may = (way: Way) => ways === undefined || ways.includes(way);
  const amqpUrl = env.AMQP_URL?.trim();
  const platform = findPlatform(env);
  const unwanted = 'not wanted by the caller';
  if (amqpUrl)
    return { amqpUrl, docker: { state: 'unusable', why: unwanted }, server: { missing: unwanted }, platform };
  const [docker, server] = await Promise.all([
    may('container') ? findDocker({ env, signal }) : ({ state: 'unusable', why: unwanted } as const),
    may('private-node') ? findServer(env) : { missing: unwanted },
  ]);
  return {
    amqpUrl,
    docker,
    server,
    platform,
    installRefused: may('install') && may('private-node') ? undefined : unwanted,
  };
}

async function pull({ env, signal, log }: ProvideOptions): Promise<Facts['docker']> {
  log(`a Docker engine answers; pulling ${IMAGE}`);
  const failure = await pullImage({ env, signal }, log);
  if (failure === undefined) return { state: 'ready' };
  log(`the image cannot be had, going on without Docker: ${failure}`);
  return { state: 'unusable', why: `${IMAGE} cannot be pulled: ${failure}` };
}
