/**
 * The broker's deliveries that the machine has in hand, by the tags under which it knows them; and
 * those that wait to be given back.
 */
import type { DeliveryHandle } from './broker/entries';

export class DeliveryHandles {
  private readonly handles = new Map<number, DeliveryHandle>();
  private readonly requeues = new Set<NodeJS.Timeout>();
  private tags = 0;

  constructor(
    private readonly broker: {
      settle(handle: DeliveryHandle): void;
      requeue(handle: DeliveryHandle): void;
    },
  ) {}

  add(handle: DeliveryHandle): number {
    this.tags += 1;
    this.handles.set(this.tags, handle);
    return this.tags;
  }

  settle(tag: number): void {
    const handle = this.take(tag);
    if (handle !== undefined) this.broker.settle(handle);
  }

  requeue(tag: number, afterMs: number): void {
    const handle = this.take(tag);
    if (handle === undefined) return;
    const timer = setTimeout(() => {
      this.requeues.delete(timer);
      this.broker.requeue(handle);
    }, afterMs);
    this.requeues.add(timer);
  }

  /** Forgets what is in hand: its channel has gone, or goes. */
  clear(): void {
    this.handles.clear();
  }

  /** Gives nothing back any more; the broker takes it when the channel ends. */
  stop(): void {
    for (const timer of this.requeues) clearTimeout(timer);
    this.requeues.clear();
  }

  private take(tag: number): DeliveryHandle | undefined {
    const handle = this.handles.get(tag);
    this.handles.delete(tag);
    return handle;
  }
}
