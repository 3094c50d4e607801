/**
 * Wraps one AMQP channel of amqplib: every request to the broker is a promise that always settles,
 * the channel's end is a promise, and ack and requeue do nothing once the channel has ended.
 *
 * States: *opening* → *open* → *ended* (the broker refused a request, the connection ended, or
 * `close` was called). A refused declaration ends the channel that it was made on, so a declaration
 * that may be refused is made on a channel of its own.
 *
 * amqplib closes a channel whose consumer throws, and throws when a channel is used after its end;
 * this class catches both.
 *
 * Unless a method says otherwise, a request rejects with an `AmqpError`: `missing`, `locked`,
 * `mismatch` or `denied` when the broker refused it (the channel has ended then), `timeout`,
 * `channel-lost`, or the reason why the channel or connection had ended.
 */
import type { Channel, ConfirmChannel, ConsumeMessage, Message, Options } from 'amqplib/callback_api';
import { type AmqpConnection, closedHere } from './connection';
import { AmqpError, amqpErrorOf } from './error';
import { Settlements } from './settlements';

/**
 * When the broker does not answer a request for this long, the connection is dropped. The bound is
 * long because the declaration of a quorum queue waits for a majority of the queue's nodes.
 */
const REQUEST_TIMEOUT_MS = 30_000;
/**
 * Settled deliveries are answered together: so many of them, or a fraction of the prefetch count so
 * that the consumer never waits for it, and after this many milliseconds at the latest.
 */
const ACKED_TOGETHER = 16;
const ACKED_SHARE = 4;
const ACK_DELAY_MS = 50;

/** Options of a new channel. */
export interface ChannelOptions {
  /** Publisher confirms: needed for `publishConfirmed`. */
  readonly confirm?: boolean;
  /**
   * Frames that may wait for the socket on each side of amqplib's buffer before `publish` returns
   * false.
   */
  readonly highWaterMark?: number;
}

interface ConsumeOptions {
  /** Names the consumer on its channel, for `cancel`; the broker names it when left out. */
  readonly consumerTag?: string;
  readonly noAck: boolean;
  readonly onMessage: (message: ConsumeMessage) => void;
  /**
   * The broker cancelled the consumer (basic.cancel): the queue was deleted, or moved to another
   * broker.
   */
  readonly onCancel: () => void;
  /**
   * `onMessage` threw, which is a broken invariant of the owner. The delivery is left unsettled.
   */
  readonly onThrow: (error: unknown) => void;
}

/** The properties of a queue, as in queue.declare. */
export interface QueueOptions {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

type Reply<T> = (error: unknown, value?: T) => void;

/** One channel on one `AmqpConnection`; `purpose` names it in error messages. */
export class AmqpChannel {
  /** Resolves with the reason when the channel has ended; never rejects. */
  readonly ended: Promise<AmqpError>;
  private endReason: AmqpError | null = null;
  private resolveEnded: (error: AmqpError) => void = () => undefined;
  private channel: Channel | null = null;
  /** `close` was called: nothing is sent any more, and close-ok is awaited. */
  private closing = false;
  private readonly settlements = new Settlements();
  private ackedTogether = 1;
  private ackTimer: NodeJS.Timeout | null = null;

  private constructor(
    private readonly connection: AmqpConnection,
    readonly purpose: string,
  ) {
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
  }

  /** Opens a channel. Rejects with an `AmqpError` when the connection ends or has ended. */
  static async open(connection: AmqpConnection, purpose: string, options: ChannelOptions = {}): Promise<AmqpChannel> {
    const made = new AmqpChannel(connection, purpose);
    await made.request('open', (reply) => made.watch(create(connection, options, reply)));
    return made;
  }

  get isOpen(): boolean {
    return this.endReason === null && !this.closing;
  }

  /** Why the channel ended; null while it is open. */
  get reason(): AmqpError | null {
    return this.endReason;
  }

  declareQueue(queue: string, options: QueueOptions): Promise<void> {
    return this.request(`declare queue ${queue}`, (reply) => this.raw().assertQueue(queue, options, reply));
  }

  /** Rejects with `missing` when there is no such queue. */
  checkQueue(queue: string): Promise<void> {
    return this.request(`look for queue ${queue}`, (reply) => this.raw().checkQueue(queue, reply));
  }

