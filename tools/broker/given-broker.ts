/**
 * A broker that AMQP_URL names: proven to be usable, then used as it is, and left as it is.
 *
 * AMQP_URL may hold several addresses, separated by commas, as a node takes them: one that answers
 * is enough.
 */
import type { Environment } from '#process/settings';
import { BrokerError, messageOf } from './errors';
import { greet } from './handshake';
import type { Management } from './own-broker';

export interface GivenBroker {
  readonly kind: 'given';
  readonly amqpUrl: string;
  readonly management: Management | undefined;
  readonly version: string | undefined;
  describe(): string;
  /** Does nothing: it is not ours. */
  stop(): Promise<void>;
}

/** Per address. */
const GIVEN_MS = 5_000;

/** @throws BrokerError `unreachable`; the signal's reason. */
export async function greetGiven(
  urls: string,
  { env, signal }: { env: Environment; signal?: AbortSignal | undefined },
): Promise<GivenBroker> {
  const failures: string[] = [];
  for (const url of urls.split(',').map((part) => part.trim())) {
    signal?.throwIfAborted();
    try {
      const { product, version } = await greet(url, GIVEN_MS);
      return {
        kind: 'given',
        amqpUrl: urls,
        management: env.MANAGEMENT_URL ? managementOf(env.MANAGEMENT_URL) : undefined,
        version,
        describe: () => `${product} ${version} at ${redact(url)}, given by AMQP_URL`,
        stop: async () => undefined,
      };
    } catch (error) {
      failures.push(`  ${redact(url)}: ${messageOf(error)}`);
    }
  }
  const sentence = 'AMQP_URL is set, but no broker can be used there (nothing else is tried):';
  throw new BrokerError('unreachable', [sentence, ...failures].join('\n'));
}

function managementOf(address: string): Management {
  const url = new URL(address);
  const [user, password] = [url.username, url.password].map(decodeURIComponent) as [string, string];
  url.username = url.password = '';
  return { url: url.href.replace(/\/$/, ''), user, password };
}

/** Hides the password of an address that is shown. */
export function redact(address: string): string {
  return address.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}
