/**
 * Connects a master to the broker: takes the lock, declares the master's objects, publishes batches
 * and receives the nodes' messages.
 *
 * States of a session, and how each is left:
 *   *locked out*  another process has the replies queue; tried again about every second → *declaring*
 *   *declaring*   exchanges, members' queues, bindings; an exchange that exists with other settings is reported and tried again → *up*
 *   *up*          any end of a connection or of an essential channel, the replies queue deleted, an exchange gone → the next session
 * The lock is held from *declaring* on by the consuming connection and goes with it. It only spares
 * quarrels: safety comes from epochs. A publish, a member or a send outside *up* is refused or
 * dropped, never kept for later: what must arrive is known to the caller.
 */
import type { ConsumeMessage } from 'amqplib/callback_api';
import { AmqpError, amqpErrorOf } from '#amqp/error';
import { takeExclusive } from '#amqp/exclusive';
import type { AmqpSession } from '#amqp/session';
import { bodyOf, replyToOf } from '#amqp/wire';
import { BrokerEdge, type EdgeEvents, type EdgeOptions } from '#node/broker-edge';
import type { RetryPolicy } from '#protocol/retry-policy';
import type { ControlMessage, EntriesMessage, WireMessage } from '#protocol/wire/messages';
import { EntriesPublisher } from './publisher';
import { QueueRenewal } from './renewal';
import { StandbyListener } from './standby-listener';
import { MasterTopology, type MemberQueueSettings, REPLIES_QUEUE } from './topology';

/** The settings of a master's broker edge. */
export interface MasterBrokerOptions extends EdgeOptions, MemberQueueSettings {
  /** The members, read at the start of each session and when the queues are repaired. */
  readonly members: () => readonly string[];
  /** Does this master hold a log, so that the entries exchange may be declared? Read as above. */
  readonly holdsLog: () => boolean;
  /**
   * Milliseconds for which an announcement or a claim may wait in a queue: a few heartbeat
   * intervals.
   */
  readonly controlExpiresMs: number;
}

/**
 * The events of a master's broker edge. The exclusive queue is the replies queue, the lock. After
 * `down` the pending batches are rejected too.
 */
export interface MasterBrokerEvents extends EdgeEvents {
  /**
   * The lock is held and everything is declared. `freshBroker`: the entries exchange did not exist.
   * No message comes before this event.
   */
  up(state: { readonly freshBroker: boolean }): void;
  message(message: WireMessage, replyTo: string | null): void;
}

interface Ready {
  readonly freshBroker: boolean;
  readonly publisher: EntriesPublisher;
}

const LOCK_RETRY: RetryPolicy = { delayMsMin: 50, delayMsMax: 1000 };
const MEND_RETRY: RetryPolicy = { delayMsMin: 200, delayMsMax: 5000 };
/** Time for which a yielded lock stays free: longer than the longest delay of `LOCK_RETRY`. */
const YIELD_MS = 1500;

/** The broker edge of a master. */
export class MasterBroker extends BrokerEdge<Ready, MasterBrokerOptions, MasterBrokerEvents> {
  private readonly topology: MasterTopology;
  private readonly standbyListener: StandbyListener;
  private active: { readonly session: AmqpSession; readonly publisher: EntriesPublisher } | null = null;
  private lastMismatch: string | null = null;
  private repairing: Promise<void> | null = null;

  constructor(options: MasterBrokerOptions, events: MasterBrokerEvents) {
    const { node, topology } = options;
    super(options, events, topology.repliesQueue);
    this.topology = new MasterTopology(topology, options, events.trace);
    this.standbyListener = new StandbyListener(topology, node, {
      heard: (delivery) => this.receive(topology.controlQueue(node), delivery),
      threw: (error) => events.callbackThrew(error),
    });
  }

  /**
   * Publishes a batch to every member's queue. Resolves when the broker has confirmed it, also if
   * there is no member. Rejects with an AmqpError: `nacked` (publish again after a delay; a queue
   * that refuses for seconds is renewed first), `returned` (the queues are bound again first),
   * `too-large`, `overloaded`, `not-up`, or the reason of the channel's end. While the broker
   * blocks publishers, the promise stays pending.
   */
  publishEntries(message: EntriesMessage): Promise<void> {
    const { active, repairing } = this;
    if (active === null) return Promise.reject(notUp());
    if (repairing !== null) return repairing.then(() => this.publishOn(active, message));
    return this.publishOn(active, message);
  }

  /**
   * Declares the entries exchange and the queues of a log that has begun; batches wait for it.
   * @returns false when the session has ended with an error; the next session declares them
   */
  async declareLog(): Promise<boolean> {
    const { active } = this;
    if (active === null) return false;
    try {
      await this.repair(active.session);
      return true;
    } catch (error) {
      active.session.end(amqpErrorOf(error, { what: 'declaring', on: 'channel' }));
      return false;
    }
  }

  private async publishOn(
    { publisher, session }: NonNullable<MasterBroker['active']>,
    message: EntriesMessage,
  ): Promise<void> {
    if (!session.isOpen) throw notUp();
    const body = bodyOf(message);
    const { limit } = this.sizes;
    if (!limit.isKnown(body.length)) await this.sizes.learn(body.length);
    if (body.length > limit.bytesMax) {
      // The next try has fewer records, unless it is one already.
      const [only, second] = message.records;
      if (only !== undefined && second === undefined) this.sizes.noteTooLarge(only);
      throw new AmqpError(`a batch of ${body.length} bytes`, { code: 'too-large', blastRadius: 'delivery' });
    }
    const mandatory = this.options.members().length > 0;
    const envelope = this.envelope({ persistent: true, expiresMs: null });
    await publisher.publish({ message, body, envelope, mandatory });
    this.sizes.noteTaken(body.length);
  }

