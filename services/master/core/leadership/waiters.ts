/**
 * The clients that wait for their write concern. They are kept by the number of nodes they need,
 * each kind as a heap by index, so an ack costs as much as it releases: any number of clients that
 * wait for an absent node cost the others nothing.
 *
 * A waiter leaves when it is met (`release`), gives up (`remove`), or the master stops (`drain`).
 * One that gave up stays in its heap as a dead entry; when the dead outnumber the living the heap
 * is built anew, so they never add up.
 */
import type { WriteConcern } from '#protocol/write-concern';

export interface Waiter {
  /** Number of the request, unique in this process. */
  readonly request: number;
  readonly index: number;
  /** Of the entry it waits for, the last one of its append, to name it in an answer. */
  readonly seq: number;
  readonly id: string;
  /** Seq of the first entry of its append. */
  readonly first: number;
  /** Its entries were in the log when they were asked for. */
  readonly repeated: boolean;
  readonly writeConcern: WriteConcern;
  /** Nodes that must hold the record, the master included. */
  readonly needed: number;
}

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
   * Takes out every waiter that is met, in order of index. `metIndex(k)`: what k nodes hold, and
   * whatever else k asks for.
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

  /** Counts everyone again, after a change of members. */
  recount(needed: (writeConcern: WriteConcern) => number): void {
    const all = [...this.byRequest.values()];
    this.byRequest.clear();
    this.heaps = new Map();
    for (const waiter of all) this.add({ ...waiter, needed: needed(waiter.writeConcern) });
  }

  /** Takes out every waiter whose record is after `index`, in order of index; 0: all of them. */
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

  /** One of the items is dead; rebuilt from the living when most are. */
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
