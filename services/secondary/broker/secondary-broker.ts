/**
 * A secondary's side of the broker: its control queue, which proves that no other process runs
 * under its node id; its backlog; what it tells the master.
 *
 * States of a session, and how each is left:
 *   *locked out*  another process has the control queue of this node id; tried again about every second → *unbound*
 *   *unbound*     no master has declared the control exchange yet; tried again about every second → *up*
 *   *up*          any end of a connection or of the control channel, the control queue deleted → the next session; `withdraw` → *resting*
 *   *resting*     the control queue is left to others for a while, longer each time, then as at the start
 * The master alone declares exchanges and members' queues; a secondary finds them or waits. A
 * control exchange that is deleted and made anew has forgotten its bindings, and nobody tells the
 * queues, so a silent control queue is bound again every few seconds.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { QueueOptions } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { isPlaceOf, takeExclusive } from '#amqp/exclusive';
import { PROBE_TYPE } from '#amqp/probe';
import { type AmqpSession, pause } from '#amqp/session';
import { replyToOf } from '#amqp/wire';
import { BrokerEdge, type EdgeEvents, type EdgeOptions, type EdgeStatus } from '#node/broker-edge';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import type { WireMessage } from '#protocol/wire/messages';
import { type DeliveryHandle, EntriesConsumer } from './entries';

interface SecondaryBrokerOptions extends EdgeOptions {
  /** How long a heartbeat may wait in a queue: a few intervals, in milliseconds. */
  readonly heartbeatExpiresMs: number;
  /** A control queue that heard nothing for this long is bound again, in milliseconds. */
  readonly controlSilenceMs: number;
  /** Unsettled deliveries at a time. Default 64. */
  readonly prefetch?: number;
}

/**
 * The exclusive queue is the control queue of this node id. A callback that throws leaves its
 * delivery unsettled.
 */
export interface SecondaryBrokerEvents extends EdgeEvents {
  /** The control queue is bound and consumed. No message comes before this. */
  up(): void;
  /** From the control exchange, or straight to this node: an answer to its fetch. */
  control(message: WireMessage, replyTo: string | null): void;
  /** From this node's backlog; to be settled or requeued. */
  delivery(message: WireMessage, handle: DeliveryHandle): void;
  /**
   * This node has no queue: it is not a member (yet), or the queue was deleted. Consumption is off
   * until `consumeEntries` is called again.
   */
  entriesMissing(): void;
}

export interface SecondaryBrokerStatus extends EdgeStatus {
  /** The entries queue is being consumed. */
  readonly consuming: boolean;
  /** Since the start: deliveries that the broker marked as delivered before. */
  readonly redelivered: number;
}

/**
 * Bounded, for a process that is stopped in a debugger; announcements repeat, and an answer that is
 * lost is fetched again.
 */
const CONTROL_QUEUE: QueueOptions = {
  durable: false,
  exclusive: true,
  autoDelete: true,
  arguments: { 'x-max-length-bytes': 64 * 1024 * 1024 },
};
const LOCK_RETRY: RetryPolicy = { delayMsMin: 100, delayMsMax: 1000 };
/** A node whose master has another log looks again whether its own is there. */
const WITHDRAWN: RetryPolicy = { delayMsMin: 1_000, delayMsMax: 15_000 };
const CLOSE_TIMEOUT_MS = 1_000;
const PREFETCH = 64;

export class SecondaryBroker extends BrokerEdge<void, SecondaryBrokerOptions, SecondaryBrokerEvents> {
  private readonly entries: EntriesConsumer;
  /** The master's, as its last announcement named it. */
  private replies: string;
  private waitsForExchange = false;
  /** The session; null: there is none. */
  private session: AmqpSession | null = null;
  private redelivered = 0;
  /** Times in a row that this node withdrew. */
  private withdrawals = 0;
  /** By the monotonic clock, in milliseconds. */
  private lastControlMs = 0;

  constructor(options: SecondaryBrokerOptions, events: SecondaryBrokerEvents) {
    const { node, topology, prefetch = PREFETCH } = options;
    super(options, events, topology.controlQueue(node));
    this.replies = topology.repliesQueue;
    this.entries = new EntriesConsumer(topology.entriesQueue(node), prefetch, {
      delivery: (delivery, handle) => this.takeEntries(delivery, handle),
      missing: () => events.entriesMissing(),
      callbackThrew: (error) => events.callbackThrew(error),
      trace: events.trace,
    });
  }

  override status(): SecondaryBrokerStatus {
    return { ...super.status(), consuming: this.entries.consuming, redelivered: this.redelivered };
  }

  /**
   * To the master; answers come to the control queue. False: dropped, and repeated by the protocol.
   */
  send(message: WireMessage): boolean {
    return this.sendTo(this.replies, message);
  }

