/**
 * A secondary's process: what services/secondary/driver.ts, its broker and its fault injector do
 * around the machine.
 */

import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import type { SecondaryEffect, SecondaryEvent } from '#secondary/core/events';
import type { SecondaryMachine } from '#secondary/core/secondary';
import type { SecondaryView } from '#secondary/core/view';
import { REPLIES } from './broker';
import type { Connection } from './connection';
import type { DiskModel } from './disk';
import { type Envelope, unpack } from './envelope';
import { SimProcess } from './sim-process';
import type { World } from './world';

/**
 * How long the node id is left to others, as services/secondary/broker/secondary-broker.ts does it.
 */
const WITHDRAWN: RetryPolicy = { delayMsMin: 1_000, delayMsMax: 15_000 };

/** A machine that runs, and what it shows. */
export type SecondaryCore = Pick<SecondaryMachine, 'step' | 'view'>;

export class SecondaryProcess extends SimProcess {
  readonly machine: SecondaryView;
  /** How long a batch is held before the machine sees it, in milliseconds. */
  delayMs = 0;
  /** Consumption is wanted, in this session and the next ones. */
  private isWanted = false;
  /** Names the channel of the running consumption; deliveries of an older one are dropped. */
  private channel = 0;
  private isConsuming = false;
  private inHand = 0;
  private withdrawals = 0;

  constructor(
    world: World,
    node: string,
    disk: DiskModel,
    private readonly core: SecondaryCore,
  ) {
    super(world, node, disk);
    this.machine = core.view;
  }

  get shown() {
    return this.machine;
  }

  dispatch(event: SecondaryEvent): void {
    if (!this.isAlive) return;
    const effects = this.world.step(this, event, (now) => this.core.step(now, event));
    for (const effect of effects) if (this.isAlive) this.perform(effect);
  }

  /** The broker has cancelled the consumer: its queue is gone. */
  cancelled(): void {
    this.closeChannel();
    if (this.isWanted) this.retry(() => this.consume());
  }

  protected tick(): void {
    this.dispatch({ type: 'tick', random: this.world.random.next(), inHand: this.inHand });
  }

  protected settle(connection: Connection): void {
    connection.up(() => {
      const { broker } = this.world;
      const receiver = (parcel: Envelope) => this.enter(() => this.receiveControl(parcel));
      const isBound = broker.hasControl && broker.bindControl(connection, receiver);
      const isLocked = broker.hasControl && !isBound;
      if (isBound && broker.isBlocked) this.tellBlocked(true);
      connection.down(() => this.enter(() => (isBound ? this.becomeUp() : this.wait(connection, isLocked))));
    });
  }

  protected becomeDown(): void {
    this.closeChannel();
    this.dispatch({ type: 'down' });
  }

  private becomeUp(): void {
    this.isUp = true;
    this.lockedOut = false;
    this.dispatch({ type: 'up' });
    if (this.isWanted) this.consume();
  }

  private wait(connection: Connection, isLocked: boolean): void {
    if (isLocked && !this.lockedOut) {
      this.lockedOut = true;
      this.dispatch({ type: 'locked' });
    }
    this.retry(() => {
      if (this.connection === connection) this.settle(connection);
    });
  }

  /** What is still to be said goes out first. */
  private withdraw(): void {
    const { connection } = this;
    this.withdrawals += 1;
    const restMs = retryDelayMs(WITHDRAWN, this.withdrawals, this.world.random.next());
    this.soon(() => {
      if (this.connection === connection) this.disconnect(restMs);
    });
  }

  private receiveControl(parcel: Envelope): void {
    const message = unpack(parcel);
    if (message === null) return;
    const { replyTo } = parcel;
    this.take(message.type, {
      hand: (fail) => this.dispatch({ type: 'wire', message, replyTo, fail }),
      lose: () => undefined,
    });
  }

  private receiveDelivery(parcel: Envelope, tag: number): void {
    const message = unpack(parcel);
    if (message === null) return this.settleTag(tag);
    this.take(message.type, {
      hand: (fail) => this.dispatch({ type: 'delivery', message, tag, fail }),
      lose: () => this.settleTag(tag),
    });
  }

  /** The faults that its settings inject. */
  private take(type: string, { hand, lose }: { hand: (fail: boolean) => void; lose: () => void }): void {
    const { random, faults } = this.world;
    if (type !== 'entries') return hand(false);
    if (random.chance(faults.dropRate)) return lose();
    const times = random.chance(faults.repeatRate) ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      const fail = random.chance(faults.failRate);
      if (this.delayMs === 0) hand(fail);
      else this.hold(() => hand(fail));
    }
  }

  private hold(hand: () => void): void {
    const { channel } = this;
    this.inHand += 1;
    this.later(this.delayMs, () => {
      if (channel !== this.channel) return;
      this.inHand -= 1;
      hand();
    });
  }

  private consume(): void {
    const { connection, world } = this;
    if (connection === null || !this.isUp || !this.isWanted || this.isConsuming) return;
    this.closeChannel();
    this.isConsuming = true;
    const { channel } = this;
    connection.up(() => {
      const isThere = world.broker.consume(connection, (parcel, tag) =>
        this.enter(() => {
          if (channel === this.channel) this.receiveDelivery(parcel, tag);
        }),
      );
      if (!isThere) connection.down(() => this.enter(() => this.missing(channel)));
    });
  }

  private missing(channel: number): void {
    if (channel !== this.channel || !this.isWanted) return;
    this.isWanted = false;
    this.closeChannel();
    this.dispatch({ type: 'entriesMissing' });
  }

  private stopConsuming(): void {
    const { connection, world } = this;
    this.isWanted = false;
    this.closeChannel();
    connection?.up(() => world.broker.stopConsuming(connection));
  }

  private closeChannel(): void {
    this.channel += 1;
    this.isConsuming = false;
    this.inHand = 0;
  }

  private settleTag(tag: number): void {
    this.connection?.up(() => this.world.broker.settle(this.node, tag));
  }

  private perform(effect: SecondaryEffect): void {
    const { world, disk, node } = this;
    switch (effect.do) {
      case 'store':
        return this.store(effect);
      case 'savePromise': {
        const { promised } = effect;
        return disk.savePromise(promised, () => this.enter(() => this.dispatch({ type: 'promiseSaved', promised })));
      }
      case 'withdraw':
        return this.withdraw();
      case 'renewStore':
        return world.renewStore(node);
      case 'truncate':
        return disk.truncateAfter(effect.index);
      case 'settle':
        return this.settleTag(effect.tag);
      case 'requeue':
        return this.later(effect.afterMs, () => this.connection?.up(() => world.broker.giveBack(node, effect.tag)));
      case 'send':
        return this.send(effect.to ?? REPLIES, effect.message, node);
      case 'serve':
        return this.serve(effect, node, false);
      case 'lookUpChecksum':
        return this.soon(() => {
          const { index } = effect;
          this.dispatch({ type: 'checksum', index, checksum: disk.checksumAt(index) });
        });
      case 'consume':
        this.isWanted = true;
        return this.consume();
      case 'stopConsuming':
        return this.stopConsuming();
      case 'halt':
        return world.halted(node, effect.why);
      case 'trace':
      case 'visible':
        return undefined;
    }
  }

  private store({ records, generation }: Extract<SecondaryEffect, { do: 'store' }>): void {
    this.disk.write(records, (end) =>
      this.enter(() => {
        const random = this.world.random.next();
        this.dispatch(
          'checksum' in end
            ? { type: 'stored', generation, ...end, random }
            : { type: 'storeFailed', generation, ...end, random },
        );
      }),
    );
  }
}
