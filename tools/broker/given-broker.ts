/**
 * Whether an AMQP broker serves an address, proven by AMQP's whole handshake, so user, password and
 * virtual host are right too. A TCP port that accepts proves less: a booting RabbitMQ's does, and
 * so does a proxy in front of nothing. A broker that AMQP_URL names is used and left as it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import type { Environment } from '#process/settings';
import { LaunchError, messageOf } from './launch-error';

const HANDSHAKE_MS_MAX = 5_000;

/** Returns the product and its version. @throws Error when the handshake does not succeed. */
export async function greet(url: string): Promise<string> {
  const late = delay(HANDSHAKE_MS_MAX, undefined, { ref: false }).then(() => {
    throw new Error(`the handshake took longer than ${HANDSHAKE_MS_MAX} ms`);
  });
  const connection = await Promise.race([connect(url, { timeout: HANDSHAKE_MS_MAX }), late]);
  // What breaks while it is being closed is of no interest: the handshake was asked for.
  connection.on('error', () => undefined);
  const { product, version } = connection.connection.serverProperties;
  await Promise.race([connection.close(), late]);
  return `${product} ${version}`;
}

/**
 * `urls`: one or several, separated by commas; one that answers is enough. `management` is
 * MANAGEMENT_URL. @throws LaunchError `unreachable`; the signal's reason.
 */
export async function useGiven(urls: string, env: Environment, signal?: AbortSignal) {
  const failures: string[] = [];
  for (const url of urls.split(',').map((part) => part.trim())) {
    signal?.throwIfAborted();
    try {
      const description = `${await greet(url)} at ${redact(url)}, given by AMQP_URL`;
      const management = env.MANAGEMENT_URL || undefined;
      return { amqpUrl: urls, management, describe: () => description, stop: async () => undefined };
    } catch (error) {
      failures.push(`  ${redact(url)}: ${messageOf(error)}`);
    }
  }
  failures.unshift('AMQP_URL is set, but no broker can be used there (nothing else is tried):');
  throw new LaunchError(failures.join('\n'), { code: 'unreachable' });
}

/** Hides the password of an address that is shown. */
export function redact(address: string): string {
  return address.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}
