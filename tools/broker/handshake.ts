/**
 * Whether an AMQP broker really serves an address: a connection is opened up to the end of AMQP's
 * handshake (so user, password and virtual host are right too) and closed again. A TCP port that
 * accepts proves less: a booting RabbitMQ's does, and so does a proxy in front of nothing.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import { within } from './bounded';
import { messageOf } from './errors';

export interface Greeting {
  readonly product: string;
  readonly version: string;
}

/**
 * First, and longest, pause between two attempts. Boot takes seconds, so more often than this is
 * noise in its log.
 */
const RETRY_MS = { first: 50, max: 250 };

/** A broker answers a close at once; one that hangs is not ready. */
const CLOSE_MS = 2_000;

/** One attempt. @throws when the handshake has not succeeded within `timeoutMs`. */
export async function greet(url: string, timeoutMs: number): Promise<Greeting> {
  const connection = await within(connect(url, { timeout: timeoutMs }), timeoutMs, 'the handshake');
  // What breaks while it is being closed concerns nobody: the handshake is what was asked for.
  connection.on('error', () => undefined);
  const { product, version } = connection.connection.serverProperties;
  await within(connection.close(), CLOSE_MS, 'closing the connection');
  return { product: String(product), version: String(version) };
}

/**
 * Attempts until one succeeds.
 * @throws the last attempt's error as cause when `boundMs` is over; `failed`'s rejection as soon as it rejects; the
 * signal's reason when aborted.
 */
export async function awaitGreeting(
  url: string,
  options: { boundMs: number; failed?: Promise<never>; signal?: AbortSignal | undefined },
): Promise<Greeting> {
  const deadline = Date.now() + options.boundMs;
  const gaveUp = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, gaveUp.signal]) : gaveUp.signal;
  const attempts = async (): Promise<Greeting> => {
    for (let pauseMs = RETRY_MS.first; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS.max)) {
      signal.throwIfAborted();
      try {
        return await greet(url, Math.max(1, Math.min(5_000, deadline - Date.now())));
      } catch (cause) {
        if (Date.now() + pauseMs >= deadline) {
          throw new Error(`no AMQP handshake within ${options.boundMs} ms: ${messageOf(cause)}`, { cause });
        }
      }
      await delay(pauseMs, undefined, { signal });
    }
  };
  try {
    return await (options.failed ? Promise.race([attempts(), options.failed]) : attempts());
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    gaveUp.abort();
  }
}
