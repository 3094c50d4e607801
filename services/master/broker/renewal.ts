/**
 * A member's queue that takes no message any more is deleted and made anew: its backlog goes, and
 * the member fetches it from the log.
 *
 * RabbitMQ can leave such a queue behind. A quorum queue that is declared less than about three
 * seconds before its broker is killed comes back without its Raft server (seen on 3.10.8):
 * declaring it succeeds, a publish is refused or not answered at all, nor is a consumer. Nothing
 * but deleting mends that, and as the broker confirms a batch for all queues or for none, no
 * member's batch would ever be confirmed again.
 *
 * States: *well* → *doubtful*, by a refused batch, or one that stays unanswered → *well*, by any
 * confirm; *doubtful* for the patience below → each queue is tried by itself, and those that fail
 * are renewed. The trial sends the batch once more: whoever has it drops it as a duplicate.
 */
import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { AmqpSession } from '#amqp/session';
import { propertiesOf } from '#amqp/wire';
import type { PublishBatch } from './publisher';

/** A queue that is only being moved or restarted takes messages again within this time. */
const REFUSED_MS_MAX = 3000;
/**
 * Without any confirm, though the broker blocks nobody. A slow disk answers late, but it answers.
 */
const SILENT_MS_MAX = 10_000;
/** For one queue to take one message. */
const TRIAL_MS_MAX = 5000;
const CLOSE_TIMEOUT_MS = 1000;

export class QueueRenewal {
  /**
   * When the first batch was refused after the last confirm, by the monotonic clock; null: all is
   * well.
   */
  private refusedSinceMs: number | null = null;
  private running: Promise<void> | null = null;

  private silence: NodeJS.Timeout | null = null;

  constructor(
    private readonly session: AmqpSession,
    private readonly queues: () => readonly string[],
    private readonly renew: (queue: string) => Promise<void>,
  ) {}

  /**
   * `oldest` is what waits the longest now; null: nothing. Called after each publish and each
   * answer.
   */
  noteWaiting(oldest: PublishBatch | null, { answered }: { readonly answered: boolean }): void {
    if (this.silence !== null && !answered) return;
    if (this.silence !== null) clearTimeout(this.silence);
    this.silence = oldest === null ? null : setTimeout(() => void this.becomeSilent(oldest), SILENT_MS_MAX);
    this.silence?.unref();
  }

  noteConfirmed(): void {
    this.refusedSinceMs = null;
  }

  /**
   * Resolves at once, or when the queues that refuse were renewed. Rejects only with an end of the
   * session.
   */
  noteRefused(batch: PublishBatch): Promise<void> {
    this.refusedSinceMs ??= performance.now();
    if (performance.now() - this.refusedSinceMs < REFUSED_MS_MAX) return Promise.resolve();
    return this.renewAll(batch);
  }

  /**
   * What an unanswered batch waits for cannot be mended from outside, so a renewal for its sake
   * costs the session.
   */
  private async becomeSilent(oldest: PublishBatch): Promise<void> {
    this.silence = null;
    if (!this.session.isOpen) return;
    if (this.session.publish.isBlocked) return this.noteWaiting(oldest, { answered: true });
    await Promise.allSettled([this.renewAll(oldest)]);
    this.session.end(silent());
  }

  private renewAll(batch: PublishBatch): Promise<void> {
    this.running ??= this.renewRefusing(batch).finally(() => {
      this.running = null;
      this.refusedSinceMs = null;
    });
    return this.running;
  }

  private async renewRefusing(batch: PublishBatch): Promise<void> {
    const channel = await this.session.openChannel('publish', 'trial', { confirm: true });
    try {
      for (const queue of this.queues()) {
        if (await refuses(channel, queue, batch)) await this.renew(queue);
      }
    } finally {
      await channel.close(CLOSE_TIMEOUT_MS);
    }
  }
}

function refuses(channel: AmqpChannel, queue: string, { message, body, envelope }: PublishBatch): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const to = { exchange: '', routingKey: queue };
    const overdue = setTimeout(() => resolve(true), TRIAL_MS_MAX);
    channel.publishConfirmed(to, body, propertiesOf(message, envelope), (error: AmqpError | null) => {
      clearTimeout(overdue);
      if (error === null) resolve(false);
      else if (error.code === 'nacked') resolve(true);
      else reject(error);
    });
  });
}

function silent(): AmqpError {
  const message = `the broker confirmed nothing for ${SILENT_MS_MAX} ms`;
  return new AmqpError(message, { code: 'timeout', blastRadius: 'connection' });
}
