/**
 * Receives the reigning master's announcements while another process has the lock. So a standby can
 * name the reigning master and knows its epoch. The announcements come over a queue of the standby
 * at the control exchange; the queue is deleted once the lock is taken.
 *
 * Safety does not depend on them. If the standby cannot listen, it tries again with its next
 * attempt to take the lock.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { takeExclusive } from '#amqp/exclusive';
import type { AmqpSession } from '#amqp/session';
import type { Topology } from '#protocol/topology';

const BYTES_MAX = 1024 * 1024;
const CLOSE_TIMEOUT_MS = 1_000;

/** The listener of one standby. */
export class StandbyListener {
  private channel: AmqpChannel | null = null;
  private queue = '';
  private isOpening = false;

  constructor(
    private readonly topology: Topology,
    private readonly node: string,
    private readonly callbacks: {
      readonly heard: (delivery: ConsumeMessage) => void;
      readonly threw: (error: unknown) => void;
    },
  ) {}

  /** Starts to listen, unless it does already. An error of the broker does not make it reject. */
  async listen(session: AmqpSession): Promise<void> {
    if (this.channel !== null || this.isOpening) return;
    this.isOpening = true;
    try {
      const channel = await session.openChannel('consume', 'standby');
      void channel.ended.then(() => {
        if (this.channel === channel) this.channel = null;
      });
      this.channel = channel;
      await this.consume(session, channel);
    } catch (error) {
      if (!(error instanceof AmqpError)) throw error;
      await this.close();
    } finally {
      this.isOpening = false;
    }
  }

  async close(): Promise<void> {
    const { channel } = this;
    this.channel = null;
    if (channel === null) return;
    if (channel.isOpen && this.queue !== '') await channel.deleteQueue(this.queue).catch(ignoreBroker);
    this.queue = '';
    await channel.close(CLOSE_TIMEOUT_MS);
  }

  private async consume(session: AmqpSession, channel: AmqpChannel): Promise<void> {
    const queue = await takeExclusive(session, this.topology.controlQueue(this.node), {
      durable: false,
      exclusive: true,
      autoDelete: true,
      arguments: { 'x-max-length-bytes': BYTES_MAX },
    });
    this.queue = queue;
    await channel.bindQueue(queue, this.topology.controlExchange);
    await channel.consume(queue, {
      noAck: true,
      onMessage: (delivery) => this.callbacks.heard(delivery),
      onCancel: () => undefined,
      onThrow: (error) => this.callbacks.threw(error),
    });
  }
}

/** Ignores an error of the broker: the queue is exclusive, and ends with the connection. */
function ignoreBroker(error: unknown): void {
  if (!(error instanceof AmqpError)) throw error;
}
