/**
 * What all integration tests of a run share: the build that they start processes from, a broker of
 * our own on free ports, and a folder for data. All but the build is gone when the run is over.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LaunchError } from '#tools/broker/launch-error';
import { build } from '#tools/scripts/build';
import { startTestBroker, type TestBroker } from './test-broker';

export default async function globalSetup(): Promise<void> {
  // Incremental. Tests of processes that are older than their source would prove nothing.
  if (!(await build())) throw new Error('the build that the integration tests start from failed, as said above');
  const broker = await provide();
  process.stderr.write(`Integration tests use ${broker.describe()}\n`);
  process.env.RLOG_TEST_DIR = mkdtempSync(join(tmpdir(), 'rlog-test-'));
  process.env.RLOG_TEST_AMQP_URL = broker.amqpUrl;
  if (broker.management !== undefined) process.env.RLOG_TEST_MANAGEMENT_URL = broker.management;
  (globalThis as { rlogTestBroker?: unknown }).rlogTestBroker = broker;
}

/**
 * `npm test` names a file for the reason why there is no broker: then it skips what needs one
 * instead of failing.
 */
async function provide(): Promise<TestBroker> {
  const { RLOG_TEST_NO_BROKER: note } = process.env;
  try {
    return await startTestBroker((line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    if (note !== undefined && error instanceof LaunchError && error.code === 'no-way')
      writeFileSync(note, error.message);
    throw error;
  }
}
