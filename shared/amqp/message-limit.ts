/**
 * The largest message that the broker takes. RabbitMQ (`max_message_size`) tells it to nobody, but
 * names it when it closes the channel of a larger message. So a size that was never taken before is
 * tried first, with a message for no queue on a channel that is thrown away: neither the session nor
 * an entry depends on the answer.
 *
 *     unknown ──refused──▶ told ──a larger one is taken, asked again after ASK_AGAIN_MS──▶ unknown
 *
 * Sizes up to `taken` need no trial. It begins low and at least doubles with each trial, so there
 * are ten trials in the life of a process that sends ever larger messages.
 */
import { MESSAGE_BYTES_MAX } from '#protocol/limits';
import { AmqpError } from './error';
import { sizeLimitIn } from './refusal';
import type { AmqpSession } from './session';

const TAKEN_FROM_START = 16 * 1024;
const ASK_AGAIN_MS = 10_000;
const ANSWER_MS = 5_000;
const CLOSE_MS = 1_000;

/** The limit of one node's broker; it outlives the sessions. */
export class MessageLimit {
  private taken = TAKEN_FROM_START;
  private told: number | null = null;
  private askAgainAt = 0;
  private asking: Promise<void> | null = null;

  constructor(private readonly changed: (bytesMax: number) => void) {}

  /** Bytes of the largest body that the broker takes, as far as it said. */
  get bytesMax(): number {
    return this.told ?? MESSAGE_BYTES_MAX;
  }

  /** Bytes up to which every body is known to be taken. */
  get knownBytes(): number {
    return Math.max(this.taken, this.told ?? 0);
  }

  /** True: no trial is needed to know that the broker takes a body of this size, or that it does not. */
  isKnown(bytes: number): boolean {
    if (bytes <= this.knownBytes || bytes > MESSAGE_BYTES_MAX) return true;
    return this.told !== null && performance.now() < this.askAgainAt;
  }

  /** The broker has confirmed a body of this size. */
  noteTaken(bytes: number): void {
    this.taken = Math.max(this.taken, bytes);
    if (bytes > this.bytesMax) this.become(null);
  }

  /** The broker has refused a message: for its size, or otherwise, which teaches nothing. */
  noteRefusal({ message }: AmqpError): void {
    const limit = sizeLimitIn(message);
    if (limit === null) return;
    this.taken = Math.min(this.taken, limit);
    this.askAgainAt = performance.now() + ASK_AGAIN_MS;
    this.become(limit);
  }

  /** Finds out whether the broker takes a body of this size, unless that is known. Never rejects. */
  async learn(session: AmqpSession, bytes: number): Promise<void> {
    while (this.asking !== null) await this.asking;
    if (this.isKnown(bytes) || !session.isOpen || session.publish.isBlocked) return;
    const size = Math.min(Math.max(bytes, 2 * this.taken), MESSAGE_BYTES_MAX);
    this.asking = this.ask(session, size);
    await this.asking;
    this.asking = null;
  }

  private async ask(session: AmqpSession, size: number): Promise<void> {
    try {
      if (await isTaken(session, size)) this.noteTaken(size);
    } catch (error) {
      if (!(error instanceof AmqpError)) throw error;
      this.noteRefusal(error);
    }
  }

  private become(told: number | null): void {
    if (this.told === told) return;
    this.told = told;
    this.changed(this.bytesMax);
  }
}

/** False: no answer in time. Rejects with the refusal. */
async function isTaken(session: AmqpSession, size: number): Promise<boolean> {
  const channel = await session.openChannel('publish', 'size', { confirm: true });
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const overdue = setTimeout(() => resolve(false), ANSWER_MS);
      // To the default exchange, for a queue that cannot be: its name would be ours.
      channel.publishConfirmed({ exchange: '', routingKey: '' }, Buffer.alloc(size), {}, (error) => {
        clearTimeout(overdue);
        if (error === null) resolve(true);
        else reject(error);
      });
    });
  } finally {
    await channel.close(CLOSE_MS);
  }
}
