/**
 * A RabbitMQ container, driven through the docker command. The container is made anew at every
 * first start, so that its settings and ports are today's, and removed at the end; what it stored
 * lives in a volume of its own, which stays unless the broker is temporary.
 *
 * The settings file is copied into the container before it starts rather than mounted: a mount
 * would need the engine to see our folders, and the broker's user to be allowed to read them.
 */

import { spawn } from 'node:child_process';
import { runCommand } from '../command';
import type { SupervisedBroker, SupervisionEvents } from '../supervision/supervised';

export interface ContainerSpec {
  readonly kind: 'container';
  readonly name: string;
  readonly image: string;
  readonly volume: string;
  readonly amqpPort: number;
  readonly managementPort: number;
  readonly user: string;
  readonly password: string;
  /** A file here, copied into the container's conf.d. */
  readonly settingsFile: string;
}

/** The engine answers at once; making a container from an image takes it a second or two. */
const DOCKER_MS = 20_000;

/** Between the orderly request and the engine's SIGKILL. */
const STOP_S = 6;

export class ContainerProcess implements SupervisedBroker {
  private made = false;
  private up = false;

  constructor(
    private readonly spec: ContainerSpec,
    private readonly events: SupervisionEvents,
  ) {}

  async start(): Promise<void> {
    if (!this.made) await this.make();
    await docker(['start', this.spec.name]);
    this.up = true;
    this.watch();
  }

  async halt(): Promise<void> {
    if (!this.up) return;
    this.up = false;
    await docker(['stop', '-t', String(STOP_S), this.spec.name]);
  }

  async kill(): Promise<void> {
    if (!this.up) return;
    this.up = false;
    await docker(['kill', '--signal', 'KILL', this.spec.name]);
    await docker(['wait', this.spec.name]);
  }

  async wipe(): Promise<void> {
    await this.dispose(true);
  }

  async dispose(data: boolean): Promise<void> {
    this.made = false;
    await this.remove();
    if (data) await docker(['volume', 'rm', '--force', this.spec.volume]);
  }

  private async make(): Promise<void> {
    // One of an earlier run that was killed may still be there, running or not.
    await this.remove();
    await docker(['create', ...createArguments(this.spec)]);
    this.made = true;
    await docker(['cp', this.spec.settingsFile, `${this.spec.name}:/etc/rabbitmq/conf.d/90-replicated-log.conf`]);
  }

  /** Older engines call it an error when there is none. */
  private async remove(): Promise<void> {
    await docker(['rm', '--force', '--volumes', this.spec.name], /No such container/);
  }

  /** `docker wait` ends when the container does. */
  private watch(): void {
    const waiting = spawn('docker', ['wait', this.spec.name], { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    waiting.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const ended = (how: string) => {
      if (!this.up) return;
      this.up = false;
      this.events.died(how);
    };
    waiting.once('error', (error) => ended(error.message));
    waiting.once('close', () => ended(`exit code ${output.trim()}`));
  }
}

export function createArguments(spec: ContainerSpec): string[] {
  return [
    ...['--name', spec.name],
    // RabbitMQ's node name, and with it the folder of its data, contains the host's name.
    ...['--hostname', 'replicated-log'],
    ...['--label', 'replicated-log=broker'],
    ...['--volume', `${spec.volume}:/var/lib/rabbitmq`],
    // Only for this machine.
    ...['--publish', `127.0.0.1:${spec.amqpPort}:5672`],
    ...['--publish', `127.0.0.1:${spec.managementPort}:15672`],
    // A user of our own: guest may log in from inside the container only.
    ...['--env', `RABBITMQ_DEFAULT_USER=${spec.user}`],
    ...['--env', `RABBITMQ_DEFAULT_PASS=${spec.password}`],
    spec.image,
  ];
}

async function docker(args: readonly string[], harmless?: RegExp): Promise<void> {
  const { code, stderr } = await runCommand('docker', args, { timeoutMs: DOCKER_MS });
  if (code !== 0 && !harmless?.test(stderr)) throw new Error(`docker ${args[0]}: ${stderr}`);
}
