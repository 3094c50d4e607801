/**
 * The master's driver: performs the effects that the machine answers with, and tells it how they
 * ended. It decides nothing about the log; what it adds is the outside: a clock, random numbers,
 * the store, the broker, and clients that wait.
 */

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AmqpError } from '#amqp/error';
import { type DriverParts, NodeDriver } from '#node/driver';
import { FetchServer } from '#node/fetch-server';
import { logEvent } from '#process/logger';
import type { AppendRequests } from './append-requests';
import type { MasterBroker } from './broker/master-broker';
import type { QueueWatch } from './broker/queue-watch';
import { CatchUpPace } from './catch-up-pace';
import type { MasterEffect, MasterEvent } from './core/events';
import type { MasterMachine } from './core/master';
import type { MasterView } from './core/view';
import type { OperatorRequests } from './operator-requests';

export interface MasterDriverParts extends DriverParts<MasterEvent, MasterEffect> {
  readonly machine: Pick<MasterMachine, 'httpUrl' | 'step'> & { readonly view: Pick<MasterView, 'members'> };
  readonly broker: MasterBroker;
  /** Null: no management API is known. */
  readonly queues: Pick<QueueWatch, 'start' | 'stop'> | null;
  readonly requests: Pick<AppendRequests, 'answer' | 'load'>;
  readonly operators: Pick<OperatorRequests, 'answerChange' | 'answerForce'>;
}

type Effect<Kind extends MasterEffect['do']> = Extract<MasterEffect, { do: Kind }>;

export class MasterDriver extends NodeDriver<MasterEvent, MasterEffect, MasterDriverParts> {
  private readonly fetches: FetchServer;
  private readonly pace = new CatchUpPace();

  constructor(parts: MasterDriverParts) {
    super(parts);
    this.fetches = new FetchServer(parts);
  }

  override start(httpUrl: string): void {
    super.start(httpUrl);
    this.parts.queues?.start();
  }

  override async stop(): Promise<void> {
    this.parts.queues?.stop();
    await super.stop();
  }

  /** Answers every client that waits; refuses the next. */
  release(): void {
    this.dispatch({ type: 'shutdown' });
  }

  /** The lock is held and everything is declared. */
  becomeUp({ freshBroker }: { readonly freshBroker: boolean }): void {
    this.dispatch({ type: 'up', freshBroker, reign: freshReign() });
  }

  protected override tick(): void {
    this.dispatch({ type: 'tick', reign: freshReign(), random: Math.random() });
  }

  protected override perform(effect: MasterEffect): void {
    const { broker, requests, operators } = this.parts;
    switch (effect.do) {
      case 'store':
      case 'savePromise':
      case 'truncate':
      case 'renewStore':
      case 'visible':
      case 'halt':
      case 'trace':
        return this.performShared(effect);
      case 'declare':
        return this.run(this.declareLog());
      case 'publish':
        return this.publish(effect);
      case 'broadcast':
        broker.sendControl(effect.message);
        return undefined;
      case 'send':
        broker.sendTo(effect.to, effect.message);
        return undefined;
      case 'serve':
        return this.run(this.fetches.serve(effect.node, () => this.answerFetch(effect)));
      case 'yield':
        return broker.yieldLock();
      case 'answer':
        return requests.answer(effect.request, effect.answer);
      case 'load':
        return requests.load(effect);
      case 'ensureMember':
        return this.run(this.ensureMember(effect.node));
      case 'removeMember':
        return this.run(this.removeQueue(effect.node));
      case 'memberChange':
        return operators.answerChange(effect.request, effect.outcome);
      case 'force':
        return operators.answerForce(effect.request, effect.plan);
    }
  }

  private async declareLog(): Promise<void> {
    await this.untilRoom(() => this.parts.store.consumePermission());
    if (await this.parts.broker.declareLog()) this.dispatch({ type: 'declared' });
  }

  private publish({ header, publish: { id: publish, records } }: Effect<'publish'>): void {
    this.parts.broker.publishEntries({ ...header, records }).then(
      () => this.dispatch({ type: 'confirmed', publish }),
      () => this.dispatch({ type: 'unconfirmed', publish, random: Math.random() }),
    );
  }

  private async answerFetch(effect: Effect<'serve'>): Promise<void> {
    const { to, node, header, lastIndex, withChecksum } = effect;
    const { store, broker, machine } = this.parts;
    const pauseMs = this.pace.pauseMs(node, performance.now(), lastIndex);
    if (pauseMs > 0) await pause(pauseMs);
    const records = await this.fetches.read(effect);
    const prevChecksum = withChecksum ? await store.checksumAt(header.prevIndex) : undefined;
    const isBehind = header.prevIndex + records.length < lastIndex;
    this.pace.keep(machine.view.members);
    this.pace.recordAnswered(node, { at: performance.now(), lastIndex, isBehind });
    broker.sendTo(to, prevChecksum === undefined ? { ...header, records } : { ...header, records, prevChecksum });
  }

  /** A failure is not the end: the member's next join, or the next session, tries again. */
  private async ensureMember(node: string): Promise<void> {
    try {
      await this.parts.broker.ensureMember(node);
    } catch (err) {
      if (!(err instanceof AmqpError)) throw err;
      // The broker edge has reported a refusal, once.
      const level = err.blastRadius === 'channel' ? 'debug' : 'warn';
      logEvent(this.parts.logger, level, 'queue.declare-failed', { peer: node, reason: err.message });
    }
  }

  /**
   * The queue of a former member may stay when the broker is away: nothing is bound to be lost by
   * that.
   */
  private async removeQueue(node: string): Promise<void> {
    try {
      await this.parts.broker.removeMember(node);
    } catch (err) {
      if (!(err instanceof AmqpError)) throw err;
      const facts = { peer: node, reason: err.message };
      logEvent(this.parts.logger, 'warn', 'queue.delete-failed', facts);
    }
  }
}

/** 64 random bits in hex: the name of a reign, should one begin. */
function freshReign(): string {
  return randomBytes(8).toString('hex');
}
