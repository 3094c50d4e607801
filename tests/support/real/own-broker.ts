/**
 * A broker of one test file's own, to be stopped, killed and wiped. It is of the kind that the test
 * run's broker is: a container where there is an engine, else a private node (test-broker.ts).
 * Whoever needs its command line tool takes integration/amqp/private-node.ts.
 */
import { OwnBroker } from '#tools/broker/own-broker';
import { provideBroker, type Way } from '#tools/broker/provide';

/** @throws LaunchError `no-way` when this machine can start none */
export async function launchOwnBroker(name: string): Promise<OwnBroker> {
  const { AMQP_URL: _notOurs, ...env } = process.env;
  const ways: readonly Way[] = env.RLOG_TEST_BROKER === 'private' ? ['private-node'] : ['container', 'private-node'];
  const broker = await provideBroker({ name, env, ways, log: (line) => process.stderr.write(`${line}\n`) });
  if (!(broker instanceof OwnBroker)) throw new Error('a broker that is not ours cannot be killed');
  return broker;
}
