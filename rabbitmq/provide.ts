/**
 * Provides a RabbitMQ to whoever starts the project or its tests, whatever the machine has: the first of
 *
 *   1. AMQP_URL names one: that one, or an error
 *   2. a Docker engine that has the image, or can pull it: a container
 *   3. rabbitmq-server is installed: a private node, apart from the system's in every respect
 *   4. Debian or Ubuntu, and we may: the package is installed, then 3
 *   5. an error which shows the ways out
 *
 * What was started is stopped, what was found is left alone. A container that fails to come up is not the end: the next way
 * is tried, and the failure is said.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Choice, chooseBroker, type Facts } from './choose';
import { findDocker, IMAGE, pullImage } from './docker';
import { BrokerError, messageOf } from './errors';
import { findPlatform, findServer } from './facts';
import { greet } from './handshake';
import { installPackage } from './install';
import { clearRun } from './leftover';
import { layOutNode } from './node-layout';
import { type Management, OwnBroker } from './own-broker';
import { freePorts } from './ports';
import { renderSettings, sharedSettings } from './settings';

export interface ProvideOptions {
  /** Keeps the broker's data from start to start. Absent: a temporary folder, deleted with the broker. */
  readonly dataDir?: string | undefined;
  /** Of the broker, for people; letters, digits, `-` and `_`. Keep it the same for one dataDir. */
  readonly name: string;
  /** What is being done, for people. */
  readonly log: (line: string) => void;
  /** Read: AMQP_URL, MANAGEMENT_URL, PATH, DOCKER_*. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Taken when they are free. */
  readonly ports?: { readonly amqp?: number; readonly management?: number } | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Only these may be used; absent: all. A broker that is given by AMQP_URL is always used. */
  readonly ways?: readonly ('container' | 'private-node' | 'install')[] | undefined;
  /** Asks the user at the terminal. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  /** The broker died without having been told to. */
  readonly onDied?: ((how: string) => void) | undefined;
}

export interface GivenBroker {
  readonly kind: 'given';
  readonly amqpUrl: string;
  readonly management: Management | undefined;
  readonly version: string | undefined;
  describe(): string;
  /** Does nothing: it is not ours. */
  stop(): Promise<void>;
}

export type ProvidedBroker = GivenBroker | OwnBroker;

/** For a given broker, per URL. */
const GIVEN_MS = 5_000;

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
  const may = (way: NonNullable<typeof ways>[number]) => ways === undefined || ways.includes(way);
  const amqpUrl = env['AMQP_URL']?.trim();
  const platform = findPlatform(env);
  const unwanted = 'not wanted by the caller';
  if (amqpUrl) return { amqpUrl, docker: { state: 'unusable', why: unwanted }, server: { missing: unwanted }, platform };
  const [docker, server] = await Promise.all([
    may('container') ? findDocker({ env, signal }) : ({ state: 'unusable', why: unwanted } as const),
    may('private-node') ? findServer(env) : { missing: unwanted },
  ]);
  return { amqpUrl, docker, server, platform, installRefused: may('install') ? undefined : unwanted };
}

async function pull({ env, signal, log }: ProvideOptions): Promise<Facts['docker']> {
  log(`a Docker engine answers; pulling ${IMAGE}`);
  const failure = await pullImage({ env, signal }, log);
  if (failure === undefined) return { state: 'ready' };
  log(`the image cannot be had, going on without Docker: ${failure}`);
  return { state: 'unusable', why: `${IMAGE} cannot be pulled: ${failure}` };
}

async function greetGiven(urls: string, options: ProvideOptions): Promise<GivenBroker> {
  const failures: string[] = [];
  const causes: unknown[] = [];
  for (const url of urls.split(',').map((part) => part.trim())) {
    options.signal?.throwIfAborted();
    try {
      const { product, version } = await greet(url, GIVEN_MS);
      const managementUrl = options.env['MANAGEMENT_URL'];
      return {
        kind: 'given',
        amqpUrl: urls,
        management: managementUrl ? managementOf(managementUrl) : undefined,
        version,
        describe: () => `${product} ${version} at ${redact(url)}, given by AMQP_URL`,
        stop: async () => undefined,
      };
    } catch (error) {
      failures.push(`${redact(url)}: ${messageOf(error)}`);
      causes.push(error);
    }
  }
  const explanation = `AMQP_URL is set, but no broker can be used there (nothing else is tried):\n  ${failures.join('\n  ')}`;
  throw new BrokerError('unreachable', explanation, { cause: new AggregateError(causes) });
}

