/**
 * A secondary's side of the broker: its control queue, which proves that no other process runs under its node id; its backlog; what it
 * tells the master.
 *
 * States of a session, and how each is left:
 *   *locked out*  another process has the control queue of this node id; tried again about every second → *unbound*
 *   *unbound*     no master has declared the control exchange yet; tried again about every second → *up*
 *   *up*          any end of a connection or of the control channel, the control queue deleted → the next session; `withdraw` → *resting*
 *   *resting*     the control queue is left to others for a while, longer each time, then as at the start
 * The master alone declares exchanges and members' queues; a secondary finds them or waits. A control exchange that is deleted and
 * made anew has forgotten its bindings, and nobody tells the queues, so a silent control queue is bound again every few seconds.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { QueueOptions } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { isPlaceOf, PROBE_TYPE, takeExclusive } from '#amqp/exclusive';
import { AmqpLink, type LinkStatus, type Trace } from '#amqp/link';
import { Outbox } from '#amqp/outbox';
import { type AmqpSession, pause } from '#amqp/session';
import { bodyOf, type Malformed, propertiesOf, readWire, replyToOf } from '#amqp/wire';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import type { Topology } from '#protocol/topology';
import type { WireMessage } from '#protocol/wire/messages';
import { type DeliveryHandle, EntriesConsumer } from './entries';

export interface SecondaryBrokerOptions {
  /** One address or more, tried in turn. */
  readonly urls: readonly string[];
  /** Seconds. */
  readonly heartbeatS: number;
  readonly topology: Topology;
  readonly node: string;
  /** How long a heartbeat may wait in a queue: a few intervals, in milliseconds. Default 3000. */
  readonly heartbeatExpiresMs?: number;
  /** A control queue that heard nothing for this long is bound again, in milliseconds. Default 3000. */
  readonly controlSilenceMs?: number;
  /** Unsettled deliveries at a time. Default 64. */
  readonly prefetch?: number;
}

/** All are called in a turn of their own or in the broker's reading turn; none may block. `down` follows each `up`, unless `close` was called. */
export interface SecondaryBrokerEvents {
  /** Another process runs under this node id. Once, until this one was up again. */
  locked(): void;
  /** The control queue is bound and consumed. No message comes before this. */
  up(): void;
  down(error: AmqpError): void;
  /** The broker takes no publishes, with its reason; null: it does again. */
  blockedChanged(reason: string | null): void;
  /** From the control exchange, or straight to this node: an answer to its fetch. */
  control(message: WireMessage, replyTo: string | null): void;
  /** From this node's backlog; to be settled or requeued. */
  delivery(message: WireMessage, handle: DeliveryHandle): void;
  /** This node has no queue: it is not a member (yet), or the queue was deleted. Consumption is off until `consumeEntries` is called again. */
  entriesMissing(): void;
  /** Something that is not a wire message was dropped. */
  malformed(what: Malformed): void;
  /** One of these callbacks threw: a broken invariant of the owner. Its delivery stays unsettled. */
  callbackThrew(error: unknown): void;
  trace: Trace;
}

export interface SecondaryBrokerStatus extends LinkStatus {
  /** Another process runs under this node id. */
  readonly lockedOut: boolean;
  readonly consuming: boolean;
  /** Since the start: messages that were dropped for a full buffer, a blocked or a missing session. */
  readonly dropped: number;
  /** Since the start. */
  readonly malformed: number;
}

/** Bounded, for a process that is stopped in a debugger; announcements repeat, and an answer that is lost is fetched again. */
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
const EXPIRES_MS = 3000;
const SILENCE_MS = 3000;
const PREFETCH = 64;

export class SecondaryBroker {
  private readonly link: AmqpLink<void>;
  private readonly entries: EntriesConsumer;
  private readonly outbox = new Outbox();
  private lockedOut = false;
  /** The control queue of this session, or of the last one. */
  private control: string;
  /** The master's, as its last announcement named it. */
  private replies: string;
  private waitsForExchange = false;
  /** The session; null: there is none. */
  private session: AmqpSession | null = null;
  /** The node id is left to others until then, by the monotonic clock in milliseconds. */
  private restsUntilMs = 0;
  /** Times in a row that this node withdrew. */
  private withdrawals = 0;
  private malformed = 0;
  /** By the monotonic clock, in milliseconds. */
  private lastControlMs = 0;
  /** Deliveries that came between the start of consumption and `up`: what one read of the socket brings. Null: handed on at once. */
  private held: ConsumeMessage[] | null = null;

