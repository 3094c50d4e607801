/** One broker of our own for all integration tests of a run: free ports, its own data, gone when the run is over. */
import { provideBroker } from '../../rabbitmq/provide';

export default async function globalSetup(): Promise<void> {
  const broker = await provideBroker({
    name: 'rlog-test',
    env: process.env,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stderr.write(`Integration tests use ${broker.describe()}\n`);
  process.env.RLOG_TEST_AMQP_URL = broker.amqpUrl;
  if (broker.management !== undefined) {
    const { url, user, password } = broker.management;
    process.env.RLOG_TEST_MANAGEMENT_URL = url.replace(
      '://',
      `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`,
    );
  }
  (globalThis as { rlogTestBroker?: unknown }).rlogTestBroker = broker;
}
