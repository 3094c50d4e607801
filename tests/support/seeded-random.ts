const HEX_DIGITS = '0123456789abcdef';

/** A small seeded generator (mulberry32), so that every run of a scenario replays from its seed. */
export class SeededRandom {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  chance(rate: number): boolean {
    return rate > 0 && this.next() < rate;
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** One of them; there must be one. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let at = shuffled.length - 1; at > 0; at -= 1) {
      const other = this.below(at + 1);
      [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
    }
    return shuffled;
  }

  /**
   * A generator of its own for a part of the run, so that what one part draws changes nothing for
   * the others.
   */
  split(part: string): SeededRandom {
    let mixed = this.seed ^ 0x9e3779b9;
    for (let at = 0; at < part.length; at += 1) mixed = Math.imul(mixed ^ part.charCodeAt(at), 0x01000193);
    return new SeededRandom(mixed ^ (mixed >>> 15));
  }

  hex(digits: number): string {
    let drawn = '';
    for (let digit = 0; digit < digits; digit += 1) drawn += HEX_DIGITS[this.below(16)];
    return drawn;
  }
}
