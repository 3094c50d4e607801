/**
 * RabbitMQ as a container, driven through the docker command. It is made anew at every start, so
 * that its settings and ports are today's, and removed at every end; what it stores is in a volume
 * of its own, which stays unless the broker is temporary.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { runCommand } from './command';
import { messageOf } from './launch-error';
import { OwnBroker, type StartOptions } from './own-broker';
import { freePorts } from './ports';
import { SHARED_CONF } from './private-node';

export const IMAGE = 'rabbitmq:4-management';

/** An engine that runs answers within milliseconds; one that hangs must not hold up a start. */
const ENGINE_MS = 3_000;
/** A registry that has not answered by then cannot be reached. */
const REGISTRY_MS = 15_000;
/** The whole image, about 100 MB, over a slow line. */
const PULL_MS = 30 * 60_000;

/** User and password. Not guest, who may log in from inside the container only. */
const LOGIN = 'rlog';

type DockerOptions = Pick<StartOptions, 'env' | 'log' | 'signal'>;

/**
 * Why no container can be started here; undefined once an engine of this machine has the image. An
 * engine elsewhere does not count: it would publish the broker's ports on that machine's loopback.
 * @throws the signal's reason when aborted.
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

/**
 * Pulls the image, and hands on each line that `docker pull` says: the first one once the registry
 * has answered. Returns why the image cannot be had, or undefined once it is there.
 * @throws the signal's reason when aborted.
 */
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

/** @throws LaunchError `start-failed`; the signal's reason. */
export function startContainer(options: StartOptions): Promise<OwnBroker> {
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
