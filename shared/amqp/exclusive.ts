/**
 * An exclusive queue under a name that all know, where having it means being the only one: the
 * master's lock, a node's id.
 *
 * In a cluster such a queue lives on the broker of its connection. RabbitMQ with Khepri (4.2 and
 * later, rabbitmq-server #14573) keeps the queue of a broker that is down until that broker is
 * back: the name stays locked though its owner is gone, and nobody may declare, delete or purge it.
 * So whoever finds the name locked asks the queue itself. A confirmed publish is acknowledged by a
 * queue that lives, refused within milliseconds where its broker is down, and returned where there
 * is none. (To look passively for a dead queue takes RabbitMQ 70 s.)
 *
 * A dead name is passed over for the next *place*: `name`, `name.2`, `name.3` … The broker that
 * comes back deletes what it had, and the first place is free again; so whoever takes a place looks
 * whether somebody lives at a later one, and then leaves it to them. Two that do so at the same
 * moment may both believe to be alone. The lock only spares quarrels: safety comes from epochs.
 */
import type { QueueOptions } from './channel';
import { AmqpError } from './error';
import type { AmqpSession } from './session';

/** The AMQP type of the question; whoever receives one drops it. */
export const PROBE_TYPE = 'probe';

/** More brokers than a cluster of RabbitMQ has any use for. */
const PLACES_MAX = 8;
/** A queue answers in milliseconds; only a connection that the broker blocks does not. */
const ANSWER_MS = 1000;
const CLOSE_MS = 1000;

/** *unknown*: no answer in time. */
type Holder = 'none' | 'alive' | 'dead' | 'unknown';

/** What is needed of a session; a test has its own. */
export type ExclusiveSession = Pick<AmqpSession, 'onThrowAwayChannel' | 'openChannel'>;

/**
 * Resolves with the name under which the queue is ours. Rejects with `locked` when a living process
 * has it.
 */
export async function takeExclusive(session: ExclusiveSession, name: string, options: QueueOptions): Promise<string> {
  for (let place = 1; place <= PLACES_MAX; place += 1) {
    const queue = placeName(name, place);
    const refusal = await declare(session, queue, options);
    if (refusal === null) {
      await leaveToOthers(session, name, place);
      return queue;
    }
    if ((await holderOf(session, queue)) !== 'dead') throw refusal;
  }
  throw lockedError(`${name} and all its places are locked by brokers that are down`);
}

/** Is it one of the places of this name? */
export function isPlaceOf(name: string, queue: string): boolean {
  return queue === name || (queue.startsWith(`${name}.`) && /^\d+$/.test(queue.slice(name.length + 1)));
}

function placeName(name: string, place: number): string {
  return place === 1 ? name : `${name}.${place}`;
}

/** Null: it is ours. */
async function declare(session: ExclusiveSession, queue: string, options: QueueOptions): Promise<AmqpError | null> {
  try {
    await session.onThrowAwayChannel('exclusive', (channel) => channel.declareQueue(queue, options));
    return null;
  } catch (error) {
    if (error instanceof AmqpError && error.code === 'locked') return error;
    throw error;
  }
}

/** Gives the place up and rejects with `locked` when somebody lives at a later one. */
async function leaveToOthers(session: ExclusiveSession, name: string, place: number): Promise<void> {
  for (let later = place + 1; later <= PLACES_MAX; later += 1) {
    const holder = await holderOf(session, placeName(name, later));
    if (holder === 'none' || holder === 'unknown') return;
    if (holder === 'dead') continue;
    const queue = placeName(name, place);
    await session.onThrowAwayChannel('exclusive', (channel) => channel.deleteQueue(queue));
    throw lockedError(`${placeName(name, later)} is locked by a living process`);
  }
}

/**
 * Over the connection that publishes: the broker may block it, and the other one must go on being
 * read.
 */
async function holderOf(session: ExclusiveSession, queue: string): Promise<Holder> {
  const channel = await session.openChannel('publish', 'probe', { confirm: true });
  try {
    return await new Promise<Holder>((resolve, reject) => {
      const overdue = setTimeout(() => resolve('unknown'), ANSWER_MS);
      let isReturned = false;
      channel.onReturn(() => {
        isReturned = true;
      });
      const to = { exchange: '', routingKey: queue };
      channel.publishConfirmed(to, Buffer.alloc(0), { type: PROBE_TYPE, mandatory: true }, (error) => {
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

function lockedError(message: string): AmqpError {
  return new AmqpError(message, { code: 'locked', blastRadius: 'channel' });
}
