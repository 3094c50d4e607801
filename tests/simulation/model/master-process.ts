/** A master's process: what services/master/driver.ts, its broker and its append requests do around the machine. */

import type { Answer, MasterEffect, MasterEvent, NewEntry } from '#master/core/events';
import type { MasterMachine } from '#master/core/master';
import { entryOf } from '#protocol/record';
import type { WriteConcern } from '#protocol/write-concern';
import { BrokenInvariant } from '../checks/broken-invariant';
import { REPLIES } from './broker';
import type { Connection } from './connection';
import type { DiskModel } from './disk';
import { type Parcel, pack, unpack } from './parcel';
import { SimProcess } from './sim-process';
import type { World } from './world';

/** What a client is told, beside the machine's own answers. */
export type ClientAnswer = Answer | { readonly outcome: 'id-conflict' };

export interface Ask {
  readonly entries: readonly NewEntry[];
  readonly writeConcern: WriteConcern;
}

/** How long the lock stays free for others. */
const YIELD_MS = 1_500;

export class MasterProcess extends SimProcess {
  private readonly told = new Map<number, (answer: ClientAnswer, request: number) => void>();
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

  dispatch(event: MasterEvent): void {
    if (!this.isAlive) return;
    const effects = this.world.step(this, event, (now) => this.machine.step(now, event));
    for (const effect of effects) if (this.isAlive) this.perform(effect);
  }

  /** A client's request; returns its number at this process, by which the client may give up. */
  append(ask: Ask, told: (answer: ClientAnswer, request: number) => void): number {
    const request = this.world.nextRequest();
    this.told.set(request, told);
    this.submit(request, ask);
    return request;
  }

  /** As `append` with w=1, but the caller flushes. */
  appendHeld(message: string, holds: boolean, told: (answer: ClientAnswer, request: number) => void): number {
    const request = this.world.nextRequest();
    this.told.set(request, told);
    const entries = [{ message, id: null }];
    this.dispatch({ type: 'append', request, entries, ts: this.world.timestamp, writeConcern: 1, holds });
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

  private submit(request: number, ask: Ask): void {
    const { entries, writeConcern } = ask;
    const unsatisfiable = this.machine.unsatisfiable(writeConcern);
    if (unsatisfiable !== null) this.answer(request, { outcome: 'unsatisfiable', ...unsatisfiable });
    else if (entries.some(({ id }) => id !== null && this.isKnown(id))) this.repeat(request, ask);
    else {
      this.dispatch({ type: 'append', request, entries, ts: this.world.timestamp, writeConcern, holds: true });
      this.flushSoon();
    }
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
    this.dispatch({ type: 'tick', reign: this.world.random.hex(8), random: this.world.random.next() });
  }

  protected settle(connection: Connection): void {
    const receiver = (parcel: Parcel) => this.enter(() => this.receive(parcel));
    connection.up(() => {
      const { broker } = this.world;
      if (broker.takeLock(connection, receiver)) {
        broker.unbindControl(connection);
        const freshBroker = !broker.knowsLog;
        broker.hasControl = true;
        if (this.machine.outline.newestList().members !== null) this.declareLog();
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
    this.dispatch({ type: 'up', freshBroker, reign: this.world.random.hex(8) });
  }

  private becomeLocked(connection: Connection): void {
    if (!this.lockedOut) this.dispatch({ type: 'locked' });
    this.lockedOut = true;
    this.retry(() => {
      if (this.connection === connection) this.settle(connection);
    });
  }

  private receive(parcel: Parcel): void {
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
      case 'control':
        return this.send('control exchange', effect.message, REPLIES);
      case 'send':
        return this.send(effect.to, effect.message, REPLIES);
      case 'serve':
        return this.serve(effect, REPLIES, effect.withChecksum);
      case 'yield':
        return this.yieldLock();
      case 'answer':
        return this.answer(effect.request, effect.answer);
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
    for (const member of this.machine.members) broker.declare(member);
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
    const mandatory = this.machine.members.length > 0;
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
    const members = unbound ? this.machine.members : [];
    this.connection?.up(() => {
      for (const member of members) this.world.broker.declare(member);
    });
    this.refused(publish);
  }

  private refused(publish: number): void {
    if (!this.pending.delete(publish) && this.isUp) return;
    this.dispatch({ type: 'unconfirmed', publish, random: this.world.random.next() });
  }

  private answer(request: number, answer: ClientAnswer): void {
    const told = this.told.get(request);
    this.told.delete(request);
    if (told !== undefined) told(answer, request);
    else if (!this.gone.has(request)) throw new BrokenInvariant(`${this.node} answers request ${request} again`);
  }

  private isKnown(id: string): boolean {
    return this.machine.pendingRecord(id) !== null || this.disk.seqOfId(id) !== null;
  }

  /** An id that is known takes no seq; its entry is read, which takes a while, and waited for if it is the same. */
  private repeat(request: number, ask: Ask): void {
    const seqs = ask.entries.map(({ id }) => {
      if (id === null) return null;
      return this.machine.pendingRecord(id)?.seq ?? this.disk.seqOfId(id);
    });
    const compare = () => this.compare(request, ask, seqs);
    const [first] = ask.entries;
    const isPending = ask.entries.length === 1 && first?.id != null && this.machine.pendingRecord(first.id) !== null;
    if (isPending) compare();
    else this.soon(compare);
  }

  private compare(request: number, ask: Ask, seqs: readonly (number | null)[]): void {
    if (!this.told.has(request)) return;
    const entries = seqs.map((seq, at) => {
      const id = ask.entries[at]?.id ?? null;
      const pending = id === null ? null : this.machine.pendingRecord(id);
      if (pending !== null) return entryOf(pending.bytes);
      return seq === null ? null : this.entryAt(seq);
    });
    const [first] = ask.entries;
    if (ask.entries.length === 1 && entries[0] === null && first !== undefined) {
      // Cut meanwhile: as if it had just come.
      return this.submit(request, ask);
    }
    const isSame = entries.every((entry, at) => {
      const asked = ask.entries[at];
      return entry !== null && entry.id === asked?.id && entry.message === asked.message;
    });
    const last = entries.reduce((newest, entry) => ((entry?.seq ?? 0) > (newest?.seq ?? 0) ? entry : newest), null);
    if (!isSame || last === null) return this.answer(request, { outcome: 'id-conflict' });
    const { seq, id } = last;
    this.dispatch({ type: 'await', request, seq, id, writeConcern: ask.writeConcern });
  }

  private entryAt(seq: number): ReturnType<typeof entryOf> | null {
    const index = this.machine.outline.indexOf(seq);
    const record = index === null ? undefined : this.disk.view[index - 1];
    return record === undefined ? null : entryOf(record.bytes);
  }
}
