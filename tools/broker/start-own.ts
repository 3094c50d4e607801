/**
 * Starts a broker of our own, a private node or a container: makes the data folder ours, draws
 * ports, writes the files and hands the rest to a supervisor. When anything fails, a temporary
 * folder is gone again.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { IMAGE } from './container/docker';
import { layOutNode } from './installed/layout';
import { OwnBroker, type OwnBrokerSpec } from './own-broker';
import { freePorts } from './ports';
import { renderSettings, sharedSettings } from './settings';
import { clearRun } from './supervision/leftover';

export interface StartOptions {
  /**
   * Keeps the broker's data from start to start. Absent: a temporary folder, deleted with the
   * broker.
   */
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
  /** The broker died without having been told to. */
  readonly onDied?: ((how: string) => void) | undefined;
}

interface DataDir {
  readonly dataDir: string;
  readonly temporary: boolean;
}

export async function startPrivateNode(
  { script, epmd }: { script: string; epmd: string },
  options: StartOptions,
): Promise<OwnBroker> {
  return launchIn(await openDataDir(options), options, async ({ dataDir, temporary }) => {
    const preferred = [options.ports?.amqp, options.ports?.management, undefined, undefined];
    const [amqp = 0, management = 0, distribution = 0, epmdPort = 0] = await freePorts(preferred);
    const ports = { amqp, management, distribution, epmd: epmdPort };
    const layout = layOutNode({ dataDir, name: options.name, ports, env: options.env });
    for (const folder of layout.folders) mkdirSync(folder, { recursive: true });
    for (const { path, text } of layout.files) writeFileSync(path, text);
    options.log(`starting a private RabbitMQ node, ${layout.nodeName}, in ${dataDir}`);
    return {
      kind: 'private-node',
      title: `a private node in ${dataDir}`,
      amqpUrl: `amqp://guest:guest@127.0.0.1:${amqp}`,
      management: { url: `http://127.0.0.1:${management}`, user: 'guest', password: 'guest' },
      logs: layout.logs,
      supervision: { dataDir, temporary, broker: { kind: 'private-node', script, epmd, epmdPort, ...layout } },
    };
  });
}

export async function startContainer(options: StartOptions): Promise<OwnBroker> {
  return launchIn(await openDataDir(options), options, async ({ dataDir, temporary }) => {
    const [amqpPort = 0, managementPort = 0] = await freePorts([options.ports?.amqp, options.ports?.management]);
    const settingsFile = join(dataDir, 'container.conf');
    const settings = renderSettings('Copied into the container when it is made.', sharedSettings);
    writeFileSync(settingsFile, settings, { mode: 0o644 });
    const name = containerName(options.name, dataDir);
    options.log(`starting the container ${name} of ${IMAGE}`);
    const login = { user: 'rlog', password: 'rlog' };
    const ports = { amqpPort, managementPort };
    return {
      kind: 'container',
      title: `container ${name}`,
      amqpUrl: `amqp://${login.user}:${login.password}@127.0.0.1:${amqpPort}`,
      management: { url: `http://127.0.0.1:${managementPort}`, ...login },
      logs: [],
      supervision: {
        dataDir,
        temporary,
        broker: { kind: 'container', name, image: IMAGE, volume: `${name}-data`, settingsFile, ...ports, ...login },
      },
    };
  });
}

/**
 * Of this checkout, whose folder the data folder is in: two checkouts must not take each other's
 * container.
 */
function containerName(name: string, dataDir: string): string {
  return `replicated-log-${name}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
}

async function launchIn(
  data: DataDir,
  { env, onDied, signal }: StartOptions,
  prepare: (data: DataDir) => Promise<Omit<OwnBrokerSpec, 'env' | 'onDied'>>,
): Promise<OwnBroker> {
  try {
    return await OwnBroker.launch({ ...(await prepare(data)), env, onDied }, signal);
  } catch (error) {
    if (data.temporary) await rm(data.dataDir, { recursive: true, force: true });
    throw error;
  }
}

/** The folder exists and nobody uses it. */
async function openDataDir({ dataDir, log }: StartOptions): Promise<DataDir> {
  if (dataDir === undefined) return { dataDir: mkdtempSync(join(tmpdir(), 'replicated-log-broker-')), temporary: true };
  const absolute = resolve(dataDir);
  mkdirSync(absolute, { recursive: true });
  await clearRun(absolute, log);
  return { dataDir: absolute, temporary: false };
}