  /** To the queue that a claim named. False: dropped, and repeated by the protocol. */
  sendTo(queue: string, message: WireMessage): boolean {
    const expiresMs = message.type === 'heartbeat' ? this.options.heartbeatExpiresMs : null;
    return this.post({ exchange: '', routingKey: queue }, message, expiresMs);
  }

  /**
   * Consumes this node's backlog, from now on and in every later session, until `stopEntries` or
   * `entriesMissing`. Calling it again while it runs changes nothing.
   */
  consumeEntries(): void {
    this.entries.start();
  }

  /**
   * Consumes nothing any more; what was not settled goes back to the queue. Resolves when the
   * broker agreed, a second at most.
   */
  stopEntries(): Promise<void> {
    return this.entries.stop();
  }

  /**
   * Tells the broker that a delivery is done with. Nothing happens when its channel has gone, or
   * the second time.
   */
  settle(handle: DeliveryHandle): void {
    handle.settle();
  }

  /**
   * Gives a delivery back. The broker hands it out again at once, so a caller that fails again and
   * again spins unless it waits before this call (capped exponential backoff). Nothing happens when
   * its channel has gone, or after it was settled.
   */
  requeue(handle: DeliveryHandle): void {
    handle.requeue();
  }

  /**
   * Says what is still to be said, ends the session, and leaves the node id to others for a while.
   */
  async withdraw(): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    this.withdrawals += 1;
    this.restFor(retryDelayMs(WITHDRAWN, this.withdrawals, Math.random()));
    await session.close(CLOSE_TIMEOUT_MS);
  }

  /** The master is this node's own: the next withdrawal is a first one. */
  returnHome(): void {
    this.withdrawals = 0;
  }

  protected override async setUp(session: AmqpSession): Promise<void> {
    const { topology, node } = this.options;
    await this.rest(session);
    const retriable = ({ code }: AmqpError) => code === 'locked' || code === 'missing';
    const options = { policy: LOCK_RETRY, retriable, onFailure: (error: AmqpError) => this.becomeWaiting(error) };
    const queue = await session.persist('control queue', options, () =>
      takeExclusive(session, topology.controlQueue(node), CONTROL_QUEUE),
    );
    this.ownQueue = queue;
    await session.persist('control binding', options, (channel) => channel.bindQueue(queue, topology.controlExchange));
    await this.outbox.attach(session, 'replies');
    await this.consumeOwnQueue(session, 'control');
  }

  protected override take(queue: string, delivery: ConsumeMessage): void {
    this.lastControlMs = performance.now();
    const message = this.read(queue, delivery);
    if (message === null) return;
    const replyTo = replyToOf(delivery);
    if (message.type === 'announce' && replyTo !== null && isPlaceOf(this.options.topology.repliesQueue, replyTo))
      this.replies = replyTo;
    this.events.control(message, replyTo);
  }

  private takeEntries(delivery: ConsumeMessage, handle: DeliveryHandle): void {
    const { topology, node } = this.options;
    if (delivery.properties.type === PROBE_TYPE) return handle.settle();
    if (delivery.fields.redelivered) this.redelivered += 1;
    const message = this.read(topology.entriesQueue(node), delivery);
    if (message === null) handle.settle();
    else this.events.delivery(message, handle);
  }

  private becomeWaiting({ code }: AmqpError): void {
    const { topology, node } = this.options;
    if (code === 'locked') this.becomeLockedOut('error', 'node.duplicate-id', topology.controlQueue(node));
    if (code === 'missing' && !this.waitsForExchange) {
      this.waitsForExchange = true;
      this.events.trace('info', 'broker.no-master-yet', { exchange: topology.controlExchange });
    }
  }

  protected override becomeUp(_: undefined, session: AmqpSession): void {
    this.waitsForExchange = false;
    this.session = session;
    this.lastControlMs = performance.now();
    this.reportUp(() => this.events.up());
    this.entries.attach(session);
    this.keepBound(session).catch((error: unknown) => this.events.callbackThrew(error));
  }

  protected override becomeDown(error: AmqpError): void {
    this.session = null;
    this.entries.detach();
    super.becomeDown(error);
  }

  /** Runs as long as the session. */
  private async keepBound(session: AmqpSession): Promise<void> {
    const { topology, controlSilenceMs } = this.options;
    while (session.isOpen) {
      await pause(controlSilenceMs, session.signal);
      if (!session.isOpen || performance.now() - this.lastControlMs < controlSilenceMs) continue;
      try {
        await session.onThrowAwayChannel('control binding', (channel) =>
          channel.bindQueue(this.ownQueue, topology.controlExchange),
        );
      } catch (error) {
        // No exchange now, or the session ended; both are tried again or over.
        if (!(error instanceof AmqpError)) throw error;
      }
    }
  }
}
