/**
 * Implements the part of the broker edge that both roles share. A session takes one exclusive
 * queue, which is the edge's lock and its address for answers, and consumes it. Messages that the
 * protocol repeats are sent through an outbox.
 *
 * Deliveries that come before `up` are kept until then, so that no message comes before it.
 * Messages that cannot be read are counted, reported and dropped. A callback that throws is a
 * broken invariant of the owner; it does not end the session.
 */

import type { ConsumeMessage } from 'amqplib/callback_api';
import type { Logger } from 'pino';
import { AmqpError } from '#amqp/error';
import { AmqpLink, type LinkStatus, type Trace, type TraceLevel } from '#amqp/link';
import { Outbox } from '#amqp/outbox';
import { PROBE_TYPE } from '#amqp/probe';
import { type AmqpSession, pause } from '#amqp/session';
import { bodyOf, type Envelope, type Malformed, propertiesOf, readWire } from '#amqp/wire';
import { logEvent } from '#process/logger';
import type { NodeSettings } from '#process/node-settings';
import type { LogEvent } from '#protocol/log-events';
import { type Topology, topologyOf } from '#protocol/topology';
import type { WireMessage } from '#protocol/wire/messages';
import { BatchSizes, type SizeEvents } from './batch-sizes';

/** The settings of a broker edge. */
export interface EdgeOptions {
  /** At least one address; they are tried in turn. */
  readonly urls: readonly string[];
  /** AMQP heartbeat in seconds. */
  readonly heartbeatS: number;
  readonly connections: 1 | 2;
  readonly topology: Topology;
  readonly node: string;
}

/**
 * The events of a broker edge. No callback may block. `down` follows each `up`, unless `close` was
 * called.
 */
export interface EdgeEvents extends SizeEvents {
  /** Another process has the exclusive queue. Called once until this edge was up again. */
  locked(): void;
  /** The session has ended, and with it the exclusive queue. */
  down(error: AmqpError): void;
  /** The broker blocks publishers for this reason; null: no longer. */
  blockedChanged(reason: string | null): void;
  /** Why the broker gives this node no session, in its words; null: it does. */
  troubleChanged(reason: string | null): void;
  /** Something that is not a wire message was dropped. */
  malformed(what: Malformed): void;
  /** One of these callbacks threw: a broken invariant of the owner. */
  callbackThrew(error: unknown): void;
}

/** The status of a broker edge. */
export interface EdgeStatus extends LinkStatus {
  /** Another process has the exclusive queue. */
  readonly lockedOut: boolean;
  /** Messages dropped since the start: the buffer was full, or the session blocked or missing. */
  readonly dropped: number;
  /** Messages since the start that could not be read. */
  readonly malformed: number;
}

/** The shared part of a role's broker edge. `Ready`: the result of setting up a session. */
export abstract class BrokerEdge<Ready, Options extends EdgeOptions, Events extends EdgeEvents> {
  protected readonly outbox = new Outbox();
  private readonly link: AmqpLink<Ready>;
  /** What the broker takes in one message, as it turns out. */
  readonly sizes: BatchSizes;
  private lockedOut = false;
  private malformed = 0;
  /** Time until which the exclusive queue is not taken, in monotonic milliseconds. */
  private restsUntilMs = 0;
  /** Deliveries that came before `up`, a few at most. Null: deliveries are passed on at once. */
  private held: ConsumeMessage[] | null = null;

  /** @param ownQueue name of the exclusive queue; a session may replace it */
  protected constructor(
    protected readonly options: Options,
    protected readonly events: Events,
    protected ownQueue: string,
  ) {
    const { urls, heartbeatS, connections, node } = options;
    this.sizes = new BatchSizes(events);
    this.link = new AmqpLink<Ready>(
      { urls, heartbeatS, connections, node },
      {
        setUp: (session) => {
          this.sizes.attach(session);
          return this.setUp(session);
        },
        up: (ready, session) => this.becomeUp(ready, session),
        down: (error) => this.becomeDown(error),
        blockedChanged: (reason) => events.blockedChanged(reason),
        troubleChanged: (reason) => events.troubleChanged(reason),
        callbackThrew: (error) => events.callbackThrew(error),
        trace: events.trace,
      },
    );
  }

  /** Starts to connect and to take the exclusive queue. It tries again until `close`. */
  start(): void {
    this.link.start();
  }

  /**
   * Sends the buffered messages and frees the exclusive queue, within two seconds. The only
   * callback that may follow is `blockedChanged(null)`.
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

  /** Takes a delivery of another process from `queue`. */
  protected abstract take(queue: string, delivery: ConsumeMessage): void;

  /** Things that keep the broker from its work although the session lives, for people. */
  get warnings(): readonly string[] {
    return this.sizes.warning === null ? [] : [this.sizes.warning];
  }

  /** Something of the broker's keeps this session from its work; null: nothing does. */
  protected tellTrouble(reason: string | null): void {
    this.link.tellTrouble(reason);
  }

  protected becomeDown(error: AmqpError): void {
    this.outbox.detach();
    this.sizes.limit.noteRefusal(error);
    this.events.down(error);
  }

  /** Calls `tell` to report `up`, then passes on the deliveries that came before. */
  protected reportUp(tell: () => void): void {
    this.lockedOut = false;
    this.call(tell);
    const held = this.held ?? [];
    this.held = null;
    for (const delivery of held) this.call(() => this.receive(this.ownQueue, delivery));
  }

  /** Another process has the exclusive queue. */
  protected becomeLockedOut(level: TraceLevel, event: LogEvent, queue: string): void {
    if (this.lockedOut) return;
    this.lockedOut = true;
    this.events.trace(level, event, { queue });
    this.call(() => this.events.locked());
  }

  /** Does not take the exclusive queue for `delayMs`, so that another process can. */
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

  /** Reads a wire message. @returns null when it is none, which was reported */
  protected read(queue: string, delivery: ConsumeMessage): WireMessage | null {
    const read = readWire(queue, delivery);
    if ('message' in read) return read.message;
    this.malformed += 1;
    this.call(() => this.events.malformed(read.malformed));
    return null;
  }

  /**
   * False: dropped, and repeated by the protocol. `expiresMs` null: the message may wait in a queue
   * for ever. Of a batch it sends as many records as the broker takes in one message.
   */
  protected post(
    to: { readonly exchange: string; readonly routingKey: string },
    message: WireMessage,
    expiresMs: number | null,
  ): boolean {
    const fitting = message.type === 'entries' ? this.sizes.fitted(message) : message;
    if (fitting === null) return false;
    const properties = propertiesOf(fitting, this.envelope({ persistent: false, expiresMs }));
    return this.outbox.send({ ...to, body: bodyOf(fitting), properties });
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

/** Makes the options of a broker edge from a node's settings. */
export function edgeOptionsOf({ nodeId: node, logName, broker }: NodeSettings): EdgeOptions {
  return {
    urls: broker.urls,
    heartbeatS: broker.heartbeatS,
    connections: broker.connections,
    topology: topologyOf(logName),
    node,
  };
}

/** Logs the traces of a broker edge. */
export function traceTo(logger: Logger): Trace {
  return (level, event, fields) => logEvent(logger, level, event, fields);
}
