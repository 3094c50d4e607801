/**
 * A broker of one test file's own whose operator is strict: users, permissions, limits, policies,
 * by its command line tool. RabbitMQ 4 in a container where there is an engine, else a private node
 * of the installed package.
 */
import { RabbitMQContainer } from '@testcontainers/rabbitmq';
import { PrivateNode } from '#tests/integration/amqp/private-node';
import { IMAGE, whyNoContainer } from '#tools/broker/docker';
import { freePorts } from '#tools/broker/ports';

const LOGIN = { user: 'root', password: 'root' };
const READY_MS = 120_000;
const [AMQP, MANAGEMENT] = [5672, 15672];

export interface StrictBroker {
  /** As its administrator. */
  readonly url: string;
  /** Of the management API, with the administrator's credentials. */
  readonly management: string;
  ctl(...args: readonly string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** `RLOG_TEST_BROKER=private` asks for a private node. */
export async function launchStrictBroker(): Promise<StrictBroker> {
  const isPrivate = process.env.RLOG_TEST_BROKER === 'private';
  if (!isPrivate && (await whyNoContainer({ env: process.env, log: () => undefined })) === undefined)
    return launchContainer();
  const node = await PrivateNode.launch();
  if (node === null) throw new Error('these tests need Docker, or rabbitmq-server on Linux');
  return node;
}

/** The address of the same broker for another user, or in another vhost. */
export function as(broker: StrictBroker, user: string, password: string, vhost = '/'): string {
  const url = new URL(broker.url);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  url.pathname = vhost === '/' ? '' : encodeURIComponent(vhost);
  return url.href;
}

async function launchContainer(): Promise<StrictBroker> {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  const [amqp = 0, management = 0] = await freePorts([undefined, undefined]);
  const container = await new RabbitMQContainer(IMAGE)
    .withEnvironment({ RABBITMQ_DEFAULT_USER: LOGIN.user, RABBITMQ_DEFAULT_PASS: LOGIN.password })
    .withLabels({ 'replicated-log.test-run': process.env.REPLICATED_LOG_TEST_RUN ?? 'by-hand' })
    .withExposedPorts({ container: AMQP, host: amqp }, { container: MANAGEMENT, host: management })
    .withStartupTimeout(READY_MS)
    .start();
  const login = `${LOGIN.user}:${LOGIN.password}@${container.getHost()}`;
  return {
    url: `amqp://${login}:${amqp}`,
    management: `http://${login}:${management}`,
    async ctl(...args) {
      const { exitCode, output } = await container.exec(['rabbitmqctl', '--quiet', ...args]);
      if (exitCode !== 0) throw new Error(`rabbitmqctl ${args.join(' ')}: ${output}`);
    },
    async stop() {
      await container.stop({ remove: true, removeVolumes: true });
    },
  };
}
