/**
 * What the broker edges of both roles share. Each takes one exclusive queue per session, which is
 * its lock and the address for answers to it, consumes it, and sends messages that the protocol
 * repeats through an outbox.
 *
 * Deliveries that come between the start of consumption and `up` are held back, so that no message
 * comes before it. Messages that cannot be read are counted, reported and dropped. A callback that
 * throws is a broken invariant of the owner, and ends no session.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import type { Logger } from 'pino';
import { AmqpError } from '#amqp/error';
import { PROBE_TYPE } from '#amqp/exclusive';
import { AmqpLink, type LinkStatus, type Trace, type TraceLevel } from '#amqp/link';
import { Outbox } from '#amqp/outbox';
import { type AmqpSession, pause } from '#amqp/session';
import { bodyOf, type Envelope, type Malformed, propertiesOf, readWire } from '#amqp/wire';
import type { NodeSettings } from '#process/node-settings';
import { type Topology, topologyOf } from '#protocol/topology';
import type { WireMessage } from '#protocol/wire/messages';

export interface EdgeOptions {
  /** One address or more, tried in turn. */
  readonly urls: readonly string[];
  /** Seconds. */
  readonly heartbeatS: number;
  readonly topology: Topology;
  readonly node: string;
}

/**
 * All are called in a turn of their own or in the broker's reading turn; none may block. `down`
 * follows each `up`, unless `close` was called.
 */
export interface EdgeEvents {
  /** Another process has the exclusive queue. Once, until this one was up again. */
  locked(): void;
  /** The session is over, and with it the exclusive queue. */
  down(error: AmqpError): void;
  /** The broker takes no publishes, with its reason; null: it does again. */
  blockedChanged(reason: string | null): void;
  /** Something that is not a wire message was dropped. */
  malformed(what: Malformed): void;
  /** One of these callbacks threw: a broken invariant of the owner. */
  callbackThrew(error: unknown): void;
  trace: Trace;
}

export interface EdgeStatus extends LinkStatus {
  /** Another process has the exclusive queue. */
  readonly lockedOut: boolean;
  /**
   * Since the start: messages that were dropped for a full buffer, a blocked or a missing session.
   */
  readonly dropped: number;
  /** Since the start. */
  readonly malformed: number;
}

export abstract class BrokerEdge<Ready, Options extends EdgeOptions, Events extends EdgeEvents> {
  protected readonly outbox = new Outbox();
  private readonly link: AmqpLink<Ready>;
  private lockedOut = false;
  private malformed = 0;
  /** The exclusive queue is left to others until then, by the monotonic clock in milliseconds. */
  private restsUntilMs = 0;
  /**
   * Deliveries that came between the start of consumption and `up`: what one read of the socket
   * brings. Null: handed on at once.
   */
  private held: ConsumeMessage[] | null = null;

  /** `ownQueue`: the exclusive queue of this session, or of the last one. */
  protected constructor(
    protected readonly options: Options,
    protected readonly events: Events,
    protected ownQueue: string,
  ) {
    const { urls, heartbeatS, node } = options;
    this.link = new AmqpLink<Ready>(
      { urls, heartbeatS, node },
      {
        setUp: (session) => this.setUp(session),
        up: (ready, session) => this.becomeUp(ready, session),
        down: (error) => this.becomeDown(error),
        blockedChanged: (reason) => events.blockedChanged(reason),
        callbackThrew: (error) => events.callbackThrew(error),
        trace: events.trace,
      },
    );
  }

  /** Begins to look for a broker and for the exclusive queue, for ever. */
  start(): void {
    this.link.start();
  }

  /**
   * Sends what is buffered and frees the exclusive queue. Two seconds at most; no callback follows
   * but `blockedChanged(null)`.
   */
  close(): Promise<void> {
    return this.link.close();
  }

  status(): EdgeStatus {
    const { lockedOut, malformed } = this;
    return { ...this.link.status(), lockedOut, dropped: this.outbox.dropped, malformed };
  }

  protected abstract setUp(session: AmqpSession): Promise<Ready>;

  /** Must call `reportUp`. */
  protected abstract becomeUp(ready: Ready, session: AmqpSession): void;

  /** A delivery from another process; `queue` is where it came from. */
  protected abstract take(queue: string, delivery: ConsumeMessage): void;

  protected becomeDown(error: AmqpError): void {
    this.outbox.detach();
    this.events.down(error);
  }

  /** Tells the owner by `tell`, and hands on what was held back until then. */
  protected reportUp(tell: () => void): void {
    this.lockedOut = false;
    this.call(tell);
    const held = this.held ?? [];
    this.held = null;
    for (const delivery of held) this.call(() => this.receive(this.ownQueue, delivery));
  }

  /** Another process has the exclusive queue. */
  protected becomeLockedOut(level: TraceLevel, sentence: string, queue: string): void {
    if (this.lockedOut) return;
    this.lockedOut = true;
    this.events.trace(level, sentence, { queue });
    this.call(() => this.events.locked());
  }

  /** The next sessions leave the exclusive queue to others, until `delayMs` from now. */
  protected restFor(delayMs: number): void {
    this.restsUntilMs = performance.now() + delayMs;
  }

  protected async rest(session: AmqpSession): Promise<void> {
    const restMs = this.restsUntilMs - performance.now();
    if (restMs > 0) await pause(restMs, session.signal);
  }

  protected async consumeOwnQueue(session: AmqpSession, purpose: string): Promise<void> {
    const queue = this.ownQueue;
    const channel = await session.openEssential('consume', purpose);
    this.held = [];
    await channel.consume(queue, {
      noAck: true,
      onMessage: (delivery) => (this.held === null ? this.receive(queue, delivery) : this.held.push(delivery)),
      onCancel: () => session.end(cancelled(queue)),
      onThrow: (error) => this.events.callbackThrew(error),
    });
  }

  protected receive(queue: string, delivery: ConsumeMessage): void {
    if (delivery.properties.type !== PROBE_TYPE) this.take(queue, delivery);
  }

  /** Null: it is not a wire message, and was reported. */
  protected read(queue: string, delivery: ConsumeMessage): WireMessage | null {
    const read = readWire(queue, delivery);
    if ('message' in read) return read.message;
    this.malformed += 1;
    this.call(() => this.events.malformed(read.malformed));
    return null;
  }

  /**
   * False: dropped, and repeated by the protocol. `expiresMs` null: the message may wait in a queue
   * for ever.
   */
  protected post(
    to: { readonly exchange: string; readonly routingKey: string },
    message: WireMessage,
    expiresMs: number | null,
  ): boolean {
    const properties = propertiesOf(message, this.envelope({ persistent: false, expiresMs }));
    return this.outbox.send({ ...to, body: bodyOf(message), properties });
  }

  protected envelope(kind: Pick<Envelope, 'persistent' | 'expiresMs'>): Envelope {
    return { node: this.options.node, replyTo: this.ownQueue, ...kind };
  }

  protected call(callback: () => void): void {
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

/** The part of a broker edge's options that the settings of every node have. */
export function edgeOptionsOf({ nodeId: node, logName, broker }: NodeSettings): EdgeOptions {
  return { urls: broker.urls, heartbeatS: broker.heartbeatS, topology: topologyOf(logName), node };
}

export function traceTo(logger: Logger): Trace {
  return (level, sentence, fields) => logger[level](fields, sentence);
}
