/**
 * When what is durable is published, while this master has the lock: at once as long as few batches are under way, or else when a majority holds one
 * of them. What becomes durable meanwhile goes out as one batch, which costs the broker and every secondary as much as a small one. Where
 * no majority answers, nothing is held up for longer than a tick. And after a batch that the broker did not take: all that is
 * unconfirmed again, in order, after a wait.
 */
import { type RetryPolicy, retryDelayMs } from '../../../shared/protocol/retry-policy';
import type { BrokerLink } from './broker-link';
import { type MasterEffect, trace } from './events';
import { PublishWindow } from './publish-window';
import type { Reign } from './reign';

/**
 * Batches that no majority holds yet before the next one waits. One would leave broker and disks idle while this node works, and the other way around; of
 * more than two each is smaller than it could be.
 */
const TRAVELLING_MAX = 2;

/** Before a publish that the broker did not take is tried again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

export class Publisher {
  readonly window = new PublishWindow();
  /** Last indexes of the batches that were published and are not known to be committed. */
  private travelling: number[] = [];
  /** Null: nothing has failed that was not tried again. */
  private retryAt: number | null = null;
  /** Batches in a row that the broker did not take. */
  private failures = 0;

  constructor(private readonly broker: BrokerLink) {}

  publish(reign: Reign, out: MasterEffect[]): void {
    if (!this.broker.hasLock || this.retryAt !== null) return;
    while ((this.travelling[0] ?? Number.POSITIVE_INFINITY) <= reign.commitIndex) this.travelling.shift();
    while (this.travelling.length < TRAVELLING_MAX) {
      const batch = this.window.take();
      const [first, last] = [batch?.records[0], batch?.records.at(-1)];
      if (batch === null || first === undefined || last === undefined) return;
      out.push({ do: 'publish', publish: batch, header: reign.header(first.index - 1) });
      this.travelling.push(last.index);
    }
  }

  /** Time has passed: what still travels holds nothing up any more. */
  tick(): void {
    this.travelling = [];
  }

  /** Another reign, or none: nothing of the former one is to be published any more. */
  clear(): void {
    this.window.clear();
    this.travelling = [];
    this.retryAt = null;
    this.failures = 0;
  }

  /** The broker has the batch. */
  recordConfirm(publish: number): void {
    if (this.window.recordConfirm(publish)) this.failures = 0;
  }

  /** The broker may not have the batch. Once the link is down it is published again as soon as that is up. */
  recordFailure(now: number, failed: { readonly publish: number; readonly random: number }, out: MasterEffect[]): void {
    if (!this.window.recordFailure(failed.publish) || !this.broker.connected) return;
    this.travelling = [];
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
    this.travelling = [];
    this.window.restart();
  }
}
