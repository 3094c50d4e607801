/**
 * Decides how each delivery is settled. One whose records were appended is settled when they are
 * durable; one without new records is settled at once. One whose append failed is requeued after a
 * delay, so that a full disk does not make the broker spin.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import type { SecondaryEffect, Tag } from '../events';

/** A short failure is retried soon; on a disk that stays full, the delay grows. */
const REDELIVERY: RetryPolicy = { delayMsMin: 50, delayMsMax: 5_000 };

/** The delivery that a batch came with. */
export interface Source {
  readonly tag: Tag;
  /** An error is injected between its append and its ack. */
  readonly fail: boolean;
}

interface Unsettled extends Source {
  /** Index of its last record: settled once that is durable. */
  readonly index: number;
}

/** Deliveries by the index of their last record. `random` in [0, 1) spreads the delays. */
export class Deliveries {
  /** Ascending by index. */
  private unsettled: Unsettled[] = [];
  /**
   * Failed appends since the last one that became durable. Deliveries that needed no append do not
   * reset it.
   */
  private failures = 0;

  /** Records of the delivery were appended; the last one is at `index`. */
  recordAppended(source: Source, index: number): void {
    this.unsettled.push({ ...source, index });
  }

  /** The channel is closed, and its tags are void; what was appended stays. */
  forgetTags(): void {
    this.unsettled = this.unsettled.map((each) => ({ ...each, tag: null }));
  }

  /** The delivery has no new records. @returns true when it is settled; else no tag, or `fail` */
  settleKnown({ tag, fail }: Source, out: SecondaryEffect[]): boolean {
    if (tag === null) return false;
    if (fail) this.requeue(tag, 0.5, out);
    else out.push({ do: 'settle', tag });
    return !fail;
  }

  /** Settles what is durable now. @returns true when an error was injected into one of them */
  settleStored(durableIndex: number, random: number, out: SecondaryEffect[]): boolean {
    let failed = false;
    let count = 0;
    for (const { tag, index, fail } of this.unsettled) {
      if (index > durableIndex) break;
      count += 1;
      failed ||= fail;
      if (tag === null) continue;
      if (fail) this.requeue(tag, random, out);
      else out.push({ do: 'settle', tag });
    }
    this.unsettled.splice(0, count);
    if (!failed && count > 0) this.failures = 0;
    return failed;
  }

  /** The store failed: requeues all. @returns after how many milliseconds they come again */
  requeueAll(random: number, out: SecondaryEffect[]): number {
    this.failures += 1;
    const afterMs = retryDelayMs(REDELIVERY, this.failures, random);
    for (const { tag } of this.unsettled) if (tag !== null) out.push({ do: 'requeue', tag, afterMs });
    this.unsettled = [];
    return afterMs;
  }

  private requeue(tag: number, random: number, out: SecondaryEffect[]): void {
    this.failures += 1;
    out.push({ do: 'requeue', tag, afterMs: retryDelayMs(REDELIVERY, this.failures, random) });
  }
}
