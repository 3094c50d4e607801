/**
 * Collects the settled deliveries of one channel, so that one basic.ack with `multiple` answers for
 * many of them. Nothing waits for such an answer: the broker only bounds how many deliveries are
 * unanswered (basic.qos).
 *
 *     delivered ──settle──▶ settled ──take──▶ answered
 *         └──────forget (given back)
 *
 * A delivery that is settled before an older one is answered by itself: `multiple` would include
 * the older one.
 */

/** The answers that are due. A tag that is 0 or missing: none. */
interface Answers {
  /** Every delivery up to this tag is settled; itself is not answered yet. */
  readonly upTo: number;
  /** Settled deliveries beyond an unsettled one. */
  readonly single: readonly number[];
}

/** The delivery tags of one channel, which ascend. */
export class Settlements {
  /** In the order of delivery. */
  private readonly unsettled = new Set<number>();
  private settled: number[] = [];

  /** Number of settled deliveries that are not answered. */
  get count(): number {
    return this.settled.length;
  }

  recordDelivered(tag: number): void {
    this.unsettled.add(tag);
  }

  settle(tag: number): void {
    if (this.unsettled.delete(tag)) this.settled.push(tag);
  }

  /** The delivery is given back to its queue. */
  forget(tag: number): void {
    this.unsettled.delete(tag);
  }

  /** Removes what is settled. */
  take(): Answers {
    const [oldest = Number.POSITIVE_INFINITY] = this.unsettled;
    const upTo = this.settled.reduce((highest, tag) => (tag < oldest ? Math.max(highest, tag) : highest), 0);
    const single = this.settled.filter((tag) => tag > oldest);
    this.settled = [];
    return { upTo, single };
  }
}
