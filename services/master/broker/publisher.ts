/**
 * Batches on their way to the broker: each is pending until the broker confirms it, refuses it,
 * hands it back, or is gone.
 *
 * A batch that no queue took comes back first (basic.return) and is confirmed right after, so the
 * return is noted under the batch's message id and decides what the confirm means. A refused or
 * returned batch is rejected only after the queues were repaired: a caller that publishes it again
 * at once finds them. The channel's end settles every pending batch, so none hangs longer than the
 * channel lives; a broker that blocks publishers may take as long as it likes. Confirms:
 * https://www.rabbitmq.com/docs/confirms
 */

import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { type Envelope, MESSAGE_BYTES_MAX, propertiesOf } from '#amqp/wire';
import type { EntriesMessage } from '#protocol/wire/messages';

/**
 * The caller bounds what is in flight far below this; past it something is wrong, and memory is
 * protected.
 */
const PENDING_BYTES_MAX = 512 * 1024 * 1024;

export interface PublishBatch {
  readonly message: EntriesMessage;
  readonly body: Buffer;
  readonly envelope: Envelope;
  /** Is there a queue that should take it? */
  readonly mandatory: boolean;
}

/**
 * What puts right the queues that did not take a batch. Its promises reject only with an end of the
 * session.
 */
export interface Repairs {
  /** Declares and binds the queues again. */
  bindAgain(): Promise<void>;
  noteConfirmed(): void;
  noteWaiting(oldest: PublishBatch | null, how: { readonly answered: boolean }): void;
  noteRefused(batch: PublishBatch): Promise<void>;
}

interface Pending {
  readonly batch: PublishBatch;
  readonly bytes: number;
  returned: boolean;
  readonly resolve: () => void;
  readonly reject: (error: AmqpError) => void;
}

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
   * `returned`, `too-large`, `overloaded`, or the reason of the channel's end.
   */
  publish(batch: PublishBatch): Promise<void> {
    const bytes = batch.body.length;
    if (bytes > MESSAGE_BYTES_MAX) return Promise.reject(refusal('too-large', `a batch of ${bytes} bytes`));
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

  /**
   * The batch is refused either way; a repair that failed has ended the session, which its next
   * user hears.
   */
  private async refuseAfter(repair: Promise<void>, pending: Pending, error: AmqpError): Promise<void> {
    await Promise.allSettled([repair]);
    pending.reject(error);
  }
}

function returnedError(): AmqpError {
  return refusal('returned', 'no queue was bound to the entries exchange');
}

function refusal(code: 'returned' | 'too-large' | 'overloaded', message: string): AmqpError {
  return new AmqpError(message, { code, blastRadius: 'delivery' });
}
