/** One broker of our own for all integration tests of a run: free ports, its own data, gone when the run is over. */
import { writeFileSync } from 'node:fs';
import { BrokerError } from '../../rabbitmq/errors';
import { type ProvidedBroker, provideBroker } from '../../rabbitmq/provide';

export default async function globalSetup(): Promise<void> {
  const broker = await provide();
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

/** `npm test` names a file for the reason why there is no broker: then it skips what needs one instead of failing. */
async function provide(): Promise<ProvidedBroker> {
  const { RLOG_TEST_NO_BROKER: note } = process.env;
  try {
    return await provideBroker({
      name: 'rlog-test',
      env: process.env,
      log: (line) => process.stderr.write(`${line}\n`),
    });
  } catch (error) {
    if (note !== undefined && error instanceof BrokerError && error.code === 'no-way')
      writeFileSync(note, error.message);
    throw error;
  }
}
