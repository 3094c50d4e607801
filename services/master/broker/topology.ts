/**
 * The broker's objects that the master alone declares: the two exchanges and a queue for each
 * member, bound before the member ever started.
 *
 * Declaring is idempotent, so the same step serves a first start, every new session and a repair.
 * The entries exchange is the broker's memory of the log: a master without a log declares the
 * control exchange only, by which the nodes find each other; the rest is declared by one that has
 * begun a log or holds it. It comes after the queues: while a queue refuses to be declared, the
 * broker still looks like one that knows of none. What the log needs of a queue is set by
 * arguments, never by a policy of ours; a policy of somebody else's that lowers a limit is not
 * looked for yet, and `declareMember` is the place for it.
 */

import type { AmqpChannel, QueueOptions } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { AmqpSession } from '#amqp/session';
import { entriesQueueArguments, type Topology } from '#protocol/topology';

/**
 * What waits for a master that does not read is acks and beats, all of them repeated: the oldest
 * may go.
 */
const REPLIES_BYTES_MAX = 64 * 1024 * 1024;

export const REPLIES_QUEUE: QueueOptions = {
  durable: false,
  exclusive: true,
  autoDelete: false,
  arguments: { 'x-max-length-bytes': REPLIES_BYTES_MAX },
};

export class MasterTopology {
  constructor(
    private readonly names: Topology,
    /** Bytes; bounds each member's queue. */
    private readonly queueMaxBytes: number,
  ) {}

  /** Did this broker never see the log? */
  async isFresh(session: AmqpSession): Promise<boolean> {
    try {
      await session.onThrowAwayChannel('look', (channel) => channel.checkExchange(this.names.entriesExchange));
      return false;
    } catch (error) {
      if (error instanceof AmqpError && error.code === 'missing') return true;
      throw error;
    }
  }

  /**
   * Declares and binds everything. Rejects with `mismatch` when something exists with other
   * settings.
   */
  async declareAll(channel: AmqpChannel, members: readonly string[]): Promise<void> {
    for (const node of members) await this.declareQueue(channel, node);
    await channel.declareFanout(this.names.controlExchange);
    await channel.declareFanout(this.names.entriesExchange);
    for (const node of members) await this.bind(channel, node);
  }

  /** What the nodes need to hear of each other, before there is a log. */
  async declareControl(channel: AmqpChannel): Promise<void> {
    await channel.declareFanout(this.names.controlExchange);
  }

  /** Declares and binds the queue of one member. */
  async declareMember(channel: AmqpChannel, node: string): Promise<void> {
    await this.declareQueue(channel, node);
    await this.bind(channel, node);
  }

  /**
   * The queue gets no more entries, then goes with all that is in it. Whatever of it is gone
   * already is no error.
   */
  async removeMember(session: AmqpSession, node: string): Promise<void> {
    const queue = this.names.entriesQueue(node);
    try {
      await session.onThrowAwayChannel('unbind', (channel) => channel.unbindQueue(queue, this.names.entriesExchange));
    } catch (error) {
      if (!(error instanceof AmqpError) || error.code !== 'missing') throw error;
    }
    await session.onThrowAwayChannel('delete', (channel) => channel.deleteQueue(queue));
  }

  private declareQueue(channel: AmqpChannel, node: string): Promise<void> {
    return channel.declareQueue(this.names.entriesQueue(node), {
      durable: true,
      exclusive: false,
      autoDelete: false,
      arguments: entriesQueueArguments(this.queueMaxBytes),
    });
  }

  private bind(channel: AmqpChannel, node: string): Promise<void> {
    return channel.bindQueue(this.names.entriesQueue(node), this.names.entriesExchange);
  }
}
