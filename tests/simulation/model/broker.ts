/**
 * The broker, no kinder than RabbitMQ: one ordered way in and one out per connection; a fanout that
 * reaches some queues before others, or only some of them; confirms late, grouped, lost, refused;
 * redelivery of what was not settled; exclusive queues that are freed late; queues that are purged,
 * deleted, overflow; blocked publishers; restarts with and without data.
 */

import type { Timeline } from '#tests/support/fakes/timeline';
import type { SeededRandom } from '#tests/support/seeded-random';
import { Connection } from './connection';
import { type Deliver, EntriesQueue } from './entries-queue';
import type { Envelope } from './envelope';
import type { Faults } from './faults';

type Receiver = (parcel: Envelope) => void;
type PublishEnd = 'confirmed' | 'refused' | 'returned';

interface Publishing {
  readonly connection: Connection;
  readonly parcel: Envelope;
  readonly mandatory: boolean;
  readonly done: (end: PublishEnd) => void;
}

interface Exclusive {
  readonly connection: Connection;
  readonly receiver: Receiver;
}

/** Where the replies queue is addressed. */
export const REPLIES = 'replies';

export class BrokerModel {
  isUp = true;
  isBlocked = false;
  /** The control exchange is there: a master was here. */
  hasControl = false;
  /** The entries exchange is there: a log has begun. */
  knowsLog = false;
  readonly queues = new Map<string, EntriesQueue>();
  /** Two connections may have believed to have the lock. */
  hasForgotten = false;
  private lock: Exclusive | null = null;
  private readonly control = new Map<string, Exclusive>();
  private readonly connections = new Set<Connection>();
  private held: Publishing[] = [];
  /** Rises with each stop: what was on the way inside is lost. */
  private boot = 0;
  private tags = 0;

  constructor(
    private readonly timeline: Timeline,
    private readonly random: SeededRandom,
    private readonly faults: Faults,
  ) {}

  connect(node: string, closed: () => void): Connection | null {
    if (!this.isUp) return null;
    const { timeline, random, faults } = this;
    const connection = new Connection(node, { timeline, random, faults }, closed);
    this.connections.add(connection);
    return connection;
  }

  /** Cuts the connection; each end notices in its own time. */
  sever(connection: Connection): void {
    if (connection.isSevered) return;
    connection.isSevered = true;
    this.timeline.after(this.late(this.faults.brokerNoticesMs), () => this.release(connection));
    this.timeline.after(this.late(this.faults.nodeNoticesMs), () => this.noticedByNode(connection));
  }

  /** The process is gone. */
  abandon(connection: Connection): void {
    connection.nodeOpen = false;
    connection.isSevered = true;
    this.timeline.after(this.late(this.faults.brokerNoticesMs), () => this.release(connection));
  }

  severNode(node: string): void {
    for (const connection of [...this.connections]) if (connection.node === node) this.sever(connection);
  }

  /** False while another connection has it. */
  takeLock(connection: Connection, receiver: Receiver): boolean {
    if (this.lock !== null) return this.lock.connection === connection;
    this.lock = { connection, receiver };
    return true;
  }

  /**
   * Forgets who has the lock, as a broker does that was parted: the next one gets it while the
   * former one believes to have it. Returns the former one.
   */
  forgetLock(): string | null {
    const { holder } = this;
    this.hasForgotten = true;
    this.lock = null;
    return holder;
  }

  get holder(): string | null {
    return this.lock?.connection.node ?? null;
  }

  /** The exclusive control queue of a node. False: another connection has it. */
  bindControl(connection: Connection, receiver: Receiver): boolean {
    const known = this.control.get(connection.node);
    if (known !== undefined && known.connection !== connection) return false;
    this.control.set(connection.node, { connection, receiver });
    return true;
  }

  unbindControl(connection: Connection): void {
    if (this.control.get(connection.node)?.connection === connection) this.control.delete(connection.node);
  }

  declare(node: string): void {
    const known = this.queues.get(node);
    if (known !== undefined) known.isBound = true;
    else
      this.queues.set(
        node,
        new EntriesQueue(() => {
          this.tags += 1;
          return this.tags;
        }),
      );
  }

  /**
   * To every bound queue. `done` is called when the broker answers, never when the connection ends
   * before.
   */
  publish(publishing: Publishing): void {
    if (this.isBlocked) this.held.push(publishing);
    else this.route(publishing);
  }

  sendControl(parcel: Envelope): void {
    for (const exclusive of this.control.values()) this.handOver(exclusive, parcel);
  }

  /** To the replies queue or to a node's control queue; to nobody when it is not there. */
  sendTo(queue: string, parcel: Envelope): void {
    this.handOver((queue === REPLIES ? this.lock : this.control.get(queue)) ?? null, parcel);
  }

