/**
 * Takes an exclusive queue under a well-known name as a lock: the connection that has the queue is
 * the only holder. Used for the master's lock and for a node's id.
 *
 * In a cluster such a queue lives on the broker of its connection. RabbitMQ with Khepri (4.2 and
 * later, rabbitmq-server #14573) keeps the queue of a broker that is down until that broker is
 * back: the name stays locked although its owner is gone, and no client may declare, delete or
 * purge it. So a client that finds the name locked probes the queue itself (probe.ts).
 *
 * A dead name is skipped for the next *place*: `name`, `name.2`, `name.3` … The broker that comes
 * back deletes its queue, and the first place is free again. So a client that has taken a place
 * checks whether a later place has a living holder, and gives its own up if so. Two clients that do
 * this at the same moment may both believe that they hold the lock. That is acceptable: the lock
 * only avoids contested elections, and safety comes from epochs.
 */
import type { QueueOptions } from './channel';
import { AmqpError } from './error';
import { type ProbingSession, probeQueue } from './probe';
import type { AmqpSession } from './session';

/** More brokers than a RabbitMQ cluster has any use for. */
const PLACES_MAX = 8;

/** The part of a session that is used here, so that tests can supply their own. */
export type ExclusiveSession = ProbingSession & Pick<AmqpSession, 'onThrowAwayChannel'>;

/**
 * Resolves with the name of the queue that this connection now holds: `name` or one of its places.
 * Rejects with an `AmqpError`: `locked` when a living process holds it.
 */
export async function takeExclusive(session: ExclusiveSession, name: string, options: QueueOptions): Promise<string> {
  for (let place = 1; place <= PLACES_MAX; place += 1) {
    const queue = placeName(name, place);
    const refusal = await declare(session, queue, options);
    if (refusal === null) {
      await leaveToOthers(session, name, place);
      return queue;
    }
    if ((await probeQueue(session, queue)) !== 'dead') throw refusal;
  }
  throw lockedError(`${name} and all its places are locked by brokers that are down`);
}

/** Whether `queue` is one of the places of this name. */
export function isPlaceOf(name: string, queue: string): boolean {
  return queue === name || (queue.startsWith(`${name}.`) && /^\d+$/.test(queue.slice(name.length + 1)));
}

function placeName(name: string, place: number): string {
  return place === 1 ? name : `${name}.${place}`;
}

/**
 * Declares the queue. Resolves with null when this connection holds it now, otherwise with the
 * refusal.
 */
async function declare(session: ExclusiveSession, queue: string, options: QueueOptions): Promise<AmqpError | null> {
  try {
    await session.onThrowAwayChannel('exclusive', (channel) => channel.declareQueue(queue, options));
    return null;
  } catch (error) {
    if (error instanceof AmqpError && error.code === 'locked') return error;
    throw error;
  }
}

/** Gives the place up and rejects with `locked` when a later place has a living holder. */
async function leaveToOthers(session: ExclusiveSession, name: string, place: number): Promise<void> {
  for (let later = place + 1; later <= PLACES_MAX; later += 1) {
    const holder = await probeQueue(session, placeName(name, later));
    if (holder === 'none' || holder === 'unknown') return;
    if (holder === 'dead') continue;
    const queue = placeName(name, place);
    await session.onThrowAwayChannel('exclusive', (channel) => channel.deleteQueue(queue));
    throw lockedError(`${placeName(name, later)} is locked by a living process`);
  }
}

function lockedError(message: string): AmqpError {
  return new AmqpError(message, { code: 'locked', blastRadius: 'channel' });
}
