/**
 * One channel: its requests to the broker as promises that always settle, its end as a promise, its
 * sends as no-ops once it is dead.
 *
 * States: *opening* → *open* → *ended* (the broker refused something, the connection ended, or
 * `close` here). Any refused declaration ends the channel it was made on, so whatever may be
 * refused is tried on a channel of its own.
 *
 * amqplib closes a channel whose consumer throws, and throws where a channel is used after its end;
 * both stop here.
 */
import type { Channel, ConfirmChannel, ConsumeMessage, Message, Options } from 'amqplib/callback_api';
import { type AmqpConnection, closedHere } from './connection';
import { AmqpError, amqpErrorOf } from './error';

/**
 * A broker that does not answer a request for this long is given up: the connection is dropped.
 * Declaring a quorum queue waits for its majority.
 */
const REQUEST_TIMEOUT_MS = 30_000;

export interface ChannelOptions {
  readonly confirm?: boolean;
  /**
   * Frames that may wait for the socket on each side of amqplib's buffer before `publish` answers
   * false.
   */
  readonly highWaterMark?: number;
}

interface ConsumeOptions {
  readonly noAck: boolean;
  readonly onMessage: (message: ConsumeMessage) => void;
  /** The broker cancelled the consumer: the queue was deleted, or moved to another broker. */
  readonly onCancel: () => void;
  /** `onMessage` threw: a broken invariant of the owner. The message is left as it is. */
  readonly onThrow: (error: unknown) => void;
}

export interface QueueOptions {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

type Reply<T> = (error: unknown, value?: T) => void;

export class AmqpChannel {
  /** Resolves, never rejects, with the reason when the channel has ended. */
  readonly ended: Promise<AmqpError>;
  private endReason: AmqpError | null = null;
  private resolveEnded: (error: AmqpError) => void = () => undefined;
  private channel: Channel | null = null;
  /** `close` was called: nothing is sent any more, the broker's agreement is waited for. */
  private closing = false;

  private constructor(
    private readonly connection: AmqpConnection,
    readonly purpose: string,
  ) {
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
  }

  /** Rejects when the connection ends or has ended. */
  static async open(connection: AmqpConnection, purpose: string, options: ChannelOptions = {}): Promise<AmqpChannel> {
    const made = new AmqpChannel(connection, purpose);
    await made.request('open', (reply) => made.watch(create(connection, options, reply)));
    return made;
  }

  get isOpen(): boolean {
    return this.endReason === null && !this.closing;
  }

  /** Why it ended; null while it is open. */
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

  /** Deleting a queue that does not exist succeeds. */
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

  /** How many unsettled deliveries each later consumer may hold, 1 or more. */
  prefetch(count: number): Promise<void> {
    return this.request('prefetch', (reply) => this.raw().prefetch(count, false, reply));
  }

  consume(queue: string, { noAck, onMessage, onCancel, onThrow }: ConsumeOptions): Promise<void> {
    const take = (message: ConsumeMessage | null) => {
      try {
        if (message === null) onCancel();
        else if (this.isOpen) onMessage(message);
      } catch (error) {
        onThrow(error);
      }
    };
    return this.request(`consume ${queue}`, (reply) => this.raw().consume(queue, take, { noAck }, reply));
  }

  /**
   * Hands a message to the channel. False: the buffer is past its mark, and `onDrain` says when it
   * is not. Throws an `AmqpError` when the channel has ended or the message cannot be written.
   */
  publish(exchange: string, routingKey: string, body: Buffer, options: Options.Publish): boolean {
    return this.attempt('publish', () => this.raw().publish(exchange, routingKey, body, options));
  }

  /**
   * As `publish`, on a channel opened with `confirm`; `settled` is called exactly once, with null
   * for a confirm.
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

  onReturn(returned: (message: Message) => void): void {
    this.raw().on('return', returned);
  }

  onDrain(drained: () => void): void {
    this.raw().on('drain', drained);
  }

  /**
   * Answers the broker for a delivery of this channel; nothing happens when the channel has ended.
   */
  ack(message: Message): void {
    this.answer(() => this.raw().ack(message));
  }

  /** Gives a delivery of this channel back; nothing happens when the channel has ended. */
  requeue(message: Message): void {
    this.answer(() => this.raw().nack(message, false, true));
  }

  /**
   * Sends what is buffered and closes. Resolves when the broker agreed, the channel ended
   * otherwise, or `timeoutMs` passed.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.endReason !== null) return;
    const overdue = setTimeout(() => this.becomeEnded(closedHere()), timeoutMs);
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
    this.endReason = amqpErrorOf(reason, { what: `channel ${this.purpose}`, on: 'channel' });
    this.resolveEnded(this.endReason);
  }

  /**
   * amqplib says "message nacked" for a nack and "channel closed" for all that were unconfirmed at
   * the end.
   */
  private refusalOf(error: unknown): AmqpError {
    if (error instanceof Error && error.message === 'message nacked') {
      return new AmqpError('the broker refused a publish', { code: 'nacked', blastRadius: 'delivery', cause: error });
    }
    return this.endReason ?? this.connection.reason ?? amqpErrorOf(error, { what: 'publish', on: 'channel' });
  }

  /** A send whose failure means no more than that the channel is gone. */
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

function timeoutOf(what: string): AmqpError {
  const message = `${what}: no answer from the broker within ${REQUEST_TIMEOUT_MS} ms`;
  return new AmqpError(message, { code: 'timeout', blastRadius: 'connection' });
}