  /**
   * Sends a message to every node that is connected. It expires in the queue after
   * `controlExpiresMs`.
   * @returns false when it was dropped; the protocol repeats it
   */
  sendControl(message: ControlMessage): boolean {
    const { topology, controlExpiresMs } = this.options;
    return this.post({ exchange: topology.controlExchange, routingKey: '' }, message, controlExpiresMs);
  }

  /**
   * Sends a message to one queue.
   * @param expiresMs milliseconds for which it may wait in the queue; null: without a bound
   * @returns false when it was dropped; the protocol repeats it
   */
  sendTo(queue: string, message: WireMessage, expiresMs: number | null = null): boolean {
    return this.post({ exchange: '', routingKey: queue }, message, expiresMs);
  }

  /**
   * Declares and binds the queue of a member. Rejects with an AmqpError: `mismatch`, `not-up`, or
   * the reason of the session's end.
   */
  async ensureMember(node: string): Promise<void> {
    if (this.active === null) throw notUp();
    await this.topology.declareMember(this.active.session, node);
  }

  override get warnings(): readonly string[] {
    return [...super.warnings, ...this.topology.warnings];
  }

  /**
   * Unbinds and deletes the queue of a former member, with its messages. Rejects with an AmqpError:
   * `not-up`, or the reason of the session's end.
   */
  async removeMember(node: string): Promise<void> {
    if (this.active === null) throw notUp();
    await this.topology.removeMember(this.active.session, node);
  }

  /** Ends the session and does not take the lock for a while, so that another process can. */
  yieldLock(): void {
    this.restFor(YIELD_MS);
    const reason = 'this master releases the lock for a while';
    this.active?.session.end(new AmqpError(reason, { code: 'closed', blastRadius: 'connection' }));
  }

  protected override async setUp(session: AmqpSession): Promise<Ready> {
    await this.takeLock(session);
    const freshBroker = await this.topology.isFresh(session);
    await this.declareAll(session);
    const entries = await session.openEssential('publish', 'entries', { confirm: true });
    const exchange = this.options.topology.entriesExchange;
    const renewal = new QueueRenewal(
      session,
      () => this.memberQueues(),
      (queue) => this.renewQueue(session, queue),
    );
    const publisher = new EntriesPublisher(entries, exchange, {
      bindAgain: () => this.repair(session),
      noteConfirmed: () => renewal.noteConfirmed(),
      noteWaiting: (oldest, how) => renewal.noteWaiting(oldest, how),
      noteRefused: (batch) => renewal.noteRefused(batch),
    });
    await this.outbox.attach(session, 'control');
    await this.consumeOwnQueue(session, 'replies');
    return { freshBroker, publisher };
  }

  private async takeLock(session: AmqpSession): Promise<void> {
    await this.rest(session);
    const { repliesQueue } = this.options.topology;
    const retriable = (error: AmqpError) => error.code === 'locked';
    const onFailure = () => {
      this.becomeLockedOut('info', 'lock.waiting', repliesQueue);
      this.standbyListener.listen(session).catch((error: unknown) => this.events.callbackThrew(error));
    };
    this.ownQueue = await session.persist('lock', { policy: LOCK_RETRY, retriable, onFailure }, () =>
      takeExclusive(session, repliesQueue, REPLIES_QUEUE),
    );
    await this.standbyListener.close();
  }

  private async declareAll(session: AmqpSession): Promise<void> {
    const retriable = (error: AmqpError) => error.code === 'mismatch';
    const options = { policy: MEND_RETRY, retriable, onFailure: (error: AmqpError) => this.reportMismatch(error) };
    await session.persist('declare', options, (channel) =>
      this.options.holdsLog()
        ? this.topology.declareAll(session, channel, this.options.members())
        : this.topology.declareControl(channel),
    );
    this.lastMismatch = null;
    this.tellTrouble(null);
  }

  /** Declares everything again. Several returned batches share one repair. */
  private repair(session: AmqpSession): Promise<void> {
    this.repairing ??= this.declareAll(session).finally(() => {
      this.repairing = null;
    });
    return this.repairing;
  }

  private memberQueues(): readonly string[] {
    return this.options.members().map((node) => this.options.topology.entriesQueue(node));
  }

  private async renewQueue(session: AmqpSession, queue: string): Promise<void> {
    await this.topology.discard(session, queue);
    await this.declareAll(session);
  }

  protected override take(queue: string, delivery: ConsumeMessage): void {
    const message = this.read(queue, delivery);
    if (message !== null) this.events.message(message, replyToOf(delivery));
  }

  protected override becomeUp({ freshBroker, publisher }: Ready, session: AmqpSession): void {
    this.active = { session, publisher };
    this.reportUp(() => this.events.up({ freshBroker }));
  }

  protected override becomeDown(error: AmqpError): void {
    this.active = null;
    super.becomeDown(error);
  }

  private reportMismatch(error: AmqpError): void {
    const level = error.message === this.lastMismatch ? 'debug' : 'error';
    this.lastMismatch = error.message;
    this.events.trace(level, 'exchange.mismatch', { reason: error.message });
    this.tellTrouble(error.message);
  }
}

function notUp(): AmqpError {
  return new AmqpError('there is no session with the broker', { code: 'not-up', blastRadius: 'delivery' });
}
