/**
 * Declares the broker's objects that belong to the master: the two exchanges and a queue for each
 * member, which exists before the member starts. Declaring is idempotent, so a first start, a new
 * session and a repair use the same step.
 *
 * The entries exchange is the broker's memory of the log. A master without a log declares only the
 * control exchange, by which nodes find each other. The entries exchange is declared after the
 * queues, so that a failure before it leaves a broker that knows of no log. The limits of a queue
 * are set by its arguments, not by a policy; queue-watch.ts reports policies that lower them.
 */

import type { AmqpChannel, QueueOptions } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { AmqpSession } from '#amqp/session';
import { entriesQueueArguments, type Topology } from '#protocol/topology';

/**
 * Bound of the replies queue, for a master that does not read. It holds acks and heartbeats, which
 * are repeated, so the oldest may be dropped.
 */
const REPLIES_BYTES_MAX = 64 * 1024 * 1024;

/** The replies queue: exclusive to one connection, so it is the lock. */
export const REPLIES_QUEUE: QueueOptions = {
  durable: false,
  exclusive: true,
  autoDelete: false,
  arguments: { 'x-max-length-bytes': REPLIES_BYTES_MAX },
};

/** The objects of one log. Methods reject with an AmqpError. */
export class MasterTopology {
  constructor(
    private readonly names: Topology,
    /** Largest size of each member's queue, in bytes. */
    private readonly queueMaxBytes: number,
  ) {}

  /** Does the broker know of no log, that is, does the entries exchange not exist? */
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

  /** Declares the control exchange, by which nodes find each other before there is a log. */
  async declareControl(channel: AmqpChannel): Promise<void> {
    await channel.declareFanout(this.names.controlExchange);
  }

  /** Declares and binds the queue of one member. */
  async declareMember(channel: AmqpChannel, node: string): Promise<void> {
    await this.declareQueue(channel, node);
    await this.bind(channel, node);
  }

  /** Unbinds and deletes the queue, with its messages. A missing binding or queue is no error. */
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