  constructor(
    private readonly options: SecondaryBrokerOptions,
    private readonly events: SecondaryBrokerEvents,
  ) {
    const { urls, heartbeatS, node, topology, prefetch = PREFETCH } = options;
    this.control = topology.controlQueue(node);
    this.replies = topology.repliesQueue;
    const callbackThrew = (error: unknown) => events.callbackThrew(error);
    this.entries = new EntriesConsumer(topology.entriesQueue(node), prefetch, {
      delivery: (delivery, handle) => this.takeEntries(delivery, handle),
      missing: () => events.entriesMissing(),
      callbackThrew,
      trace: events.trace,
    });
    this.link = new AmqpLink<void>(
      { urls, heartbeatS, node },
      {
        setUp: (session) => this.setUp(session),
        up: (_, session) => this.becomeUp(session),
        down: (error) => this.becomeDown(error),
        blockedChanged: (reason) => events.blockedChanged(reason),
        callbackThrew,
        trace: events.trace,
      },
    );
  }

  /** Begins to look for a broker, for ever. */
  start(): void {
    this.link.start();
  }

  /** Sends what is buffered and frees the node id. Two seconds at most; no callback follows but `blockedChanged(null)`. */
  close(): Promise<void> {
    return this.link.close();
  }

  status(): SecondaryBrokerStatus {
    const { lockedOut, malformed } = this;
    const { consuming } = this.entries;
    return { ...this.link.status(), lockedOut, consuming, dropped: this.outbox.dropped, malformed };
  }

  /** To the master; answers come to the control queue. False: dropped, and repeated by the protocol. */
  send(message: WireMessage): boolean {
    return this.sendTo(this.replies, message);
  }

  /** To the queue that a claim named. False: dropped, and repeated by the protocol. */
  sendTo(queue: string, message: WireMessage): boolean {
    const { node, heartbeatExpiresMs = EXPIRES_MS } = this.options;
    const expiresMs = message.type === 'heartbeat' ? heartbeatExpiresMs : null;
    const envelope = { node, replyTo: this.control, persistent: false, expiresMs };
    const properties = propertiesOf(message, envelope);
    return this.outbox.send({ exchange: '', routingKey: queue, body: bodyOf(message), properties });
  }

  /**
   * Consumes this node's backlog, from now on and in every later session, until `stopEntries` or `entriesMissing`. Calling it again
   * while it runs changes nothing.
   */
  consumeEntries(): void {
    this.entries.start();
  }

  /** Consumes nothing any more; what was not settled goes back to the queue. Resolves when the broker agreed, a second at most. */
  stopEntries(): Promise<void> {
    return this.entries.stop();
  }

  /** Tells the broker that a delivery is done with. Nothing happens when its channel has gone, or the second time. */
  settle(handle: DeliveryHandle): void {
    handle.settle();
  }

  /**
   * Gives a delivery back. The broker hands it out again at once, so a caller that fails again and again spins unless it waits before
   * this call (capped exponential backoff). Nothing happens when its channel has gone, or after it was settled.
   */
  requeue(handle: DeliveryHandle): void {
    handle.requeue();
  }

