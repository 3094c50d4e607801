/**
 * A RabbitMQ container, driven through the docker command. It is made anew at every start, so that
 * its settings and ports are today's, and removed at every end; what it stores is in a volume of its
 * own, which stays unless the broker is temporary.
 *
 * The settings file is copied into the container before it starts rather than mounted: a mount
 * would need the engine to see our folders, and the broker's user to be allowed to read them.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { runCommand } from './command';
import { IMAGE } from './docker';
import { OwnBroker, type StartOptions } from './own-broker';
import { freePorts } from './ports';
import { SHARED_CONF } from './private-node';

/** The engine answers at once; making a container from an image takes it a second or two. */
const DOCKER_MS = 20_000;

const LOGIN = { user: 'rlog', password: 'rlog' };

export function startContainer(options: StartOptions): Promise<OwnBroker> {
  return OwnBroker.launch(options, async (dataDir) => {
    const { env } = options;
    const [amqp = 0, management = 0] = await freePorts([options.ports?.amqp, options.ports?.management]);
    const name = containerName(options.name, dataDir);
    const docker = (...args: string[]) => runCommand(['docker', ...args], { env, timeoutMs: DOCKER_MS });
    const remove = ['rm', '--force', '--volumes', name];
    const log = join(dataDir, 'log', 'container.log');
    options.log(`starting the container ${name} of ${IMAGE}`);
    return {
      kind: 'container',
      title: `container ${name}`,
      amqpUrl: `amqp://${LOGIN.user}:${LOGIN.password}@127.0.0.1:${amqp}`,
      management: { url: `http://127.0.0.1:${management}`, ...LOGIN },
      env,
      logs: [log],
      wipe: [['docker', 'volume', 'rm', '--force', volumeOf(name)]],
      leash: { command: ['docker', 'start', '--attach', name], log, after: [['docker', ...remove]] },
      async prepare() {
        // One of an earlier run that was killed may still be there, running or not.
        await docker(...remove).catch(() => undefined);
        await docker('create', ...createArguments({ name, amqp, management }));
        await docker('cp', SHARED_CONF, `${name}:/etc/rabbitmq/conf.d/90-replicated-log.conf`);
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

function volumeOf(container: string): string {
  return `${container}-data`;
}

export function createArguments(spec: { name: string; amqp: number; management: number }): string[] {
  return [
    ...['--name', spec.name],
    // RabbitMQ's node name, and with it the folder of its data, contains the host's name.
    ...['--hostname', 'replicated-log'],
    ...['--label', 'replicated-log=broker'],
    ...['--volume', `${volumeOf(spec.name)}:/var/lib/rabbitmq`],
    // Only for this machine.
    ...['--publish', `127.0.0.1:${spec.amqp}:5672`],
    ...['--publish', `127.0.0.1:${spec.management}:15672`],
    // A user of our own: guest may log in from inside the container only.
    ...['--env', `RABBITMQ_DEFAULT_USER=${LOGIN.user}`],
    ...['--env', `RABBITMQ_DEFAULT_PASS=${LOGIN.password}`],
    IMAGE,
  ];
}
