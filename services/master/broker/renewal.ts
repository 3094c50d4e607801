/**
 * Deletes a member's queue that accepts no messages, and declares it again. The backlog is lost,
 * and the member fetches it from the log.
 *
 *     well ──a batch is nacked or stays unanswered──▶ doubtful ──any confirm──▶ well
 *     doubtful ──for the time below──▶ each queue is tried alone; those that fail are renewed
 *
 * RabbitMQ can leave such a queue behind. If a broker is killed within about three seconds after a
 * quorum queue was declared, the queue comes back without its Raft server (seen on 3.10.8). It can
 * be declared, but it nacks publishes or does not answer them, and it serves no consumer. Only
 * deleting it helps. The broker confirms a batch for all queues or for none, so without a renewal
 * no batch would be confirmed again. A trial publishes the batch once more; members drop the
 * duplicate.
 */
import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { AmqpSession } from '#amqp/session';
import { propertiesOf } from '#amqp/wire';
import type { PublishBatch } from './publisher';

/** A queue that is only moved or restarted accepts messages again within this time. */
const REFUSED_MS_MAX = 3000;
/** Time without a confirm, while the broker blocks no publisher. A slow disk takes less. */
const SILENT_MS_MAX = 10_000;
/** Time in which one queue has to accept one message. */
const TRIAL_MS_MAX = 5000;
const CLOSE_TIMEOUT_MS = 1000;

/** Renews the queues of one session. */
export class QueueRenewal {
  /** Time of the first nack since the last confirm, in monotonic milliseconds; null: none. */
  private refusedSinceMs: number | null = null;
  private running: Promise<void> | null = null;

  private silence: NodeJS.Timeout | null = null;

  constructor(
    private readonly session: AmqpSession,
    private readonly queues: () => readonly string[],
    private readonly renew: (queue: string) => Promise<void>,
  ) {}

  /**
   * Has to be called after each publish and each answer.
   * @param oldest the oldest pending batch; null: none
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
   * Resolves at once, or when the queues that refuse were renewed. Rejects when the session ends.
   */
  noteRefused(batch: PublishBatch): Promise<void> {
    this.refusedSinceMs ??= performance.now();
    if (performance.now() - this.refusedSinceMs < REFUSED_MS_MAX) return Promise.resolve();
    return this.renewAll(batch);
  }

  /** An unanswered batch cannot be withdrawn, so a renewal on its account ends the session. */
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
