/**
 * Asks a queue whether it answers, by a confirmed publish: it is acknowledged when the queue is
 * alive, refused within milliseconds when the queue's broker is down, and returned when there is no
 * queue. (RabbitMQ 4.2 and later take up to 70 s to answer a declaration of a queue whose broker is
 * down.)
 *
 * A probe expires at once where no consumer takes it, so that it is no part of a backlog.
 */
import type { AmqpSession } from './session';

/** The AMQP `type` of a probe; a receiver drops messages of this type. */
export const PROBE_TYPE = 'probe';

/**
 * Time limit for the answer: a queue answers in milliseconds, unless the broker blocks the
 * connection.
 */
const ANSWER_MS = 1000;
const CLOSE_MS = 1000;

/** `none`: there is no such queue. `dead`: its broker is down. `unknown`: no answer in time. */
export type QueueState = 'none' | 'alive' | 'dead' | 'unknown';

/** The part of a session that is used here, so that tests can supply their own. */
export interface ProbingSession extends Pick<AmqpSession, 'openChannel'> {
  readonly publish: Pick<AmqpSession['publish'], 'isBlocked'>;
}

/**
 * Publishes a probe over the connection that publishes: the broker may block it, while the other
 * connection must stay readable. While the broker blocks it, the state is not known. Rejects with an
 * `AmqpError` when the channel ends.
 */
export async function probeQueue(session: ProbingSession, queue: string): Promise<QueueState> {
  if (session.publish.isBlocked) return 'unknown';
  const channel = await session.openChannel('publish', 'probe', { confirm: true });
  try {
    return await new Promise<QueueState>((resolve, reject) => {
      const overdue = setTimeout(() => resolve('unknown'), ANSWER_MS);
      let isReturned = false;
      channel.onReturn(() => {
        isReturned = true;
      });
      const to = { exchange: '', routingKey: queue };
      const properties = { type: PROBE_TYPE, mandatory: true, expiration: '0' };
      channel.publishConfirmed(to, Buffer.alloc(0), properties, (error) => {
        clearTimeout(overdue);
        if (error === null) resolve(isReturned ? 'none' : 'alive');
        else if (error.code === 'nacked') resolve('dead');
        else reject(error);
      });
    });
  } finally {
    await channel.close(CLOSE_MS);
  }
}