  /**
   * False when there is no such queue. One consumer at a time is active; a new one of the node
   * takes the place of the former.
   */
  consume(connection: Connection, deliver: Deliver): boolean {
    const queue = this.queues.get(connection.node);
    if (queue === undefined) return false;
    if (queue.consumer !== null) queue.release();
    queue.consumer = { connection, deliver };
    queue.pump(this.faults.prefetch);
    return true;
  }

  stopConsuming(connection: Connection): void {
    const queue = this.queues.get(connection.node);
    if (queue?.consumer?.connection === connection) queue.release();
  }

  settle(node: string, tag: number): void {
    const queue = this.queues.get(node);
    queue?.settle(tag);
    queue?.pump(this.faults.prefetch);
  }

  giveBack(node: string, tag: number): void {
    const queue = this.queues.get(node);
    queue?.giveBack(tag, this.random.chance(this.faults.requeueToBackRate));
    queue?.pump(this.faults.prefetch);
  }

  /** Messages that wait for the node or are in its hands. */
  depth(node: string): number {
    const queue = this.queues.get(node);
    return queue === undefined ? 0 : queue.ready.length + queue.unsettled.size;
  }

  purge(node: string): void {
    this.queues.get(node)?.purge();
  }

  /** Deletes a member's queue. Returns whether it had a consumer, who is told by the caller. */
  deleteQueue(node: string): boolean {
    const hadConsumer = this.queues.get(node)?.consumer !== null;
    return this.queues.delete(node) && hadConsumer;
  }

  setBlocked(blocked: boolean): void {
    this.isBlocked = blocked;
    if (blocked) return;
    for (const publishing of this.held.splice(0)) this.route(publishing);
  }

  /** Every connection ends. Durable queues stay, unless the data is lost. */
  stop(withoutData: boolean): void {
    this.isUp = false;
    this.boot += 1;
    this.held = [];
    this.isBlocked = false;
    for (const connection of [...this.connections]) {
      connection.isSevered = true;
      this.release(connection);
      this.timeline.after(this.late(this.faults.nodeNoticesMs), () => this.noticedByNode(connection));
    }
    if (!withoutData) return;
    this.queues.clear();
    this.hasControl = false;
    this.knowsLog = false;
  }

  start(): void {
    this.isUp = true;
  }

  private noticedByNode(connection: Connection): void {
    if (!connection.nodeOpen) return;
    connection.nodeOpen = false;
    connection.closed();
  }

  /** The broker has noticed that it is gone. */
  private release(connection: Connection): void {
    if (!connection.brokerOpen) return;
    connection.brokerOpen = false;
    this.connections.delete(connection);
    if (this.lock?.connection === connection) this.lock = null;
    this.unbindControl(connection);
    this.stopConsuming(connection);
    this.held = this.held.filter((each) => each.connection !== connection);
  }

  private handOver(to: Exclusive | null, parcel: Envelope): void {
    if (to === null || this.random.chance(this.faults.controlLossRate)) return;
    to.connection.down(() => to.receiver(parcel));
  }

  private route({ connection, parcel, mandatory, done }: Publishing): void {
    const { faults, random, timeline, boot } = this;
    const bound = [...this.queues].filter(([, queue]) => queue.isBound);
    if (bound.length === 0 && mandatory) return connection.down(() => done('returned'));
    const isRefused = random.chance(faults.nackRate);
    let last = timeline.now;
    for (const [node] of bound) {
      if (isRefused && random.chance(0.5)) continue;
      const at = Math.max(connection.queueAt.get(node) ?? 0, timeline.now + this.late(faults.skewMs));
      connection.queueAt.set(node, at);
      last = Math.max(last, at);
      timeline.at(at, () => {
        if (boot === this.boot) this.enqueue(node, parcel);
      });
    }
    const confirmAt = last + this.late(faults.confirmMs);
    const group = faults.confirmGroupMs;
    const isTaken = !isRefused && !random.chance(faults.lostConfirmRate);
    timeline.at(group > 0 ? Math.ceil(confirmAt / group) * group : confirmAt, () => {
      if (boot === this.boot) connection.down(() => done(isTaken ? 'confirmed' : 'refused'));
    });
  }

  private enqueue(node: string, parcel: Envelope): void {
    const queue = this.queues.get(node);
    if (queue === undefined) return;
    const times = this.random.chance(this.faults.duplicateRate) ? 2 : 1;
    for (let time = 0; time < times; time += 1) queue.put(parcel, this.faults.queueBytesMax);
    queue.pump(this.faults.prefetch);
  }

  private late(ms: number): number {
    return ms > 0 ? this.random.below(ms + 1) : 0;
  }
}
