/**
 * Publishes batches to the entries exchange. A batch is pending until the broker confirms, nacks or
 * returns it, or until the channel ends.
 *
 * A batch that no queue accepted is first returned (basic.return) and then confirmed. So the return
 * is kept under the batch's message id, and turns the confirm into a failure. A nacked or returned
 * batch is rejected only after the queues were repaired, so that the caller may publish it again at
 * once. The end of the channel settles every pending batch. While the broker blocks publishers, a
 * batch stays pending without a bound. Confirms: https://www.rabbitmq.com/docs/confirms
 */

import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { type Envelope, propertiesOf } from '#amqp/wire';
import type { EntriesMessage } from '#protocol/wire/messages';

/** Guard of the memory. The caller's own bound of bytes in flight is far lower. */
const PENDING_BYTES_MAX = 512 * 1024 * 1024;

/** A batch with its encoded body. */
export interface PublishBatch {
  readonly message: EntriesMessage;
  readonly body: Buffer;
  readonly envelope: Envelope;
  /** Must the broker return it when no queue is bound? True if there are members. */
  readonly mandatory: boolean;
}

/** Repairs the queues that did not accept a batch. The promises reject when the session ends. */
interface Repairs {
  /** Declares and binds the queues again. */
  bindAgain(): Promise<void>;
  /** The broker has confirmed a batch. */
  noteConfirmed(): void;
  /** The oldest pending batch after a publish or an answer; null: none. */
  noteWaiting(oldest: PublishBatch | null, how: { readonly answered: boolean }): void;
  /** The broker has nacked a batch. Resolves when it may be published again. */
  noteRefused(batch: PublishBatch): Promise<void>;
}

interface Pending {
  readonly batch: PublishBatch;
  readonly bytes: number;
  returned: boolean;
  readonly resolve: () => void;
  readonly reject: (error: AmqpError) => void;
}

/** The pending batches of one channel. */
export class EntriesPublisher {
  private readonly pending = new Map<string, Pending>();
  private pendingBytes = 0;
  private lastId = 0;

  constructor(
    private readonly channel: AmqpChannel,
    private readonly exchange: string,
    private readonly repairs: Repairs,
  ) {
    channel.onReturn(({ properties }) => this.noteReturned(String(properties.messageId)));
  }

  /**
   * Resolves when every bound queue has taken the batch. Rejects with an AmqpError: `nacked`,
   * `returned`, `overloaded`, or the reason of the channel's end.
   */
  publish(batch: PublishBatch): Promise<void> {
    const bytes = batch.body.length;
    if (this.pendingBytes + bytes > PENDING_BYTES_MAX) {
      return Promise.reject(refusal('overloaded', `${this.pendingBytes} bytes wait for the broker`));
    }
    return new Promise((resolve, reject) => this.send({ batch, bytes, returned: false, resolve, reject }));
  }

  private send(pending: Pending): void {
    const { message, body, envelope, mandatory } = pending.batch;
    this.lastId += 1;
    const messageId = String(this.lastId);
    const properties = { ...propertiesOf(message, envelope), mandatory, messageId };
    this.channel.publishConfirmed({ exchange: this.exchange, routingKey: '' }, body, properties, (error) =>
      this.settle(messageId, error),
    );
    this.pending.set(messageId, pending);
    this.pendingBytes += pending.bytes;
    this.repairs.noteWaiting(pending.batch, { answered: false });
  }

  private noteReturned(messageId: string): void {
    const pending = this.pending.get(messageId);
    if (pending !== undefined) pending.returned = true;
  }

  private settle(messageId: string, error: AmqpError | null): void {
    const pending = this.pending.get(messageId);
    if (pending === undefined) return;
    this.pending.delete(messageId);
    this.pendingBytes -= pending.bytes;
    const [oldest] = this.pending.values();
    this.repairs.noteWaiting(oldest?.batch ?? null, { answered: true });
    if (error?.code === 'nacked') void this.refuseAfter(this.repairs.noteRefused(pending.batch), pending, error);
    else if (error !== null) pending.reject(error);
    else if (pending.returned) void this.refuseAfter(this.repairs.bindAgain(), pending, returnedError());
    else {
      this.repairs.noteConfirmed();
      pending.resolve();
    }
  }

  /** Rejects the batch after the repair. A repair that failed has ended the session. */
  private async refuseAfter(repair: Promise<void>, pending: Pending, error: AmqpError): Promise<void> {
    await Promise.allSettled([repair]);
    pending.reject(error);
  }
}

function returnedError(): AmqpError {
  return refusal('returned', 'no queue was bound to the entries exchange');
}

function refusal(code: 'returned' | 'overloaded', message: string): AmqpError {
  return new AmqpError(message, { code, blastRadius: 'delivery' });
}