  /** Deletes a queue. Succeeds when there is none. */
  deleteQueue(queue: string): Promise<void> {
    return this.request(`delete queue ${queue}`, (reply) => this.raw().deleteQueue(queue, {}, reply));
  }

  bindQueue(queue: string, exchange: string): Promise<void> {
    return this.request(`bind ${queue} to ${exchange}`, (reply) =>
      this.raw().bindQueue(queue, exchange, '', {}, reply),
    );
  }

  unbindQueue(queue: string, exchange: string): Promise<void> {
    return this.request(`unbind ${queue}`, (reply) => this.raw().unbindQueue(queue, exchange, '', {}, reply));
  }

  declareFanout(exchange: string): Promise<void> {
    return this.request(`declare exchange ${exchange}`, (reply) =>
      this.raw().assertExchange(exchange, 'fanout', { durable: true }, reply),
    );
  }

  /** Rejects with `missing` when there is no such exchange. */
  checkExchange(exchange: string): Promise<void> {
    return this.request(`look for exchange ${exchange}`, (reply) => this.raw().checkExchange(exchange, reply));
  }

  /** Sets how many unsettled deliveries each later consumer may hold, 1 or more (basic.qos). */
  prefetch(count: number): Promise<void> {
    this.ackedTogether = Math.min(ACKED_TOGETHER, Math.ceil(count / ACKED_SHARE));
    return this.request('prefetch', (reply) => this.raw().prefetch(count, false, reply));
  }

  consume(queue: string, { consumerTag, noAck, onMessage, onCancel, onThrow }: ConsumeOptions): Promise<void> {
    const take = (message: ConsumeMessage | null) => {
      try {
        if (message === null) return onCancel();
        if (!this.isOpen) return;
        if (!noAck) this.settlements.recordDelivered(message.fields.deliveryTag);
        onMessage(message);
      } catch (error) {
        onThrow(error);
      }
    };
    const options = consumerTag === undefined ? { noAck } : { noAck, consumerTag };
    return this.request(`consume ${queue}`, (reply) => this.raw().consume(queue, take, options, reply));
  }

  /** Ends a consumer; what it was given stays with this channel, to be settled. */
  cancel(consumerTag: string): Promise<void> {
    return this.request(`cancel ${consumerTag}`, (reply) => this.raw().cancel(consumerTag, reply));
  }

  /**
   * Sends a message. Returns false when the buffer has passed its mark; `onDrain` tells when it has
   * drained. Throws an `AmqpError` when the channel has ended or the message cannot be encoded.
   */
  publish(exchange: string, routingKey: string, body: Buffer, options: Options.Publish): boolean {
    return this.attempt('publish', () => this.raw().publish(exchange, routingKey, body, options));
  }

  /**
   * Like `publish`, on a channel opened with `confirm`. `settled` is called exactly once: with null
   * for the broker's confirm, or with an `AmqpError` (`nacked`, or the channel's end).
   */
  publishConfirmed(
    { exchange, routingKey }: { readonly exchange: string; readonly routingKey: string },
    body: Buffer,
    options: Options.Publish,
    settled: (error: AmqpError | null) => void,
  ): boolean {
    const confirmed = (error: unknown) => {
      if (error === null || error === undefined) settled(null);
      else settled(this.refusalOf(error));
    };
    return this.attempt('publish', () =>
      (this.raw() as ConfirmChannel).publish(exchange, routingKey, body, options, confirmed),
    );
  }

  /** Calls back for each mandatory message that reached no queue (basic.return). */
  onReturn(returned: (message: Message) => void): void {
    this.raw().on('return', returned);
  }

  /** Calls back when the buffer has drained after `publish` returned false. */
  onDrain(drained: () => void): void {
    this.raw().on('drain', drained);
  }

  /**
   * Acknowledges a delivery of this channel, soon: with those that are settled before and after it.
   * Does nothing when the channel has ended.
   */
  ack({ fields }: Pick<ConsumeMessage, 'fields'>): void {
    if (!this.isOpen) return;
    this.settlements.settle(fields.deliveryTag);
    if (this.settlements.count >= this.ackedTogether) this.flushAcks();
    else this.ackTimer ??= setTimeout(() => this.flushAcks(), ACK_DELAY_MS);
  }