function managementOf(address: string): Management {
  const url = new URL(address);
  const { username, password } = url;
  url.username = url.password = '';
  return { url: url.href.replace(/\/$/, ''), user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/** For people to see: the password is none of their screen's business. */
function redact(address: string): string {
  return address.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}

async function startPrivateNode(
  { script, epmd }: Extract<Choice, { way: 'private-node' }>,
  options: ProvideOptions,
): Promise<OwnBroker> {
  const { dataDir, temporary } = await openDataDir(options);
  const [amqp = 0, management = 0, distribution = 0, epmdPort = 0] = await freePorts([
    options.ports?.amqp,
    options.ports?.management,
    undefined,
    undefined,
  ]);
  const ports = { amqp, management, distribution, epmd: epmdPort };
  const layout = layOutNode({ dataDir, name: options.name, ports, env: options.env });
  for (const folder of layout.folders) mkdirSync(folder, { recursive: true });
  for (const { path, text } of layout.files) writeFileSync(path, text);
  options.log(`starting a private RabbitMQ node, ${layout.nodeName}, in ${dataDir}`);
  const { args, env, nodeName, folders, wipeFolders } = layout;
  return OwnBroker.launch(
    {
      kind: 'private-node',
      title: `a private node in ${dataDir}`,
      amqpUrl: `amqp://guest:guest@127.0.0.1:${amqp}`,
      management: { url: `http://127.0.0.1:${management}`, user: 'guest', password: 'guest' },
      logs: layout.logs,
      onDied: options.onDied,
      supervision: {
        dataDir,
        temporary,
        broker: {
          kind: 'private-node',
          ...{ script, epmd, epmdPort, args, env, nodeName, folders, wipeFolders },
          console: layout.console,
        },
      },
    },
    options.signal,
  );
}

async function startContainer(options: ProvideOptions): Promise<OwnBroker> {
  const { dataDir, temporary } = await openDataDir(options);
  const [amqpPort = 0, managementPort = 0] = await freePorts([options.ports?.amqp, options.ports?.management]);
  const settingsFile = join(dataDir, 'container.conf');
  writeFileSync(settingsFile, renderSettings('Copied into the container when it is made.', sharedSettings), { mode: 0o644 });
  // Named for this checkout, whose folder the data folder is in: two checkouts must not take each other's container.
  const name = `replicated-log-${options.name}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
  options.log(`starting the container ${name} of ${IMAGE}`);
  const login = { user: 'rlog', password: 'rlog' };
  return OwnBroker.launch(
    {
      kind: 'container',
      title: `container ${name}`,
      amqpUrl: `amqp://${login.user}:${login.password}@127.0.0.1:${amqpPort}`,
      management: { url: `http://127.0.0.1:${managementPort}`, ...login },
      logs: [],
      onDied: options.onDied,
      supervision: {
        dataDir,
        temporary,
        broker: {
          kind: 'container',
          ...{ name, image: IMAGE, volume: `${name}-data`, amqpPort, managementPort, settingsFile },
          ...login,
        },
      },
    },
    options.signal,
  );
}

/** The folder exists and nobody uses it. */
async function openDataDir({ dataDir, log }: ProvideOptions): Promise<{ dataDir: string; temporary: boolean }> {
  if (dataDir === undefined) return { dataDir: mkdtempSync(join(tmpdir(), 'replicated-log-broker-')), temporary: true };
  const absolute = resolve(dataDir);
  mkdirSync(absolute, { recursive: true });
  await clearRun(absolute, log);
  return { dataDir: absolute, temporary: false };
}
