/**
 * RabbitMQ as a container, driven through the docker command. It is made anew at every start, with
 * the settings and ports of that start, and removed at every end. What it stores is in a volume of
 * its own, which stays unless the broker is temporary.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { runCommand } from './command';
import { messageOf } from './launch-error';
import { OwnBroker, type StartOptions } from './own-broker';
import { freePorts } from './ports';
import { SHARED_CONF } from './private-node';

export const IMAGE = 'rabbitmq:4-management';

/** User and password. Not guest, who may log in from inside the container only. */
const LOGIN = 'rlog';
/** An engine that runs answers within milliseconds. */
const ENGINE_MS = 3_000;
/** Until the registry's first answer. */
const REGISTRY_MS = 15_000;
/** About 100 MB, over a slow line. */
const PULL_MS = 30 * 60_000;

type DockerOptions = Pick<StartOptions, 'env' | 'log' | 'signal'>;

/**
 * undefined once an engine of this machine has the image. An engine elsewhere does not count: it
 * would publish the broker's ports on that machine's loopback. @throws the signal's reason.
 */
export async function whyNoContainer(options: DockerOptions): Promise<string | undefined> {
  const { env, log, signal } = options;
  const docker = (...args: string[]) => runCommand(['docker', ...args], { env, signal, timeoutMs: ENGINE_MS });
  try {
    const host = await docker('context', 'inspect', '--format', '{{.Endpoints.docker.Host}}');
    if (!/^(unix|npipe):|^tcp:\/\/(localhost|127\.)/.test(host)) return 'the engine is on another machine';
    if ((await docker('image', 'ls', '--quiet', IMAGE)) !== '') return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not installed' : firstLine(error);
  }
  log(`a Docker engine answers; pulling ${IMAGE}`);
  const failure = await pullImage(options);
  return failure && `${IMAGE} cannot be pulled: ${failure}`;
}

/** Returns why the image cannot be had; undefined: it is there. @throws the signal's reason. */
export async function pullImage(options: DockerOptions, registryMs = REGISTRY_MS): Promise<string | undefined> {
  const { env, log, signal } = options;
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`no progress in ${registryMs / 1000} s`)), registryMs);
  const onLine = (line: string) => {
    clearTimeout(timer);
    log(`  ${line}`);
  };
  try {
    const either = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
    await runCommand(['docker', 'pull', IMAGE], { env, signal: either, timeoutMs: PULL_MS, onLine });
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return firstLine(error);
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}

/** Returns why there is none, also when it does not come up. @throws the signal's reason. */
export async function tryContainer(options: StartOptions): Promise<OwnBroker | string> {
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

function startContainer(options: StartOptions): Promise<OwnBroker> {
  return OwnBroker.launch(options, async (dataDir) => {
    const [amqp = 0, management = 0] = await freePorts([options.ports?.amqp, options.ports?.management]);
    // Of this data folder: two checkouts must not take each other's container.
    const name = `replicated-log-${options.name}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
    const log = join(dataDir, 'log', 'container.log');
    options.log(`starting the container ${name} of ${IMAGE}`);
    return {
      title: `container ${name}`,
      amqpUrl: `amqp://${LOGIN}:${LOGIN}@127.0.0.1:${amqp}`,
      management: `http://${LOGIN}:${LOGIN}@127.0.0.1:${management}`,
      env: options.env,
      logs: [log],
      wipe: [['docker', 'volume', 'rm', '--force', `${name}-data`]],
      prepare: [
        ['docker', ...createArguments({ name, amqp, management })],
        // Copied, not mounted: the engine need not see our folders, nor its user read them.
        ['docker', 'cp', SHARED_CONF, `${name}:/etc/rabbitmq/conf.d/90-replicated-log.conf`],
      ],
      command: ['docker', 'start', '--attach', name],
      halt: ['docker', 'stop', name],
      log,
      clear: [['docker', 'rm', '--force', '--volumes', name]],
    };
  });
}

export function createArguments(spec: { name: string; amqp: number; management: number }): string[] {
  return [
    ...['create', '--name', spec.name, '--label', 'replicated-log=broker'],
    // RabbitMQ's node name, and with it the folder of its data, contains the host's name.
    ...['--hostname', 'replicated-log', '--volume', `${spec.name}-data:/var/lib/rabbitmq`],
    // Only for this machine.
    ...['--publish', `127.0.0.1:${spec.amqp}:5672`, '--publish', `127.0.0.1:${spec.management}:15672`],
    ...['--env', `RABBITMQ_DEFAULT_USER=${LOGIN}`, '--env', `RABBITMQ_DEFAULT_PASS=${LOGIN}`],
    IMAGE,
  ];
}