  /** Says what is still to be said, ends the session, and leaves the node id to others for a while. */
  async withdraw(): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    this.withdrawals += 1;
    this.restsUntilMs = performance.now() + retryDelayMs(WITHDRAWN, this.withdrawals, Math.random());
    await session.close(CLOSE_TIMEOUT_MS);
  }

  /** The master is this node's own: the next withdrawal is a first one. */
  returnHome(): void {
    this.withdrawals = 0;
  }

  private async setUp(session: AmqpSession): Promise<void> {
    const { topology, node } = this.options;
    const restMs = this.restsUntilMs - performance.now();
    if (restMs > 0) await pause(restMs, session.signal);
    const retriable = ({ code }: AmqpError) => code === 'locked' || code === 'missing';
    const options = { policy: LOCK_RETRY, retriable, onFailure: (error: AmqpError) => this.becomeWaiting(error) };
    const queue = await session.persist('control queue', options, () =>
      takeExclusive(session, topology.controlQueue(node), CONTROL_QUEUE),
    );
    this.control = queue;
    await session.persist('control binding', options, (channel) => channel.bindQueue(queue, topology.controlExchange));
    await this.outbox.attach(session, 'replies');
    await this.consumeControl(session, queue);
  }

  private async consumeControl(session: AmqpSession, queue: string): Promise<void> {
    const channel = await session.openEssential('consume', 'control');
    this.held = [];
    await channel.consume(queue, {
      noAck: true,
      onMessage: (delivery) => (this.held === null ? this.takeControl(delivery) : this.held.push(delivery)),
      onCancel: () => session.end(cancelled(queue)),
      onThrow: (error) => this.events.callbackThrew(error),
    });
  }

  private takeControl(delivery: ConsumeMessage): void {
    if (delivery.properties.type === PROBE_TYPE) return;
    this.lastControlMs = performance.now();
    const message = this.read(this.control, delivery);
    if (message === null) return;
    const replyTo = replyToOf(delivery);
    if (message.type === 'announce' && replyTo !== null && isPlaceOf(this.options.topology.repliesQueue, replyTo))
      this.replies = replyTo;
    this.events.control(message, replyTo);
  }

  private takeEntries(delivery: ConsumeMessage, handle: DeliveryHandle): void {
    const { topology, node } = this.options;
    const message = this.read(topology.entriesQueue(node), delivery);
    if (message === null) handle.settle();
    else this.events.delivery(message, handle);
  }

  private read(queue: string, delivery: ConsumeMessage): WireMessage | null {
    const read = readWire(queue, delivery);
    if ('message' in read) return read.message;
    this.malformed += 1;
    this.call(() => this.events.malformed(read.malformed));
    return null;
  }

  private becomeWaiting({ code }: AmqpError): void {
    const { topology, node } = this.options;
    if (code === 'locked' && !this.lockedOut) {
      this.lockedOut = true;
      this.events.trace('error', 'another process runs under this node id', { queue: topology.controlQueue(node) });
      this.call(() => this.events.locked());
    }
    if (code === 'missing' && !this.waitsForExchange) {
      this.waitsForExchange = true;
      this.events.trace('info', 'no master has been here yet, waiting for it', { exchange: topology.controlExchange });
    }
  }

  private becomeUp(session: AmqpSession): void {
    this.lockedOut = false;
    this.waitsForExchange = false;
    this.session = session;
    this.lastControlMs = performance.now();
    this.call(() => this.events.up());
    const held = this.held ?? [];
    this.held = null;
    for (const delivery of held) this.call(() => this.takeControl(delivery));
    this.entries.attach(session);
    this.keepBound(session).catch((error: unknown) => this.events.callbackThrew(error));
  }

  private becomeDown(error: AmqpError): void {
    this.session = null;
    this.outbox.detach();
    this.entries.detach();
    this.events.down(error);
  }

  /** Runs as long as the session. */
  private async keepBound(session: AmqpSession): Promise<void> {
    const { topology, controlSilenceMs = SILENCE_MS } = this.options;
    while (session.isOpen) {
      await pause(controlSilenceMs, session.signal);
      if (!session.isOpen || performance.now() - this.lastControlMs < controlSilenceMs) continue;
      try {
        await session.onThrowAwayChannel('control binding', (channel) =>
          channel.bindQueue(this.control, topology.controlExchange),
        );
      } catch (error) {
        // No exchange now, or the session ended; both are tried again or over.
        if (!(error instanceof AmqpError)) throw error;
      }
    }
  }

  private call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.events.callbackThrew(error);
    }
  }
}

function cancelled(queue: string): AmqpError {
  return new AmqpError(`the consumer of ${queue} was cancelled`, { code: 'channel-lost', blastRadius: 'channel' });
}
