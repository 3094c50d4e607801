/**
 * When what is durable is published, while this master has the lock: at once, or as soon as a
 * majority holds the batch before. What becomes durable meanwhile goes out as one batch, which
 * costs the broker and every secondary hardly more than one record. Where no majority answers,
 * nothing is held up for longer than a tick. And after a batch that the broker did not take: all
 * that is unconfirmed again, in order, after a wait.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { trace } from '#protocol/trace';
import type { BrokerLink } from '../broker-link';
import type { MasterEffect } from '../events';
import { PublishWindow } from './publish-window';
import type { Reign } from './reign';

/** Before a publish that the broker did not take is tried again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

export class Publisher {
  readonly window = new PublishWindow();
  /**
   * Last index of the batch that was published last, until it is committed or a tick has passed;
   * null: nothing is to be waited for.
   */
  private travelling: number | null = null;
  /** Null: nothing has failed that was not tried again. */
  private retryAt: number | null = null;
  /** Batches in a row that the broker did not take. */
  private failures = 0;

  constructor(private readonly broker: BrokerLink) {}

  publish(reign: Reign, out: MasterEffect[]): void {
    if (!this.broker.hasLock || this.retryAt !== null) return;
    if (this.travelling !== null && this.travelling > reign.commitIndex) return;
    const batch = this.window.take();
    const [first, last] = [batch?.records[0], batch?.records.at(-1)];
    if (batch === null || first === undefined || last === undefined) return;
    out.push({ do: 'publish', publish: batch, header: reign.header(first.index - 1) });
    this.travelling = last.index;
  }

  /** Time has passed: what still travels holds nothing up any more. */
  tick(): void {
    this.travelling = null;
  }

  /** Another reign, or none: nothing of the former one is to be published any more. */
  clear(): void {
    this.window.clear();
    this.travelling = null;
    this.retryAt = null;
    this.failures = 0;
  }

  /** The broker has the batch. */
  recordConfirm(publish: number): void {
    if (this.window.recordConfirm(publish)) this.failures = 0;
  }

  /**
   * The broker may not have the batch. Once the link is down it is published again as soon as that
   * is up.
   */
  recordFailure(now: number, failed: { readonly publish: number; readonly random: number }, out: MasterEffect[]): void {
    if (!this.window.recordFailure(failed.publish) || !this.broker.connected) return;
    this.travelling = null;
    this.failures += 1;
    this.retryAt = now + retryDelayMs(REPUBLISH, this.failures, failed.random);
    out.push(trace('warn', 'the broker did not take a batch', { attempt: this.failures }));
  }

  /** True once: it is time to publish again. */
  isRetryDue(now: number): boolean {
    if (this.retryAt === null || now < this.retryAt) return false;
    this.retryAt = null;
    return true;
  }

  /** The channel is gone, and every answer with it. */
  becomeDown(): void {
    this.retryAt = null;
    this.failures = 0;
    this.travelling = null;
    this.window.restart();
  }
}
