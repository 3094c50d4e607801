/** The names of the broker's objects. `log` is LOG_NAME, so several logs share one broker. */

/**
 * Letters, digits, `-` and `_`: a node id or a log's name; it becomes part of queue names and
 * paths.
 */
export const NAME_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

export interface Topology {
  /** Durable fanout exchange: one publish reaches every member's queue. */
  readonly entriesExchange: string;
  /** Durable quorum queue with the backlog of one member. */
  entriesQueue(node: string): string;
  /** Exclusive queue of the reigning master; having it is the lock. */
  readonly repliesQueue: string;
  /** Durable fanout exchange of claims and announcements. */
  readonly controlExchange: string;
  /**
   * Exclusive queue of one live secondary; having it means that no other process runs under this
   * node id.
   */
  controlQueue(node: string): string;
}

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
 * Arguments of every member's queue; the same on RabbitMQ 3.10 and 4.x.
 *
 * The delivery limit is a large number because every other spelling of "none" loses messages
 * somewhere: without the argument 4.3 drops a message after 20 redeliveries, with −1 3.10 drops it
 * at the first.
 */
export function entriesQueueArguments(queueMaxBytes: number): Readonly<Record<string, string | number | boolean>> {
  return {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': true,
    'x-delivery-limit': 2_000_000_000,
    'x-max-length-bytes': queueMaxBytes,
    'x-overflow': 'drop-head',
  };
}
