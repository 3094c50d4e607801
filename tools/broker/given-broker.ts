/**
 * A broker that AMQP_URL names: proven to be usable, then used as it is, and left as it is.
 *
 * AMQP_URL may hold several addresses, separated by commas, as a node takes them: one that answers
 * is enough.
 */

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
  options: { env: Readonly<Record<string, string | undefined>>; signal?: AbortSignal | undefined },
): Promise<GivenBroker> {
  const failures: string[] = [];
  const causes: unknown[] = [];
  for (const url of urls.split(',').map((part) => part.trim())) {
    options.signal?.throwIfAborted();
    try {
      const { product, version } = await greet(url, GIVEN_MS);
      const managementUrl = options.env.MANAGEMENT_URL;
      return {
        kind: 'given',
        amqpUrl: urls,
        management: managementUrl ? managementOf(managementUrl) : undefined,
        version,
        describe: () => `${product} ${version} at ${redact(url)}, given by AMQP_URL`,
        stop: async () => undefined,
      };
    } catch (error) {
      failures.push(`${redact(url)}: ${messageOf(error)}`);
      causes.push(error);
    }
  }
  const explanation = `AMQP_URL is set, but no broker can be used there (nothing else is tried):\n  ${failures.join('\n  ')}`;
  throw new BrokerError('unreachable', explanation, { cause: new AggregateError(causes) });
}

function managementOf(address: string): Management {
  const url = new URL(address);
  const { username, password } = url;
  url.username = url.password = '';
  return {
    url: url.href.replace(/\/$/, ''),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}

/** For people to see: the password is none of their screen's business. */
export function redact(address: string): string {
  return address.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:…@');
}