  /**
   * Gives a delivery of this channel back to its queue (basic.nack). Does nothing when the channel
   * has ended.
   */
  requeue(delivery: Pick<ConsumeMessage, 'fields'>): void {
    this.settlements.forget(delivery.fields.deliveryTag);
    this.answer(() => this.raw().nack(delivery as Message, false, true));
  }

  /**
   * Sends what is buffered and closes. Resolves when the broker has agreed, the channel has ended
   * otherwise, or `timeoutMs` milliseconds have passed. Never rejects.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.endReason !== null) return;
    const overdue = setTimeout(() => this.becomeEnded(closedHere()), timeoutMs);
    this.flushAcks();
    try {
      if (!this.closing) this.raw().close();
      this.closing = true;
      await this.ended;
    } catch (cause) {
      this.becomeEnded(cause);
    } finally {
      clearTimeout(overdue);
    }
  }

  private watch(channel: Channel): void {
    this.channel = channel;
    channel.on('error', (cause: unknown) => this.becomeEnded(cause));
    channel.on('close', () => this.becomeEnded(this.connection.reason ?? 'ended'));
  }

  private raw(): Channel {
    if (this.endReason !== null) throw this.endReason;
    if (this.channel === null) throw new Error(`channel ${this.purpose} is used before it is open`);
    return this.channel;
  }

  private becomeEnded(cause: unknown): void {
    if (this.endReason !== null) return;
    const reason = this.closing ? closedHere() : cause;
    if (this.ackTimer !== null) clearTimeout(this.ackTimer);
    this.endReason = amqpErrorOf(reason, { what: `channel ${this.purpose}`, on: 'channel' });
    this.resolveEnded(this.endReason);
  }

  /**
   * amqplib reports "message nacked" for a nack, and "channel closed" for all messages that were
   * unconfirmed when the channel ended.
   */
  private refusalOf(error: unknown): AmqpError {
    if (error instanceof Error && error.message === 'message nacked') {
      return new AmqpError('the broker refused a publish', { code: 'nacked', blastRadius: 'delivery', cause: error });
    }
    return this.endReason ?? this.connection.reason ?? amqpErrorOf(error, { what: 'publish', on: 'channel' });
  }

  private flushAcks(): void {
    if (this.ackTimer !== null) clearTimeout(this.ackTimer);
    this.ackTimer = null;
    const { upTo, single } = this.settlements.take();
    if (upTo > 0) this.answer(() => this.raw().ack(deliveryOf(upTo), true));
    for (const tag of single) this.answer(() => this.raw().ack(deliveryOf(tag)));
  }

  /** Sends a settlement. A failure means only that the channel has ended. */
  private answer(send: () => void): void {
    if (!this.isOpen) return;
    try {
      send();
    } catch (cause) {
      this.becomeEnded(cause);
    }
  }

  private attempt<T>(what: string, act: () => T): T {
    try {
      return act();
    } catch (cause) {
      throw amqpErrorOf(cause, { what: `${this.purpose}: ${what}`, on: 'channel' });
    }
  }

  private request<T>(what: string, issue: (reply: Reply<T>) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const error = timeoutOf(what);
        reject(error);
        this.connection.destroy(error);
      }, REQUEST_TIMEOUT_MS);
      const reply = (error: unknown) => {
        clearTimeout(timer);
        if (error === null || error === undefined) resolve();
        else reject(amqpErrorOf(error, { what, on: 'channel' }));
      };
      try {
        issue(reply);
      } catch (cause) {
        reply(cause);
      }
    });
  }
}

function create(connection: AmqpConnection, options: ChannelOptions, reply: Reply<Channel>): Channel {
  if (connection.reason !== null) throw connection.reason;
  const settings = options.highWaterMark === undefined ? {} : { highWaterMark: options.highWaterMark };
  return options.confirm === true
    ? connection.model.createConfirmChannel(settings, reply)
    : connection.model.createChannel(settings, reply);
}

/** As much of a delivery as amqplib reads to acknowledge it. */
function deliveryOf(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message;
}

function timeoutOf(what: string): AmqpError {
  const message = `${what}: no answer from the broker within ${REQUEST_TIMEOUT_MS} ms`;
  return new AmqpError(message, { code: 'timeout', blastRadius: 'connection' });
}
