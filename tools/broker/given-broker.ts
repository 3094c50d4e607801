/**
 * Whether an AMQP broker really serves an address: a connection is opened up to the end of AMQP's
 * handshake (so user, password and virtual host are right too) and closed again. A TCP port that
 * accepts proves less: a booting RabbitMQ's does, and so does a proxy in front of nothing.
 *
 * A broker that AMQP_URL names is proven so, used as it is, and left as it is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import type { Environment } from '#process/settings';
import { LaunchError, messageOf } from './launch-error';

export interface GivenBroker {
  /** One or several addresses, separated by commas. */
  readonly amqpUrl: string;
  /** MANAGEMENT_URL. */
  readonly management: string | undefined;
  describe(): string;
  /** Does nothing: it is not ours. */
  stop(): Promise<void>;
}

const HANDSHAKE_MS_MAX = 5_000;
/** Boot takes seconds: asking more often than this is noise in its log. */
const RETRY_MS = 200;

/** Returns the product and its version. @throws when the handshake does not succeed. */
async function greet(url: string): Promise<string> {
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
 * Attempts until one succeeds, and returns the product and its version. @throws the last attempt's
 * error when `boundMs` is over; the signal's reason when aborted.
 */
export async function awaitGreeting(url: string, boundMs: number, signal: AbortSignal): Promise<string> {
  for (const deadline = performance.now() + boundMs; ; ) {
    signal.throwIfAborted();
    try {
      return await greet(url);
    } catch (cause) {
      if (performance.now() >= deadline)
        throw new Error(`no AMQP handshake within ${boundMs} ms: ${messageOf(cause)}`, { cause });
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** One address that answers is enough. @throws LaunchError `unreachable`; the signal's reason. */
export async function useGiven(urls: string, env: Environment, signal?: AbortSignal): Promise<GivenBroker> {
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
  const sentence = 'AMQP_URL is set, but no broker can be used there (nothing else is tried):';
  throw new LaunchError([sentence, ...failures].join('\n'), { code: 'unreachable' });
}

/** Hides the password of an address that is shown. */
export function redact(address: string): string {
  return address.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}
