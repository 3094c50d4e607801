/**
 * Consumption of a member's backlog, apart from the rest of the session: its channel may come and
 * go as it likes.
 *
 * States, and how each is left:
 *   *off*       `start` → *starting*
 *   *starting*  the consumer is there → *consuming*; the queue is not → *off*, reported; any other failure → *waiting*
 *   *consuming* the channel ends (a consumer's timeout) or the broker cancels the consumer (queue deleted or moved) → *waiting*
 *   *waiting*   backoff → *starting*
 *   and from each: `stop` → *off*; the session ends → *suspended*, which the next session leaves for *starting*.
 * Each consumption has a channel of its own. Delivery tags count per channel, and a foreign tag
 * ends the channel that it is settled on, so a delivery remembers its channel and is settled there
 * or not at all; the broker hands out again what was not.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { AmqpChannel } from '#amqp/channel';
import { type AmqpError, amqpErrorOf } from '#amqp/error';
import type { Trace } from '#amqp/link';
import { type AmqpSession, pause } from '#amqp/session';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { BoundedConsumer } from './bounded-consumer';

/**
 * One delivery, to be settled or given back once; later calls and calls after its channel's end do
 * nothing.
 */
export class DeliveryHandle {
  private open = true;

  /** `closed`: called once. The content is not kept: it has been read. */
  constructor(
    private readonly channel: AmqpChannel,
    private readonly delivery: Pick<ConsumeMessage, 'fields'>,
    private readonly closed: () => void,
  ) {}

  settle(): void {
    if (this.close()) this.channel.ack(this.delivery);
  }

  requeue(): void {
    if (this.close()) this.channel.requeue(this.delivery);
  }

  private close(): boolean {
    const wasOpen = this.open;
    this.open = false;
    if (wasOpen) this.closed();
    return wasOpen;
  }
}

interface EntriesConsumerEvents {
  delivery(delivery: ConsumeMessage, handle: DeliveryHandle): void;
  /** There is no such queue: the master has to make it. Consumption is off. */
  missing(): void;
  callbackThrew(error: unknown): void;
  trace: Trace;
}

const RETRY: RetryPolicy = { delayMsMin: 100, delayMsMax: 5000 };
/** A consumer that lived for less counts as a failed attempt. */
const STABLE_AFTER_MS = 2000;
const CLOSE_TIMEOUT_MS = 1000;

export class EntriesConsumer {
  private session: AmqpSession | null = null;
  private wanted = false;
  /**
   * The running consumption; replaced by each start, so that an older one notices that it is over.
   */
  private current: { channel: AmqpChannel | null } | null = null;

  constructor(
    private readonly queue: string,
    /** Unsettled deliveries at a time, of small ones. */
    private readonly prefetch: number,
    private readonly events: EntriesConsumerEvents,
  ) {}

  get consuming(): boolean {
    return this.current?.channel?.isOpen ?? false;
  }

  attach(session: AmqpSession): void {
    this.session = session;
    if (this.wanted) this.launch(session);
  }

  detach(): void {
    this.session = null;
    this.current = null;
  }

  start(): void {
    this.wanted = true;
    if (this.session !== null && this.current === null) this.launch(this.session);
  }

  /**
   * Resolves when the channel is closed, a second at most; unsettled deliveries go back to the
   * queue.
   */
  async stop(): Promise<void> {
    this.wanted = false;
    const channel = this.current?.channel;
    this.current = null;
    await channel?.close(CLOSE_TIMEOUT_MS);
  }

  private launch(session: AmqpSession): void {
    const run = { channel: null };
    this.current = run;
    this.run(session, run).catch((error: unknown) => this.events.callbackThrew(error));
  }

  private async run(session: AmqpSession, run: { channel: AmqpChannel | null }): Promise<void> {
    for (let attempt = 1; this.current === run; attempt += 1) {
      const startedMs = performance.now();
      const error = await this.consumeOnce(session, run);
      if (this.current !== run || !session.isOpen) return;
      if (error.code === 'missing') return this.becomeMissing();
      if (performance.now() - startedMs >= STABLE_AFTER_MS) attempt = 1;
      const level = attempt === 1 ? 'warn' : 'debug';
      this.events.trace(level, 'entries.consumer-restarted', {
        code: error.code,
        reason: error.message,
      });
      await pause(retryDelayMs(RETRY, attempt, Math.random()), session.signal);
    }
  }

  /** Resolves, never rejects, with the reason why it ended. */
  private async consumeOnce(session: AmqpSession, run: { channel: AmqpChannel | null }): Promise<AmqpError> {
    try {
      const channel = await session.openChannel('consume', 'entries');
      run.channel = channel;
      // Stopped while it opened.
      if (this.current !== run) await channel.close(CLOSE_TIMEOUT_MS);
      else await this.consumeOn(channel);
      return await channel.ended;
    } catch (error) {
      return amqpErrorOf(error, { what: 'consume entries', on: 'channel' });
    }
  }

  private async consumeOn(channel: AmqpChannel): Promise<void> {
    const consumer = new BoundedConsumer(channel, this.queue, this.prefetch, {
      delivery: (delivery, settled) => {
        const { fields } = delivery;
        this.events.delivery(delivery, new DeliveryHandle(channel, { fields }, settled));
      },
      cancelled: () => void channel.close(CLOSE_TIMEOUT_MS),
      threw: (error) => this.events.callbackThrew(error),
    });
    await consumer.begin();
  }

  private becomeMissing(): void {
    this.wanted = false;
    this.current = null;
    this.events.missing();
  }
}
