/**
 * The faults that a secondary was told to have, between the broker's hands and its machine. They
 * hit every batch, those that were fetched too; what is not a batch passes untouched, so the node
 * still beats and votes.
 *
 *     batch ─▶ lost (dropRate) | held back behind the next ones (reorderRate) | delayed (delayMs) ─▶ handed over, once or twice
 */
import type { FaultChange, FaultSettings } from './settings';

export interface FaultyDelivery {
  /** Gives it to the machine. `fail`: an internal error shall follow the append, before the ack. */
  readonly hand: (fail: boolean) => void;
  /** It is lost: whoever sent it need not keep it. */
  readonly lose: () => void;
}

/** How many later batches overtake one that is held back, at most. */
const OVERTAKEN_BY_MAX = 3;
/** One that nothing overtakes is handed over after this long, in milliseconds. */
const HELD_MS_MAX = 100;

interface HeldDelivery extends FaultyDelivery {
  overtakenBy: number;
  readonly timer: NodeJS.Timeout;
}

export class FaultInjector {
  private faults: FaultSettings;
  private held: HeldDelivery[] = [];
  private readonly delayed = new Map<NodeJS.Timeout, FaultyDelivery>();

  constructor(
    faults: FaultSettings,
    /** In [0, 1). */
    private readonly random: () => number,
  ) {
    this.faults = faults;
  }

  get settings(): FaultSettings {
    return this.faults;
  }

  /** Batches that are here and not yet handed over. */
  get inHand(): number {
    return this.held.length + this.delayed.size;
  }

  /** Changes what is named, keeps the rest. */
  change(change: FaultChange): void {
    const named = Object.entries(change).filter(([, value]) => value !== undefined);
    this.faults = Object.freeze({ ...this.faults, ...Object.fromEntries(named) });
  }

  take(batch: FaultyDelivery): void {
    if (this.chance(this.faults.dropRate)) return batch.lose();
    if (this.chance(this.faults.reorderRate)) return this.holdBack(batch);
    this.delay(batch);
    this.overtake();
  }

  /** Forgets what is here: its channel has gone, and the broker will bring it again. */
  clear(): void {
    for (const { timer } of this.held) clearTimeout(timer);
    for (const timer of this.delayed.keys()) clearTimeout(timer);
    this.held = [];
    this.delayed.clear();
  }

  private holdBack(batch: FaultyDelivery): void {
    const overtakenBy = 1 + Math.floor(this.random() * OVERTAKEN_BY_MAX);
    const timer = setTimeout(() => this.letGo(held), HELD_MS_MAX);
    const held: HeldDelivery = { ...batch, overtakenBy, timer };
    this.held.push(held);
  }

  private overtake(): void {
    for (const held of [...this.held]) {
      held.overtakenBy -= 1;
      if (held.overtakenBy <= 0) this.letGo(held);
    }
  }

  private letGo(held: HeldDelivery): void {
    clearTimeout(held.timer);
    this.held = this.held.filter((each) => each !== held);
    this.delay(held);
  }

  private delay(batch: FaultyDelivery): void {
    const { delayMs } = this.faults;
    if (delayMs === 0) return this.hand(batch);
    const timer = setTimeout(() => {
      this.delayed.delete(timer);
      this.hand(batch);
    }, delayMs);
    this.delayed.set(timer, batch);
  }

  private hand({ hand }: FaultyDelivery): void {
    const times = this.chance(this.faults.duplicateRate) ? 2 : 1;
    for (let time = 0; time < times; time += 1) hand(this.chance(this.faults.failRate));
  }

  private chance(rate: number): boolean {
    return rate > 0 && this.random() < rate;
  }
}
