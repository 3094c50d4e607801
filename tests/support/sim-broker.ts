/** The broker of a simulated cluster: queues in order per receiver, redelivery of what was not settled, nothing kinder than RabbitMQ. */
import type { SeededRandom } from './seeded-random';
import type { Timeline } from './timeline';

interface Message {
  readonly bytes: Uint8Array;
  readonly type: string;
  readonly replyTo: string;
}

type Receiver = (bytes: Uint8Array, type: string, replyTo: string) => void;
type DeliveryReceiver = (bytes: Uint8Array, type: string, tag: number) => void;

interface EntriesQueue {
  ready: Message[];
  unsettled: Map<number, Message>;
  consumer: DeliveryReceiver | null;
}

export class SimBroker {
  isUp = true;
  hasEntriesExchange = false;
  readonly queues = new Map<string, EntriesQueue>();
  private readonly control = new Map<string, Receiver>();
  /** Who has the exclusive queue of replies. */
  private lock: { readonly holder: string; readonly receiver: Receiver } | null = null;
  private tags = 0;
  /** When the last message on a way arrives, so that none overtakes another on it. */
  private readonly lastArrival = new Map<string, number>();

  constructor(
    private readonly timeline: Timeline,
    private readonly random: SeededRandom,
  ) {}

  declare(node: string): void {
    if (!this.queues.has(node)) this.queues.set(node, { ready: [], unsettled: new Map(), consumer: null });
  }

  /** False when another node has the lock. */
  takeLock(holder: string, receiver: Receiver): boolean {
    if (this.lock !== null && this.lock.holder !== holder) return false;
    this.lock = { holder, receiver };
    return true;
  }

  bindControl(node: string, receiver: Receiver): void {
    this.control.set(node, receiver);
  }

  /** To every member's queue; `done(true)` is the confirm, `done(false)`: the way was cut. */
  publish(from: string, bytes: Uint8Array, done: (confirmed: boolean) => void): void {
    if (!this.isUp || this.lock?.holder !== from) return this.timeline.at(this.timeline.now + 1, () => done(false));
    for (const [node, queue] of this.queues) {
      this.arrive(`entries ${node}`, () => {
        queue.ready.push({ bytes, type: 'entries', replyTo: 'replies' });
        this.pump(node);
      });
    }
    this.arrive('confirm', () => done(true));
  }

  sendControl(bytes: Uint8Array, type: string): void {
    for (const [node, receiver] of this.control) this.arrive(`control ${node}`, () => receiver(bytes, type, 'replies'));
  }

  sendTo(queue: string, bytes: Uint8Array, type: string, from: string): void {
    this.arrive(`direct ${queue} ${from}`, () => {
      const receiver = queue === 'replies' ? this.lock?.receiver : this.control.get(queue);
      receiver?.(bytes, type, from);
    });
  }

  /** False when there is no such queue. */
  consume(node: string, receiver: DeliveryReceiver): boolean {
    const queue = this.queues.get(node);
    if (queue === undefined) return false;
    queue.consumer = receiver;
    this.pump(node);
    return true;
  }

  stopConsuming(node: string): void {
    const queue = this.queues.get(node);
    if (queue === undefined) return;
    queue.consumer = null;
    queue.ready = [...queue.unsettled.values(), ...queue.ready];
    queue.unsettled.clear();
  }

  settle(node: string, tag: number): void {
    this.queues.get(node)?.unsettled.delete(tag);
  }

  requeue(node: string, tag: number): void {
    const queue = this.queues.get(node);
    const message = queue?.unsettled.get(tag);
    if (queue === undefined || message === undefined) return;
    queue.unsettled.delete(tag);
    queue.ready.unshift(message);
    this.pump(node);
  }

  disconnect(node: string): void {
    if (this.lock?.holder === node) this.lock = null;
    this.control.delete(node);
    this.stopConsuming(node);
  }

  /** Messages that wait for the node or are in its hands. */
  depth(node: string): number {
    const queue = this.queues.get(node);
    return queue === undefined ? 0 : queue.ready.length + queue.unsettled.size;
  }

  purge(node: string): void {
    const queue = this.queues.get(node);
    if (queue !== undefined) queue.ready = [];
  }

  stop(): void {
    this.isUp = false;
    this.lock = null;
    this.control.clear();
    for (const node of this.queues.keys()) this.stopConsuming(node);
  }

  start(): void {
    this.isUp = true;
  }

  private pump(node: string): void {
    const queue = this.queues.get(node);
    if (queue === undefined || queue.consumer === null || !this.isUp) return;
    const { consumer } = queue;
    for (const message of queue.ready.splice(0)) {
      this.tags += 1;
      const tag = this.tags;
      queue.unsettled.set(tag, message);
      this.timeline.at(this.timeline.now, () => {
        if (queue.consumer === consumer && queue.unsettled.has(tag)) consumer(message.bytes, message.type, tag);
      });
    }
  }

  private arrive(way: string, run: () => void): void {
    const at = Math.max(this.lastArrival.get(way) ?? 0, this.timeline.now + 1 + this.random.below(4));
    this.lastArrival.set(way, at);
    this.timeline.at(at, () => {
      if (this.isUp) run();
    });
  }
}
