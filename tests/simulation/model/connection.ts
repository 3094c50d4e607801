/**
 * One node's connection to the broker: two ordered ways. A cut is felt by each end when it notices,
 * and until then an end talks into the void. What was on the way is lost.
 *
 *     open ──cut──▶ severed ──the broker notices──▶ its exclusive things are free
 *                      └──the node notices──▶ `closed` is called, the node may connect anew
 */

import type { Timeline } from '#tests/support/fakes/timeline';
import type { SeededRandom } from '#tests/support/seeded-random';
import type { Faults } from './faults';

interface ConnectionParts {
  readonly timeline: Timeline;
  readonly random: SeededRandom;
  readonly faults: Faults;
}

export class Connection {
  isSevered = false;
  /** The broker holds it for open: what is exclusive to it is taken. */
  brokerOpen = true;
  nodeOpen = true;
  /** When the last batch reaches each queue, so that none overtakes another. */
  readonly queueAt = new Map<string, number>();
  private upAt = 0;
  private downAt = 0;

  constructor(
    readonly node: string,
    private readonly parts: ConnectionParts,
    /** The node has noticed the end. */
    readonly closed: () => void,
  ) {}

  /** From the node to the broker. */
  up(run: () => void): void {
    if (!this.nodeOpen) return;
    this.upAt = Math.max(this.upAt, this.arrival());
    this.parts.timeline.at(this.upAt, () => {
      if (!this.isSevered && this.brokerOpen) run();
    });
  }

  /** From the broker to the node. */
  down(run: () => void): void {
    this.downAt = Math.max(this.downAt, this.arrival());
    this.parts.timeline.at(this.downAt, () => {
      if (!this.isSevered && this.nodeOpen) run();
    });
  }

  private arrival(): number {
    const { timeline, random, faults } = this.parts;
    const extra = random.chance(faults.slowHopRate) ? random.below(faults.slowHopMs) : 0;
    return timeline.now + 1 + random.below(faults.hopMs) + extra;
  }
}
