/**
 * The whole of compose.yaml under a project name, images, ports and volumes of its own, so that it
 * disturbs neither another run nor a cluster that somebody has up from the same checkout. `end`
 * deletes all of it, and must be called whatever the tests came to.
 */
import { randomUUID } from 'node:crypto';
import type { Entry } from '#protocol/entry';
import { freePorts } from '#tools/broker/ports';
import { eventually, type Patience } from '../eventually';
import { HttpNode } from '../http/http-node';
import type { MasterHealth, MemberHealth } from '../real/cluster';
import { type DockerEnvironment, docker } from './docker-command';
import { TEST_IMAGES } from './test-images';

const PORTS = {
  master: 'MASTER_PORT',
  'secondary-1': 'SECONDARY_1_PORT',
  'secondary-2': 'SECONDARY_2_PORT',
  'secondary-3': 'SECONDARY_3_PORT',
  'secondary-4': 'SECONDARY_4_PORT',
  'master-standby': 'STANDBY_PORT',
  rabbitmq: 'MANAGEMENT_PORT',
  'rabbitmq-2': 'MANAGEMENT_2_PORT',
  'rabbitmq-3': 'MANAGEMENT_3_PORT',
} as const;

type Service = keyof typeof PORTS;

const RUN = process.env.REPLICATED_LOG_TEST_RUN ?? 'by-hand';

/** Starting anything on a machine of two busy cores. */
const START: Patience = { withinMs: 90_000 };

export interface Queue {
  readonly name: string;
  readonly messages?: number;
  readonly members?: readonly string[];
}

export class ComposeProject {
  /** By the run's id `npm test` finds what a killed run has left. */
  readonly name = `rlog-test-${RUN.slice(0, 8)}-${randomUUID().slice(0, 4)}`;

  private constructor(
    private readonly ports: ReadonlyMap<Service, number>,
    private readonly env: DockerEnvironment,
    private readonly profiles: readonly string[],
  ) {}

  /** Nothing is started yet. */
  static async prepare(profiles: readonly string[] = [], env: DockerEnvironment = {}): Promise<ComposeProject> {
    const services = Object.keys(PORTS) as Service[];
    const free = await freePorts(services.map(() => undefined));
    const ports = new Map(services.map((service, at) => [service, free[at] ?? 0]));
    const published = Object.fromEntries(services.map((service) => [PORTS[service], String(ports.get(service))]));
    return new ComposeProject(ports, { FAULT_INJECTION: 'true', ...TEST_IMAGES, ...published, ...env }, profiles);
  }

  /** `docker compose …` on this project; `env` on top of the project's own. */
  compose(args: readonly string[], env: DockerEnvironment = {}): Promise<string> {
    const profiles = this.profiles.flatMap((profile) => ['--profile', profile]);
    return docker(['compose', '--progress', 'quiet', '--project-name', this.name, ...profiles, ...args], {
      ...this.env,
      ...env,
    });
  }

  /** Starts what is not running and waits until the health checks say ready. */
  async up(...args: readonly string[]): Promise<void> {
    await this.compose(['up', '--detach', '--wait', '--wait-timeout', '180', ...args]);
  }

  /** Containers, volumes and network are gone afterwards. */
  async end(): Promise<void> {
    const all = ['more', 'standby', 'cluster'].flatMap((profile) => ['--profile', profile]);
    const down = ['down', '--volumes', '--remove-orphans', '--timeout', '3'];
    await docker(['compose', '--progress', 'quiet', '--project-name', this.name, ...all, ...down], this.env);
  }

  node(service: Service): HttpNode {
    return new HttpNode(service, `http://127.0.0.1:${this.portOf(service)}`);
  }

  nodes(...services: readonly Service[]): HttpNode[] {
    return services.map((service) => this.node(service));
  }

  /** As `docker` knows it. */
  containerOf(service: Service): string {
    return `${this.name}-${service}-1`;
  }

  volumeOf(service: Service): string {
    return `${this.name}_${service}`;
  }

  get network(): string {
    return `${this.name}_log`;
  }

  /** `docker <verb> <container>`, such as pause, kill, start. */
  async on(service: Service, verb: string, ...options: readonly string[]): Promise<void> {
    await docker([verb, ...options, this.containerOf(service)]);
  }

  /** A field of `docker inspect`, in Go's template syntax. */
  inspect(service: Service, template: string): Promise<string> {
    return docker(['inspect', '--format', template, this.containerOf(service)]);
  }

  /** Runs a command in the container; resolves with what it prints. */
  run(service: Service, ...command: readonly string[]): Promise<string> {
    return docker(['exec', this.containerOf(service), ...command]);
  }

  async untilHealthy(...services: readonly Service[]): Promise<void> {
    for (const service of services) {
      const look = async () => expect(await this.inspect(service, '{{.State.Health.Status}}')).toBe('healthy');
      await eventually(`${service} is healthy`, look, START);
    }
  }

  async untilStatus(id: Service, status: MemberHealth['status'], master: Service = 'master'): Promise<void> {
    const look = async () => {
      const { secondaries } = await this.node(master).health<MasterHealth>();
      expect(secondaries.find((each) => each.id === id)?.status).toBe(status);
    };
    await eventually(`${master} calls ${id} ${status}`, look, START);
  }

  /** Until these nodes show the same log; resolves with it. */
  async agreed(...services: readonly Service[]): Promise<Entry[]> {
    return eventually(
      `${services.join(', ')} show the same log`,
      async () => {
        const nodes = this.nodes(...services);
        const [first = [], ...others] = await Promise.all(nodes.map((node) => node.entries()));
        for (const other of others) expect(other).toEqual(first);
        return first;
      },
      START,
    );
  }

  // ---- the broker, as a person sees it in the management UI

  /**
   * The management API, by the user who may look and do nothing else. Resolves with the status and
   * the parsed body.
   */
  async management(
    path: string,
    { broker = 'rabbitmq', login = 'monitor:monitor' }: { broker?: Service; login?: string } = {},
  ): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(`http://127.0.0.1:${this.portOf(broker)}/api${path}`, {
      headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
      signal: AbortSignal.timeout(5000),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** Messages that wait in a member's queue. The UI's numbers are some seconds old. */
  async depth(member: string, broker: Service = 'rabbitmq'): Promise<number> {
    const { status, body } = await this.management(`/queues/rlog/rlog.entries.${member}`, { broker });
    if (status !== 200) throw new Error(`the management API answers ${status}`);
    return (body as Queue).messages ?? 0;
  }

  async untilDepth(member: string, is: (depth: number) => boolean, what: string): Promise<void> {
    const look = async () => {
      const depth = await this.depth(member);
      if (!is(depth)) throw new Error(`${depth} messages wait`);
    };
    await eventually(`the management API shows ${what} in the queue of ${member}`, look, START);
  }

  /** What the containers said last, for a person who looks for the cause of a failure. */
  async describe(): Promise<string> {
    const state = await this.compose(['ps', '--all', '--format', 'table {{.Name}}\t{{.Status}}']);
    return `${state}\n${await this.compose(['logs', '--no-color', '--tail', '60'])}\n`;
  }

  private portOf(service: Service): number {
    const port = this.ports.get(service);
    if (port === undefined) throw new Error(`${service} has no port`);
    return port;
  }
}

/**
 * A test of a project that a file's tests share: when it fails, the containers' logs go to stderr.
 */
export function onProject(project: () => ComposeProject, play: () => Promise<void>) {
  return async (): Promise<void> => {
    try {
      await play();
    } catch (error) {
      process.stderr.write(await project().describe());
      throw error;
    }
  };
}
