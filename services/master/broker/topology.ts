/**
 * Declares the broker's objects that belong to the master: the two exchanges and a queue for each
 * member, which exists before the member starts.
 *
 * Declaring is idempotent, so the same step serves a first start, every new session and a repair.
 * The entries exchange is the broker's memory of the log: a master without a log declares the
 * control exchange only, by which the nodes find each other; the rest is declared by one that has
 * begun a log or holds it. It comes after the queues: while a queue refuses to be declared, the
 * broker still looks like one that knows of none. What the log needs of a queue is set by
 * arguments, never by a policy of ours.
 *
 * Each member's queue is declared on a channel of its own, so that one which the broker refuses
 * stops no other. One that exists with other arguments (another QUEUE_MAX_BYTES, another type) is
 * deleted and declared anew: what was in it is fetched. So is a classic queue on a broker of a
 * cluster that is down. One that is refused for another reason is left out, and its member gets
 * nothing but what it fetches; RabbitMQ before Khepri (4.2) refuses to declare or delete a classic
 * queue while its broker is down.
 */

import type { AmqpChannel, QueueOptions } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { Trace } from '#amqp/link';
import { probeQueue } from '#amqp/probe';
import type { AmqpSession } from '#amqp/session';
import { entriesQueueArguments, type QueueType, type Topology } from '#protocol/topology';

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

/** The settings of the members' queues. */
export interface MemberQueueSettings {
  readonly queueType: QueueType;
  /** Largest size of each queue, in bytes. */
  readonly queueMaxBytes: number;
}

export class MasterTopology {
  private readonly refused = new Map<string, string>();

  constructor(
    private readonly names: Topology,
    private readonly settings: MemberQueueSettings,
    private readonly trace: Trace,
  ) {}

  /** Members' queues that the broker refuses, and why, for people. */
  get warnings(): readonly string[] {
    return [...this.refused.values()];
  }

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
   * Declares and binds everything; `channel` is for the exchanges. Rejects with `mismatch` when an
   * exchange exists with other settings.
   */
  async declareAll(session: AmqpSession, channel: AmqpChannel, members: readonly string[]): Promise<void> {
    const declared: string[] = [];
    for (const node of members) {
      if (await this.isTaken(session, node, () => this.declareOrRenew(session, node))) declared.push(node);
    }
    await channel.declareFanout(this.names.controlExchange);
    await channel.declareFanout(this.names.entriesExchange);
    for (const node of declared) {
      await this.isTaken(session, node, () => this.bind(session, node));
    }
  }

  /** Declares the control exchange, by which nodes find each other before there is a log. */
  async declareControl(channel: AmqpChannel): Promise<void> {
    await channel.declareFanout(this.names.controlExchange);
  }

  /** Declares and binds the queue of one member. Rejects when the broker refuses it. */
  async declareMember(session: AmqpSession, node: string): Promise<void> {
    await this.orReport(session, node, async () => {
      await this.declareOrRenew(session, node);
      await this.bind(session, node);
    });
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

  /** Deletes a member's queue that accepts no messages, for it to be declared anew. */
  async discard(session: AmqpSession, queue: string): Promise<void> {
    this.trace('warn', 'queue.repaired', { queue });
    await this.delete(session, queue);
  }

  private delete(session: AmqpSession, queue: string): Promise<void> {
    return session.onThrowAwayChannel('renew', (channel) => channel.deleteQueue(queue));
  }

  private async declareOrRenew(session: AmqpSession, node: string): Promise<void> {
    const queue = this.names.entriesQueue(node);
    const isClassic = this.settings.queueType === 'classic';
    if (isClassic && (await probeQueue(session, queue)) === 'dead') await this.discard(session, queue);
    const declare = () => session.onThrowAwayChannel('member', (channel) => this.declareQueue(channel, queue));
    try {
      await declare();
    } catch (error) {
      if (!(error instanceof AmqpError) || error.code !== 'mismatch') throw error;
      this.trace('warn', 'queue.replaced', { queue, reason: error.message });
      await this.delete(session, queue);
      await declare();
    }
  }

  /** False: the broker refused it, and the session goes on. */
  private async isTaken(session: AmqpSession, node: string, step: () => Promise<void>): Promise<boolean> {
    try {
      await this.orReport(session, node, step);
      return true;
    } catch (error) {
      if (isRefusal(error, session)) return false;
      throw error;
    }
  }

  /** Rejects as the step does; a refusal is reported once, until the queue stands. */
  private async orReport(session: AmqpSession, node: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (isRefusal(error, session)) this.noteRefused(this.names.entriesQueue(node), error.message);
      throw error;
    }
  }

  private noteRefused(queue: string, reason: string): void {
    const level = this.refused.get(queue) === reason ? 'debug' : 'error';
    this.refused.set(queue, reason);
    this.trace(level, 'queue.refused', { queue, reason });
  }

  private declareQueue(channel: AmqpChannel, queue: string): Promise<void> {
    return channel.declareQueue(queue, {
      durable: true,
      exclusive: false,
      autoDelete: false,
      arguments: entriesQueueArguments(this.settings.queueType, this.settings.queueMaxBytes),
    });
  }

  private async bind(session: AmqpSession, node: string): Promise<void> {
    const queue = this.names.entriesQueue(node);
    await session.onThrowAwayChannel('bind', (channel) => channel.bindQueue(queue, this.names.entriesExchange));
    this.refused.delete(queue);
  }
}

/** The broker has refused the request, and closed no more than its channel. */
function isRefusal(error: unknown, session: AmqpSession): error is AmqpError {
  return session.isOpen && error instanceof AmqpError && error.blastRadius === 'channel';
}
