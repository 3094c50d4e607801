/**
 * A member's queue: what is ready, in order, and what the one consumer has in its hands. What was
 * not settled comes back in front when the consumer goes; what is given back comes to the front, as
 * in RabbitMQ's classic queues, or to the end, as in its quorum queues after repeated returns.
 */
import type { Connection } from './connection';
import type { Envelope } from './envelope';

export type Deliver = (parcel: Envelope, tag: number) => void;

interface Consumer {
  readonly connection: Connection;
  readonly deliver: Deliver;
}

export class EntriesQueue {
  ready: Envelope[] = [];
  readonly unsettled = new Map<number, Envelope>();
  consumer: Consumer | null = null;
  isBound = true;
  private bytes = 0;

  /** @param nextTag of all queues, so that no two deliveries share one */
  constructor(private readonly nextTag: () => number) {}

  /** Drops the oldest beyond `bytesMax`; 0: no bound. */
  put(parcel: Envelope, bytesMax: number): void {
    this.ready.push(parcel);
    this.bytes += parcel.bytes;
    while (bytesMax > 0 && this.bytes > bytesMax) {
      const dropped = this.ready.shift();
      if (dropped === undefined) return;
      this.bytes -= dropped.bytes;
    }
  }

  /** Hands over what the consumer may have. */
  pump(prefetch: number): void {
    const { consumer } = this;
    if (consumer === null) return;
    while (this.unsettled.size < prefetch) {
      const parcel = this.ready.shift();
      if (parcel === undefined) return;
      this.bytes -= parcel.bytes;
      const tag = this.nextTag();
      this.unsettled.set(tag, parcel);
      consumer.connection.down(() => {
        if (this.consumer === consumer) consumer.deliver(parcel, tag);
      });
    }
  }

  settle(tag: number): void {
    this.unsettled.delete(tag);
  }

  giveBack(tag: number, toBack: boolean): void {
    const parcel = this.unsettled.get(tag);
    if (parcel === undefined) return;
    this.unsettled.delete(tag);
    this.bytes += parcel.bytes;
    if (toBack) this.ready.push(parcel);
    else this.ready.unshift(parcel);
  }

  /** The consumer is gone. */
  release(): void {
    this.consumer = null;
    this.ready = [...this.unsettled.values(), ...this.ready];
    for (const { bytes } of this.unsettled.values()) this.bytes += bytes;
    this.unsettled.clear();
  }

  purge(): void {
    this.ready = [];
    this.bytes = 0;
  }
}
