/**
 * Performs the effects of a secondary's machine, and reports to it how they ended. It decides
 * nothing about the log. It adds a clock, random numbers, the store, the broker and injected faults.
 */

import { type DriverParts, NodeDriver } from '#node/driver';
import { FetchServer } from '#node/fetch-server';
import { logEvent } from '#process/logger';
import type { WireMessage } from '#protocol/wire/messages';
import type { DeliveryHandle } from './broker/entries';
import type { SecondaryBroker } from './broker/secondary-broker';
import type { CatchUpReport } from './catch-up-report';
import type { SecondaryEffect, SecondaryEvent } from './core/events';
import type { SecondaryMachine } from './core/secondary';
import { DeliveryHandles } from './delivery-handles';
import type { FaultInjector } from './faults/injector';
import type { FaultChange } from './faults/settings';

interface SecondaryDriverParts extends DriverParts<SecondaryEvent, SecondaryEffect> {
  readonly machine: Pick<SecondaryMachine, 'httpUrl' | 'step' | 'view'>;
  readonly broker: SecondaryBroker;
  readonly injector: FaultInjector;
  readonly catchUp: Pick<CatchUpReport, 'tick'>;
}

type Effect<Kind extends SecondaryEffect['do']> = Extract<SecondaryEffect, { do: Kind }>;

/** Each handler of the broker edge and the HTTP edge hands the machine one event. */
export class SecondaryDriver extends NodeDriver<SecondaryEvent, SecondaryEffect, SecondaryDriverParts> {
  private readonly fetches: FetchServer;
  private readonly handles: DeliveryHandles;

  constructor(parts: SecondaryDriverParts) {
    super(parts);
    this.fetches = new FetchServer(parts);
    this.handles = new DeliveryHandles(parts.broker);
    if (parts.injector.settings.paused) this.dispatch({ type: 'pause', paused: true });
  }

  /** Says that it leaves, frees the node id, waits for the writes under way, closes the log. */
  override async stop(): Promise<void> {
    this.handles.stop();
    this.parts.injector.clear();
    this.dispatch({ type: 'shutdown' });
    await super.stop();
  }

  /** From the control queue. Answers to fetches are batches, and suffer the faults of batches. */
  receiveControl(message: WireMessage, replyTo: string | null): void {
    const hand = (fail: boolean) => this.dispatch({ type: 'wire', message, replyTo, fail });
    if (message.type !== 'entries') hand(false);
    else this.parts.injector.take({ hand, lose: () => undefined });
  }

  receiveDelivery(message: WireMessage, handle: DeliveryHandle): void {
    const tag = this.handles.add(handle);
    const hand = (fail: boolean) => this.dispatch({ type: 'delivery', message, tag, fail });
    this.parts.injector.take({ hand, lose: () => this.handles.settle(tag) });
  }

  /** The broker brings again what was not settled. */
  becomeDown(): void {
    this.parts.injector.clear();
    this.handles.clear();
    this.dispatch({ type: 'down' });
  }

  setFaults(change: FaultChange): void {
    const { injector, logger } = this.parts;
    injector.change(change);
    logEvent(logger, 'warn', 'faults.injected', { ...injector.settings });
    if (change.paused === true) injector.clear();
    if (change.paused !== undefined) this.dispatch({ type: 'pause', paused: change.paused });
  }

  protected override tick(): void {
    const { machine, broker, injector, catchUp } = this.parts;
    this.dispatch({ type: 'tick', random: Math.random(), inHand: injector.inHand });
    if (machine.view.status === 'ok') broker.returnHome();
    catchUp.tick(performance.now());
  }

  protected override perform(effect: SecondaryEffect): void {
    const { broker, reader } = this.parts;
    switch (effect.do) {
      case 'store':
      case 'savePromise':
      case 'truncate':
      case 'renewStore':
      case 'visible':
      case 'halt':
      case 'trace':
        return this.performShared(effect);
      case 'withdraw':
        reader.moved();
        return this.run(broker.withdraw());
      case 'settle':
        return this.handles.settle(effect.tag);
      case 'requeue':
        return this.handles.requeue(effect.tag, effect.afterMs);
      case 'send':
        if (effect.to === null) broker.send(effect.message);
        else broker.sendTo(effect.to, effect.message);
        return undefined;
      case 'serve':
        return this.run(this.fetches.serve(effect.node, () => this.answerFetch(effect)));
      case 'lookUpChecksum':
        return this.run(this.lookUpChecksum(effect.index));
      case 'consume':
        return broker.consumeEntries();
      case 'stopConsuming':
        // The broker takes back what was delivered, and delivers it again.
        this.handles.clear();
        return this.run(broker.stopEntries());
    }
  }

  private async lookUpChecksum(index: number): Promise<void> {
    const checksum = await this.untilRoom(() => this.parts.store.checksumAt(index));
    this.dispatch({ type: 'checksum', index, checksum });
  }

  private async answerFetch(effect: Effect<'serve'>): Promise<void> {
    const records = await this.fetches.read(effect);
    this.parts.broker.sendTo(effect.to, { ...effect.header, records });
  }
}
