/**
 * A master's process: what services/master/driver.ts, its broker and its append requests do around
 * the machine.
 */

import type { Answer, MasterEffect, MasterEvent, NewEntry } from '#master/core/events';
import type { MasterMachine } from '#master/core/master';
import type { WriteConcern } from '#protocol/write-concern';
import { BrokenInvariant } from '../checks/broken-invariant';
import { REPLIES } from './broker';
import type { Connection } from './connection';
import type { DiskModel } from './disk';
import { type Envelope, pack, unpack } from './envelope';
import { SimProcess } from './sim-process';
import type { World } from './world';

interface Ask {
  readonly entries: readonly NewEntry[];
  readonly writeConcern: WriteConcern;
  readonly separate?: boolean;
}

/** How long the lock stays free for others. */
const YIELD_MS = 1_500;

export class MasterProcess extends SimProcess {
  private readonly told = new Map<number, (answer: Answer, request: number) => void>();
  /** Their clients have gone; an answer may still be on its way. */
  private readonly gone = new Set<number>();
  private isFlushDue = false;
  /** Batches that the broker has not answered. */
  private readonly pending = new Set<number>();

  constructor(
    world: World,
    node: string,
    disk: DiskModel,
    readonly machine: MasterMachine,
  ) {
    super(world, node, disk);
  }

  get shown() {
    return this.machine.view;
  }

  dispatch(event: MasterEvent): void {
    if (!this.isAlive) return;
    const effects = this.world.step(this, event, (now) => this.machine.step(now, event));
    for (const effect of effects) if (this.isAlive) this.perform(effect);
  }

  /** A client's request; returns its number at this process, by which the client may give up. */
  append(ask: Ask, told: (answer: Answer, request: number) => void): number {
    const request = this.world.nextRequest();
    this.told.set(request, told);
    this.dispatch({ type: 'append', request, ...ask, ts: this.world.timestamp, deferFlush: true });
    this.flushSoon();
    return request;
  }

  /** As `append` with w=1, but the caller flushes. */
  appendHeld(message: string, holds: boolean, told: (answer: Answer, request: number) => void): number {
    const request = this.world.nextRequest();
    this.told.set(request, told);
    const entries = [{ message, id: null }];
    this.dispatch({ type: 'append', request, entries, ts: this.world.timestamp, writeConcern: 1, deferFlush: holds });
    return request;
  }

  /** Requests whose clients wait. */
  get waiting(): readonly number[] {
    return [...this.told.keys()];
  }

  giveUp(request: number, why: 'timeout' | 'gone'): void {
    if (why === 'gone' && this.told.delete(request)) this.gone.add(request);
    this.dispatch({ type: 'giveUp', request, why });
  }

