/**
 * A simulated clock: what is to happen, by time and then by order of asking, in a binary heap.
 * Milliseconds.
 */
interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  now = 0;
  private order = 0;
  private readonly heap: Planned[] = [];

  at(at: number, run: () => void): void {
    this.order += 1;
    this.heap.push({ at: Math.max(at, this.now), order: this.order, run });
    this.siftUp(this.heap.length - 1);
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  runUntil(end: number): void {
    for (let next = this.heap[0]; next !== undefined && next.at <= end; next = this.heap[0]) {
      this.pop();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.siftDown();
  }

  private siftUp(from: number): void {
    const { heap } = this;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const child = heap[at];
      const above = heap[parent];
      if (child === undefined || above === undefined || !isBefore(child, above)) return;
      heap[at] = above;
      heap[parent] = child;
      at = parent;
    }
  }

  private siftDown(): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const isRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      const own = heap[at];
      if (child === undefined || own === undefined || !isBefore(child, own)) return;
      const place = 2 * at + (isRight ? 2 : 1);
      heap[place] = own;
      heap[at] = child;
      at = place;
    }
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
