/**
 * What the broker is told of each delivery. One whose records were appended waits until they are
 * durable, and is settled then; one that taught nothing is settled at once; one whose append failed
 * is given back, after a wait so that a full disk does not make the broker spin.
 */
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import type { SecondaryEffect, Tag } from '../events';

/** The broker is asked again soon after a hiccup, and a disk that stays full is not pestered. */
const REDELIVERY: RetryPolicy = { delayMsMin: 50, delayMsMax: 5_000 };

/** Where a batch came from. */
export interface Source {
  readonly tag: Tag;
  /** An injected error strikes between its append and its ack. */
  readonly fail: boolean;
}

interface Unsettled extends Source {
  /** Index of its last record: settled once that is durable. */
  readonly index: number;
}

export class Deliveries {
  /** Ascending by index. */
  private unsettled: Unsettled[] = [];
  /**
   * Failed appends since the last one that became durable; what needed none says nothing about the
   * store.
   */
  private failures = 0;

  /** Its records are appended, up to `index`. */
  hold(source: Source, index: number): void {
    this.unsettled.push({ ...source, index });
  }

  /** The channel is gone, and every tag with it; what was appended stays. */
  forgetTags(): void {
    this.unsettled = this.unsettled.map((each) => ({ ...each, tag: null }));
  }

  /** Nothing of it had to be appended. Returns true when it is settled. */
  settleKnown({ tag, fail }: Source, out: SecondaryEffect[]): boolean {
    if (tag === null) return false;
    if (fail) this.requeue(tag, 0.5, out);
    else out.push({ do: 'settle', tag });
    return !fail;
  }

  /** Settles what is durable now. Returns true when an injected error struck one of them. */
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

  /** The store failed: all of them come again. Returns after how many milliseconds. */
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