  /** At the end of this turn of the event loop: appends that came together make one group. */
  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    this.later(0, () => {
      this.isFlushDue = false;
      this.dispatch({ type: 'flush' });
    });
  }

  protected tick(): void {
    this.dispatch({ type: 'tick', reign: this.world.random.hex(16), random: this.world.random.next() });
  }

  protected settle(connection: Connection): void {
    const receiver = (parcel: Envelope) => this.enter(() => this.receive(parcel));
    connection.up(() => {
      const { broker } = this.world;
      if (broker.takeLock(connection, receiver)) {
        broker.unbindControl(connection);
        const freshBroker = !broker.knowsLog;
        broker.hasControl = true;
        if (this.machine.view.holdsLog) this.declareLog();
        connection.down(() => this.enter(() => this.becomeUp(freshBroker)));
        if (broker.isBlocked) this.tellBlocked(true);
      } else {
        if (broker.hasControl) broker.bindControl(connection, receiver);
        connection.down(() => this.enter(() => this.becomeLocked(connection)));
      }
    });
  }

  protected becomeDown(): void {
    this.dispatch({ type: 'down' });
    for (const publish of this.pending) this.refused(publish);
  }

  protected override setBlocked(blocked: boolean): void {
    super.setBlocked(blocked);
    this.dispatch({ type: 'blocked', blocked });
  }

  private becomeUp(freshBroker: boolean): void {
    this.isUp = true;
    this.lockedOut = false;
    this.dispatch({ type: 'up', freshBroker, reign: this.world.random.hex(16) });
  }

  private becomeLocked(connection: Connection): void {
    if (!this.lockedOut) this.dispatch({ type: 'locked' });
    this.lockedOut = true;
    this.retry(() => {
      if (this.connection === connection) this.settle(connection);
    });
  }

  private receive(parcel: Envelope): void {
    const message = unpack(parcel);
    if (message !== null) this.dispatch({ type: 'wire', message, replyTo: parcel.replyTo });
  }

  private perform(effect: MasterEffect): void {
    const { world, disk, node } = this;
    switch (effect.do) {
      case 'store': {
        const { generation } = effect;
        return disk.write(effect.records, (end) =>
          this.enter(() =>
            this.dispatch(
              'checksum' in end ? { type: 'stored', generation, ...end } : { type: 'storeFailed', generation, ...end },
            ),
          ),
        );
      }
      case 'savePromise': {
        const { promised } = effect;
        return disk.savePromise(promised, () => this.enter(() => this.dispatch({ type: 'promiseSaved', promised })));
      }
      case 'declare':
        return this.tellBroker();
      case 'publish':
        return this.publish(effect);
      case 'broadcast':
        return this.send('control exchange', effect.message, REPLIES);
      case 'send':
        return this.send(effect.to, effect.message, REPLIES);
      case 'serve':
        return this.serve(effect, REPLIES, effect.withChecksum);
      case 'yield':
        return this.yieldLock();
      case 'answer':
        return this.answer(effect.request, effect.answer);
      case 'load':
        return this.load(effect);
      case 'ensureMember':
        return this.connection?.up(() => (world.broker.knowsLog ? world.broker.declare(effect.node) : undefined));
      case 'removeMember':
        return this.connection?.up(() => world.deleteQueue(effect.node));
      case 'memberChange':
        return world.memberChanged(effect.request, effect.outcome.outcome);
      case 'force':
        return world.forced(effect.request, effect.plan);
      case 'truncate':
        return disk.truncateAfter(effect.index);
      case 'renewStore':
        return world.renewStore(node);
      case 'halt':
        return world.halted(node, effect.why);
      case 'trace':
      case 'visible':
        return undefined;
    }
  }

  /** A permission to begin is used up first, on the disk. */
  private tellBroker(): void {
    this.soon(() => {
      const { connection } = this;
      connection?.up(() => {
        this.declareLog();
        connection.down(() => this.enter(() => this.dispatch({ type: 'declared' })));
      });
    });
  }

  private declareLog(): void {
    const { broker } = this.world;
    for (const member of this.machine.view.members) broker.declare(member);
    broker.knowsLog = true;
  }

  private yieldLock(): void {
    this.disconnect(YIELD_MS);
  }

  private publish({ publish, header }: Extract<MasterEffect, { do: 'publish' }>): void {
    const { connection, world } = this;
    const { id, records } = publish;
    if (connection === null || !this.isUp) return this.soon(() => this.refused(id));
    this.pending.add(id);
    const parcel = pack({ ...header, records }, REPLIES, world.options.asBytes);
    const mandatory = this.machine.view.members.length > 0;
    connection.up(() => {
      // An exchange that is not there costs the session.
      if (!world.broker.knowsLog) return connection.down(() => this.enter(() => this.disconnect(0)));
      return world.broker.publish({
        connection,
        parcel,
        mandatory,
        done: (end) =>
          this.enter(() => {
            if (end !== 'confirmed') return this.returned(id, end === 'returned');
            this.pending.delete(id);
            this.dispatch({ type: 'confirmed', publish: id });
          }),
      });
    });
  }

  /** No queue took it: they are declared again before the machine hears of it. */
  private returned(publish: number, unbound: boolean): void {
    const members = unbound ? this.machine.view.members : [];
    this.connection?.up(() => {
      for (const member of members) this.world.broker.declare(member);
    });
    this.refused(publish);
  }

  private refused(publish: number): void {
    if (!this.pending.delete(publish) && this.isUp) return;
    this.dispatch({ type: 'unconfirmed', publish, random: this.world.random.next() });
  }

  /** A read takes a while, and gives what is there at some moment of it. */
  private load({ request, indexes }: Extract<MasterEffect, { do: 'load' }>): void {
    const { disk, world } = this;
    const read = () => indexes.flatMap((index) => disk.view[index - 1] ?? []);
    const early = world.random.chance(0.5) ? read() : null;
    this.soon(() => this.dispatch({ type: 'loaded', request, records: early ?? read() }));
  }

  private answer(request: number, answer: Answer): void {
    const told = this.told.get(request);
    this.told.delete(request);
    if (told !== undefined) told(answer, request);
    else if (!this.gone.has(request)) throw new BrokenInvariant(`${this.node} answers request ${request} again`);
  }
}
