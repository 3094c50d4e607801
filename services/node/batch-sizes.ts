/**
 * Keeps batches within what the broker takes in one message, and names the record that is larger
 * than that alone: neither it nor what follows it reaches a node that lacks it.
 */
import type { Trace } from '#amqp/link';
import { MessageLimit } from '#amqp/message-limit';
import type { AmqpSession } from '#amqp/session';
import type { LogRecord } from '#protocol/record';
import { fittingRecords, messageBytesOf } from '#protocol/wire/batch-size';
import type { EntriesMessage } from '#protocol/wire/messages';

export interface SizeEvents {
  /** Bytes of the largest message that the broker takes, as it says now. */
  messageLimitChanged(bytesMax: number): void;
  trace: Trace;
}

export class BatchSizes {
  readonly limit: MessageLimit;
  private session: AmqpSession | null = null;
  private tooLarge: string | null = null;

  constructor(private readonly events: SizeEvents) {
    this.limit = new MessageLimit((bytesMax) => {
      events.trace('warn', 'broker.message-limit', { bytesMax });
      events.messageLimitChanged(bytesMax);
    });
  }

  /** The record that the broker does not take, and what to do, as a sentence; null: none is known. */
  get warning(): string | null {
    return this.tooLarge;
  }

  attach(session: AmqpSession): void {
    this.session = session;
  }

  /**
   * Resolves when it is known whether the broker takes a message of this size, or that it does not
   * say. Never rejects.
   */
  async learn(bytes: number): Promise<void> {
    if (this.session !== null) await this.limit.learn(this.session, bytes);
  }

  /** The batch with as many of its records as go through; null: not even one does. */
  fitted(message: EntriesMessage): EntriesMessage | null {
    const records = fittingRecords(message.records, this.limit.bytesMax);
    const [first] = message.records;
    if (records.length > 0 || first === undefined) return { ...message, records };
    this.noteTooLarge(first);
    // A later fetch may find that the broker takes more.
    const bytes = messageBytesOf(first.bytes.length);
    void this.learn(bytes).then(() => {
      if (bytes <= this.limit.bytesMax) this.tooLarge = null;
    });
    return null;
  }

  /** The broker has confirmed a batch of this size. */
  noteTaken(bytes: number): void {
    this.limit.noteTaken(bytes);
    this.tooLarge = null;
  }

  noteTooLarge({ index, seq, control, bytes: { length } }: LogRecord): void {
    const [bytes, bytesMax] = [messageBytesOf(length), this.limit.bytesMax];
    const what = control === null ? `entry ${seq}` : `record ${index}`;
    const sentence =
      `${what} makes a message of ${bytes} bytes, and the broker takes ${bytesMax}: set max_message_size in ` +
      `rabbitmq.conf to ${bytes} or more. Until then ${what} and what follows reaches no further node`;
    if (this.tooLarge === sentence) return;
    this.tooLarge = sentence;
    this.events.trace('error', 'broker.record-too-large', { index, bytes, bytesMax });
  }
}
