/**
 * What a standby hears: while another process has the lock, the announcements of whoever reigns, so
 * that this one can say who that is, and knows which epoch to outbid. It listens on a queue of its
 * own at the control exchange, which goes when the lock is taken.
 *
 * Nothing depends on it but what people are told: if it cannot listen it goes without, and tries
 * again with the next try for the lock.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { takeExclusive } from '#amqp/exclusive';
import type { AmqpSession } from '#amqp/session';
import type { Topology } from '#protocol/topology';

const BYTES_MAX = 1024 * 1024;
const CLOSE_TIMEOUT_MS = 1_000;

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

  /** Listens from now on, unless it does already. Never rejects for the broker's sake. */
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

/** The queue is exclusive: what the broker refuses now goes with the connection. */
function ignoreBroker(error: unknown): void {
  if (!(error instanceof AmqpError)) throw error;
}
