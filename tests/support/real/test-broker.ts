/**
 * The broker of the integration tests: RabbitMQ 4 from testcontainers where a Docker engine is
 * there and has or can pull the image, else whatever the product itself would find.
 * RLOG_TEST_BROKER chooses:
 *
 *   unset       AMQP_URL if set, a container, or a private node of the installed package
 *   container   a container, or no tests
 *   private     a private node, or no tests: Debian's package is RabbitMQ 3.10, which the same tests must pass
 */
import { RabbitMQContainer } from '@testcontainers/rabbitmq';
import { IMAGE, whyNoContainer } from '#tools/broker/docker';
import { LaunchError } from '#tools/broker/launch-error';
import { freePorts } from '#tools/broker/ports';
import { provideBroker } from '#tools/broker/provide';

export interface TestBroker {
  readonly amqpUrl: string;
  /** URL of the management API, with the login in it. */
  readonly management: string | undefined;
  describe(): string;
  stop(): Promise<void>;
}

/** User and password. */
const LOGIN = 'test';
const READY_MS = 120_000;
const AMQP = 5672;
const MANAGEMENT = 15672;

/** @throws LaunchError `no-way` when this machine has no such broker */
export async function startTestBroker(log: (line: string) => void): Promise<TestBroker> {
  const wanted = process.env.RLOG_TEST_BROKER ?? '';
  if (!['', 'container', 'private'].includes(wanted)) throw new Error(`RLOG_TEST_BROKER=${wanted} is not known`);
  if (wanted !== 'private' && (wanted === 'container' || !process.env.AMQP_URL)) {
    const reason = await whyNoContainer({ env: process.env, log });
    if (reason === undefined) return startContainer(log);
    if (wanted === 'container') throw new LaunchError(`no container: ${reason}`, { code: 'no-way' });
    log(`no container for the integration tests: ${reason}`);
  }
  return startFound(log, wanted === 'private');
}

/**
 * On ports that we draw: those that Docker would draw are of the range from which the system serves
 * outgoing connections (tools/broker/ports.ts). The user is one of its own, since RabbitMQ lets
 * guest in from loopback only.
 */
async function startContainer(log: (line: string) => void): Promise<TestBroker> {
  log(`starting ${IMAGE} by testcontainers`);
  // Its reaper is one more image, which not every machine can have; what a killed run leaves is
  // found by the label below.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  const [amqp = 0, management = 0] = await freePorts([undefined, undefined]);
  const container = await new RabbitMQContainer(IMAGE)
    .withEnvironment({ RABBITMQ_DEFAULT_USER: LOGIN, RABBITMQ_DEFAULT_PASS: LOGIN })
    // By it `npm test` finds what a killed run has left.
    .withLabels({ 'replicated-log.test-run': process.env.REPLICATED_LOG_TEST_RUN ?? 'by-hand' })
    .withExposedPorts({ container: AMQP, host: amqp }, { container: MANAGEMENT, host: management })
    .withStartupTimeout(READY_MS)
    .start();
  const host = container.getHost();
  const version = await container.exec(['rabbitmqctl', '--quiet', 'version']);
  return {
    amqpUrl: `amqp://${LOGIN}:${LOGIN}@${host}:${amqp}`,
    management: `http://${LOGIN}:${LOGIN}@${host}:${management}`,
    describe: () => `RabbitMQ ${version.output.trim()} in a container of ${IMAGE}, by testcontainers`,
    async stop() {
      await container.stop({ remove: true, removeVolumes: true });
    },
  };
}

function startFound(log: (line: string) => void, isPrivate: boolean): Promise<TestBroker> {
  if (!isPrivate) return provideBroker({ name: 'rlog-test', env: process.env, log });
  const { AMQP_URL: _given, ...env } = process.env;
  // Installing a package is for CI to decide, or for whoever has no other broker; not for a second
  // run of the same tests.
  const isCi = Boolean(env.CI) && env.CI !== 'false';
  return provideBroker({ name: 'rlog-test', env, log, ways: isCi ? ['private-node', 'install'] : ['private-node'] });
}
