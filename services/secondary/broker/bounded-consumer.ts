/**
 * The consumer of a member's queue on one channel, ended and begun again as its window says
 * (prefetch.ts): the count of a consumer is fixed when it begins (basic.qos). What a consumer that
 * ended was given stays with the channel, and is settled there.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { PrefetchWindow } from './prefetch';

interface Callbacks {
  /** `settled` is to be called when the delivery is settled, or was given back. */
  delivery(delivery: ConsumeMessage, settled: () => void): void;
  /** The broker cancelled the consumer. */
  cancelled(): void;
  threw(error: unknown): void;
}

export class BoundedConsumer {
  private readonly window: PrefetchWindow;
  /** Consumers so far; the last one's number. */
  private number = 0;
  private isConsuming = false;
  private isChanging = false;

  constructor(
    private readonly channel: AmqpChannel,
    private readonly queue: string,
    countMax: number,
    private readonly callbacks: Callbacks,
  ) {
    this.window = new PrefetchWindow(countMax);
  }

  /** Rejects with an `AmqpError` when the broker refuses it. */
  begin(): Promise<void> {
    return this.alone(() => this.consume());
  }

  private get tag(): string {
    return `entries-${this.number}`;
  }

  private take(delivery: ConsumeMessage): void {
    const bytes = delivery.content.length;
    this.window.noteDelivered(bytes);
    this.callbacks.delivery(delivery, () => {
      this.window.noteSettled(bytes);
      this.adjust();
    });
    this.adjust();
  }

  private adjust(): void {
    if (this.isChanging || !this.isDue) return;
    this.alone(() => this.change()).catch((error: unknown) => {
      // The channel has ended with it, which its owner hears.
      if (!(error instanceof AmqpError)) this.callbacks.threw(error);
    });
  }

  private get isDue(): boolean {
    return this.channel.isOpen && (this.isConsuming ? this.window.mustEnd : this.window.hasRoom);
  }

  private async change(): Promise<void> {
    if (this.isConsuming) await this.channel.cancel(this.tag);
    this.isConsuming = false;
    if (this.isDue) await this.consume();
  }

  private async consume(): Promise<void> {
    this.number += 1;
    // Deliveries may come before the answer.
    this.isConsuming = true;
    await this.channel.prefetch(this.window.begin());
    await this.channel.consume(this.queue, {
      consumerTag: this.tag,
      noAck: false,
      onMessage: (delivery) => this.take(delivery),
      onCancel: () => this.callbacks.cancelled(),
      onThrow: (error) => this.callbacks.threw(error),
    });
  }

  /** One change at a time; what happened meanwhile may ask for the next. */
  private async alone(step: () => Promise<void>): Promise<void> {
    this.isChanging = true;
    try {
      await step();
    } finally {
      this.isChanging = false;
    }
    this.adjust();
  }
}
