/**
 * Decides when durable records are published, while this master has the lock. A batch is published
 * once a majority holds the one before. Records that become durable meanwhile go out as one batch,
 * which costs the broker and each secondary hardly more than one record. If no majority acks, a
 * batch waits for one tick at most.
 *
 * After a batch that the broker rejected, all unconfirmed records are published again, in order,
 * after a delay.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { trace } from '#protocol/trace';
import type { BrokerLink } from '../broker-link';
import type { Counters } from '../counters';
import type { MasterEffect } from '../events';
import type { SizeLimit } from '../size-limit';
import { PublishWindow } from './publish-window';
import type { Reign } from './reign';

/** Delay before rejected records are published again. */
const REPUBLISH: RetryPolicy = { delayMsMin: 50, delayMsMax: 2_000 };

/** Publishes the records of the present reign. Times are milliseconds. */
export class Publisher {
  readonly window = new PublishWindow();
  /**
   * Last index of the newest batch, until it is committed or a tick has passed; null: publishing
   * need not wait.
   */
  private travelling: number | null = null;
  /** Time of the next attempt after a failure; null: none is due. */
  private retryAt: number | null = null;
  /** Batches in a row that the broker rejected. */
  private failures = 0;

  constructor(
    private readonly broker: BrokerLink,
    private readonly limit: Pick<SizeLimit, 'bytesMax'>,
    private readonly counters: Pick<Counters, 'resends'>,
  ) {}

  publish(reign: Reign, out: MasterEffect[]): void {
    if (!this.broker.hasLock || this.retryAt !== null) return;
    if (this.travelling !== null && this.travelling > reign.commitIndex) return;
    const batch = this.window.take(this.limit.bytesMax);
    const [first, last] = [batch?.records[0], batch?.records.at(-1)];
    if (batch === null || first === undefined || last === undefined) return;
    out.push({ do: 'publish', publish: batch, header: reign.header(first.index - 1) });
    this.travelling = last.index;
  }

  /** A tick has passed: the newest batch no longer delays the next one. */
  tick(): void {
    this.travelling = null;
  }

  /** The reign has ended: none of its records is published any more. */
  clear(): void {
    this.window.clear();
    this.travelling = null;
    this.retryAt = null;
    this.failures = 0;
  }

  /** The broker has confirmed the batch. */
  recordConfirm(publish: number): void {
    if (this.window.recordConfirm(publish)) this.failures = 0;
  }

  /**
   * The broker may not have the batch: it is published again after a delay. If the link is down, it
   * is published again once the link is up.
   */
  recordFailure(now: number, failed: { readonly publish: number; readonly random: number }, out: MasterEffect[]): void {
    if (!this.window.recordFailure(failed.publish) || !this.broker.connected) return;
    this.travelling = null;
    this.failures += 1;
    this.counters.resends += 1;
    this.retryAt = now + retryDelayMs(REPUBLISH, this.failures, failed.random);
    const level = this.failures === 1 ? 'warn' : 'debug';
    out.push(trace(level, 'publish.refused', { attempt: this.failures }));
  }

  /** Returns true once, when the time of the next attempt has come. */
  isRetryDue(now: number): boolean {
    if (this.retryAt === null || now < this.retryAt) return false;
    this.retryAt = null;
    return true;
  }

  /** The link is lost: all unconfirmed records are published again once it is up. */
  becomeDown(): void {
    this.retryAt = null;
    this.failures = 0;
    this.travelling = null;
    this.window.restart();
  }
}
