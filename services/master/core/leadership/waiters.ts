/**
 * Keeps the clients that wait for their write concern. There is one heap by index for each number
 * of nodes. So the cost of an ack depends only on the clients that it releases: clients that wait
 * for an absent node cost the others nothing.
 *
 * A waiter leaves when its concern is met (`release`), when its client gives up (`remove`), or when
 * the reign ends (`drain`). A removed waiter stays in its heap as a dead item. When the dead items
 * outnumber the others, the heap is rebuilt.
 */
import type { WriteConcern } from '#protocol/write-concern';

/** A client that waits for an entry, the last one of its append. */
export interface Waiter {
  /** Number of the request, unique in this process. */
  readonly request: number;
  /** Index of the entry. */
  readonly index: number;
  /** Seq of the entry. */
  readonly seq: number;
  /** Id of the entry. */
  readonly id: string;
  /** Seq of the first entry of the append. */
  readonly first: number;
  /** The entries were in the log when the client asked for them. */
  readonly repeated: boolean;
  readonly writeConcern: WriteConcern;
  /** Nodes that must hold the record, the master included. */
  readonly needed: number;
}

/** The waiting clients of one reign, by request. */
export class Waiters {
  private readonly byRequest = new Map<number, Waiter>();
  private heaps = new Map<number, IndexHeap>();

  get size(): number {
    return this.byRequest.size;
  }

  add(waiter: Waiter): void {
    this.byRequest.set(waiter.request, waiter);
    this.heapOf(waiter.needed).push(waiter);
  }

  get(request: number): Waiter | null {
    return this.byRequest.get(request) ?? null;
  }

  remove(request: number): Waiter | null {
    const waiter = this.byRequest.get(request);
    if (waiter === undefined) return null;
    this.byRequest.delete(request);
    this.heaps.get(waiter.needed)?.buried(this.isAlive);
    return waiter;
  }

  /**
   * Removes and returns the waiters whose concern is met, by index.
   * @param metIndex index up to which a concern of so many nodes is met
   */
  release(metIndex: (needed: number) => number): Waiter[] {
    const released: Waiter[] = [];
    for (const [needed, heap] of this.heaps) {
      const upTo = metIndex(needed);
      for (let top = heap.top; top !== undefined && top.index <= upTo; top = heap.top) {
        const alive = this.byRequest.delete(top.request);
        heap.pop(alive);
        if (alive) released.push(top);
      }
      if (heap.top === undefined) this.heaps.delete(needed);
    }
    return released.sort((a, b) => a.index - b.index || a.request - b.request);
  }

  /** Computes the needed nodes of every waiter again, after a change of members. */
  recount(needed: (writeConcern: WriteConcern) => number): void {
    const all = [...this.byRequest.values()];
    this.byRequest.clear();
    this.heaps = new Map();
    for (const waiter of all) this.add({ ...waiter, needed: needed(waiter.writeConcern) });
  }

  /** Removes and returns the waiters of records after `index`, by index; 0: all waiters. */
  drain(index: number): Waiter[] {
    const drained = [...this.byRequest.values()].filter((waiter) => waiter.index > index);
    for (const { request } of drained) this.remove(request);
    return drained.sort((a, b) => a.index - b.index || a.request - b.request);
  }

  private readonly isAlive = (waiter: Waiter): boolean => this.byRequest.get(waiter.request) === waiter;

  private heapOf(needed: number): IndexHeap {
    const known = this.heaps.get(needed);
    if (known !== undefined) return known;
    const heap = new IndexHeap();
    this.heaps.set(needed, heap);
    return heap;
  }
}

/** A binary min-heap of waiters by index. */
class IndexHeap {
  private items: Waiter[] = [];
  private dead = 0;

  get top(): Waiter | undefined {
    return this.items[0];
  }

  push(waiter: Waiter): void {
    this.items.push(waiter);
    this.siftUp(this.items.length - 1);
  }

  pop(alive: boolean): void {
    if (!alive) this.dead -= 1;
    const last = this.items.pop();
    if (last === undefined || this.items.length === 0) return;
    this.items[0] = last;
    this.siftDown(0);
  }

  /** One more item is dead: rebuilds the heap when most items are. */
  buried(isAlive: (waiter: Waiter) => boolean): void {
    this.dead += 1;
    if (this.dead * 2 <= this.items.length) return;
    this.items = this.items.filter(isAlive).sort((a, b) => a.index - b.index);
    this.dead = 0;
  }

  private siftUp(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.swapIfBelow(at, parent)) return;
      at = parent;
    }
  }

  private siftDown(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const smaller = this.indexAt(right) < this.indexAt(left) ? right : left;
      if (!this.swapIfBelow(smaller, at)) return;
      at = smaller;
    }
  }

  private indexAt(at: number): number {
    return this.items[at]?.index ?? Number.POSITIVE_INFINITY;
  }

  private swapIfBelow(lower: number, upper: number): boolean {
    const a = this.items[lower];
    const b = this.items[upper];
    if (a === undefined || b === undefined || a.index >= b.index) return false;
    this.items[lower] = b;
    this.items[upper] = a;
    return true;
  }
}
