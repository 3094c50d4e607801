/** A simulated clock: what is to happen, by time and then by order of asking. Milliseconds. */
interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  now = 0;
  /** Looks on after everything that happens. */
  observer: (() => void) | null = null;
  private order = 0;
  /** Ascending by (at, order). */
  private readonly planned: Planned[] = [];

  at(at: number, run: () => void): void {
    this.order += 1;
    const item = { at: Math.max(at, this.now), order: this.order, run };
    let place = this.planned.length;
    while (place > 0 && (this.planned[place - 1]?.at ?? 0) > item.at) place -= 1;
    this.planned.splice(place, 0, item);
  }

  runUntil(end: number): void {
    for (let next = this.planned[0]; next !== undefined && next.at <= end; next = this.planned[0]) {
      this.planned.shift();
      this.now = next.at;
      next.run();
      this.observer?.();
    }
    this.now = end;
  }
}
