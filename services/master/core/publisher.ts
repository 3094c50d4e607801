/**
 * When what is durable is published: as soon as the window lets it through, while this master has the lock; and after a batch that the broker
 * did not take, all that is unconfirmed again, in order, after a wait.
 */
import { type RetryPolicy, retryDelayMs } from '../../../shared/protocol/retry-policy';
import type { BrokerLink } from './broker-link';
import { type MasterEffect, trace } from './events';
import { PublishWindow } from './publish-window';
import type { Reign } from './reign';

/** Before a publish that the broker did not take is tried again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

export class Publisher {
  readonly window = new PublishWindow();
  /** Null: nothing has failed that was not tried again. */
  private retryAt: number | null = null;
  /** Batches in a row that the broker did not take. */
  private failures = 0;

  constructor(private readonly broker: BrokerLink) {}

  publish(reign: Reign, out: MasterEffect[]): void {
    if (this.broker.hasLock && this.retryAt === null) reign.publish(out);
  }

  /** The broker has the batch. False for one of an older round. */
  recordConfirm(publish: number): boolean {
    if (!this.window.recordConfirm(publish)) return false;
    this.failures = 0;
    return true;
  }

  /** The broker may not have the batch. Once the link is down it is published again as soon as that is up. */
  recordFailure(now: number, failed: { readonly publish: number; readonly random: number }, out: MasterEffect[]): void {
    if (!this.window.recordFailure(failed.publish) || !this.broker.connected) return;
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
    this.window.restart();
  }
}
