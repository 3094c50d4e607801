/**
 * Whether an AMQP broker really serves an address: a connection is opened up to the end of AMQP's
 * handshake (so user, password and virtual host are right too) and closed again. A TCP port that
 * accepts proves less: a booting RabbitMQ's does, and so does a proxy in front of nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import { messageOf } from './errors';

export interface Greeting {
  readonly product: string;
  readonly version: string;
}

/** Boot takes seconds: asking more often than this is noise in its log. */
const RETRY_MS = 200;
const ATTEMPT_MS_MAX = 5_000;

/** One attempt. @throws when the handshake has not succeeded within `timeoutMs`. */
export async function greet(url: string, timeoutMs: number): Promise<Greeting> {
  const late = delay(timeoutMs, undefined, { ref: false }).then(() => {
    throw new Error(`the handshake took longer than ${timeoutMs} ms`);
  });
  const connection = await Promise.race([connect(url, { timeout: timeoutMs }), late]);
  // What breaks while it is being closed is of no interest: the handshake was asked for.
  connection.on('error', () => undefined);
  const { product, version } = connection.connection.serverProperties;
  await Promise.race([connection.close(), late]);
  return { product: String(product), version: String(version) };
}

/**
 * Attempts until one succeeds. @throws the last attempt's error as cause when `boundMs` is over;
 * the signal's reason when aborted.
 */
export async function awaitGreeting(
  url: string,
  { boundMs, signal }: { boundMs: number; signal: AbortSignal },
): Promise<Greeting> {
  const deadline = performance.now() + boundMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await greet(url, ATTEMPT_MS_MAX);
    } catch (cause) {
      if (performance.now() >= deadline)
        throw new Error(`no AMQP handshake within ${boundMs} ms: ${messageOf(cause)}`, { cause });
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
