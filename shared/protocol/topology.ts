/**
 * Names the exchanges and queues of a log. All names begin with LOG_NAME, so several logs can share
 * one broker.
 */

/**
 * A node id or a log's name: letters, digits, `-` and `_`. It becomes a part of queue names and
 * paths.
 */
export const NAME_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** The names of one log's exchanges and queues. */
export interface Topology {
  /** Durable fanout exchange: one publish reaches the queue of every member. */
  readonly entriesExchange: string;
  /** Durable queue with the backlog of one member. */
  entriesQueue(node: string): string;
  /** Exclusive queue of the reigning master: the lock. */
  readonly repliesQueue: string;
  /** Durable fanout exchange for claims and announcements. */
  readonly controlExchange: string;
  /**
   * Exclusive queue of one live secondary; it keeps a second process from running under its node
   * id.
   */
  controlQueue(node: string): string;
}

/** The names for the log with this LOG_NAME. */
export function topologyOf(log: string): Topology {
  return {
    entriesExchange: `${log}.entries`,
    entriesQueue: (node) => `${log}.entries.${node}`,
    repliesQueue: `${log}.replies`,
    controlExchange: `${log}.control`,
    controlQueue: (node) => `${log}.control.${node}`,
  };
}

/**
 * Types of a member's queue, the default first. The other queues are exclusive to a connection,
 * which RabbitMQ offers for classic queues only.
 */
export const QUEUE_TYPES = ['classic', 'quorum'] as const;

export type QueueType = (typeof QUEUE_TYPES)[number];

type QueueArguments = Readonly<Record<string, string | number | boolean>>;

/**
 * What one type of queue needs beside the arguments of every member's queue.
 *
 * Version 1 of classic queues, which RabbitMQ up to 3.13 has by default, keeps a backlog in memory.
 *
 * The delivery limit is a large number because every other way to ask for no limit loses messages
 * in some release: without the argument 4.3 drops a message after 20 redeliveries, and with −1 3.10
 * drops it at the first. Classic queues have no limit.
 */
const ARGUMENTS_OF_TYPE: Readonly<Record<QueueType, QueueArguments>> = {
  classic: { 'x-queue-version': 2 },
  quorum: { 'x-delivery-limit': 2_000_000_000 },
};

/**
 * Arguments of the queue of every member; the same on RabbitMQ 3.10 and 4.x. `queueMaxBytes` limits
 * the backlog in bytes.
 */
export function entriesQueueArguments(type: QueueType, queueMaxBytes: number): QueueArguments {
  return {
    'x-queue-type': type,
    'x-single-active-consumer': true,
    'x-max-length-bytes': queueMaxBytes,
    'x-overflow': 'drop-head',
    ...ARGUMENTS_OF_TYPE[type],
  };
}
