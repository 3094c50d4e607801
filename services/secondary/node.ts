/**
 * A secondary's driver: hands events to the machine, one at a time, and performs the effects that it answers with. It decides
 * nothing about the log; what it adds is the outside: a clock, random numbers, the store, the broker, and injected faults.
 */
import { StoreReader } from '#http/reading/store-reader';
import type { NodeContext } from '#node/opening';
import { isClosing, MachineDriver, writeFailureOf } from '#process/driver';
import { namedLogId } from '#process/node-settings';
import { PromiseKeeper } from '#process/promise-keeper';
import { logIdOf } from '#protocol/identity';
import { BATCH_BYTES_MAX } from '#protocol/limits';
import { topologyOf } from '#protocol/topology';
import type { WireMessage } from '#protocol/wire/messages';
import { StorageError } from '#storage/log-store';
import type { DeliveryHandle } from './broker/entries';
import { SecondaryBroker } from './broker/secondary-broker';
import { CatchUpMeter } from './catch-up-meter';
import type { SecondarySettings } from './config';
import type { SecondaryEffect, SecondaryEvent } from './core/events';
import { SecondaryMachine } from './core/secondary';
import { FaultInjector } from './faults/injector';
import type { FaultChange, FaultSettings } from './faults/settings';
import type { SecondaryHealth, SecondaryPort } from './http/ports';

/** How often the machine is told that time passes: well below every interval it keeps. */
const TICK_MS = 20;

/** How often a node that catches up says so in its log, in milliseconds. */
const PROGRESS_MS = 2_000;

/** Behind by more than this a node counts as catching up, however ready it has been. */
const LAG_MANY = 1_000;

type Serve = Extract<SecondaryEffect, { do: 'serve' }>;

export class SecondaryNode implements SecondaryPort {
  readonly reader: StoreReader;
  private readonly machine: SecondaryMachine;
  private readonly driver: MachineDriver<SecondaryEvent, SecondaryEffect>;
  private readonly broker: SecondaryBroker;
  private readonly promises: PromiseKeeper;
  private readonly injector: FaultInjector;
  private readonly meter = new CatchUpMeter();
  private readonly handles = new Map<number, DeliveryHandle>();
  private readonly requeues = new Set<NodeJS.Timeout>();
  /** Masters whose fetch is being answered. */
  private readonly serving = new Set<string>();
  private isBlocked = false;
  private tags = 0;
  private nextProgressAt = 0;
  private ticker: NodeJS.Timeout | null = null;

  constructor(private readonly options: NodeContext<SecondarySettings>) {
    const { settings, store } = options;
    const self = { node: settings.nodeId, store: store.storeId };
    const inMemory = store.kind === 'memory';
    const machineSettings = { ...settings, ...self, inMemory, logId: namedLogId(settings) };
    this.machine = new SecondaryMachine(machineSettings, {
      outline: store.opened,
      promised: store.promised,
      checksum: store.checksum,
    });
    this.driver = new MachineDriver({
      step: (now, event) => this.machine.step(now, event),
      perform: (effect) => this.perform(effect),
      fail: options.fail,
    });
    const look = () => {
      const { applied: head, head: logHead, commit, epoch, outline, masterUrl } = this.machine;
      return { head, commit, epoch, log: outline.identity, logHead: masterUrl === null ? null : logHead };
    };
    const foreign = () => {
      const { foreignMaster, identity: log, applied: lastSeq } = this.machine;
      return foreignMaster === null || log === null ? null : { log, lastSeq };
    };
    this.reader = new StoreReader(store, this.machine.outline, look, options.restart, foreign);
    this.injector = new FaultInjector(settings.faults, Math.random);
    this.broker = this.createBroker();
    this.promises = new PromiseKeeper({
      ...options,
      saved: (promised) => this.dispatch({ type: 'promiseSaved', promised }),
    });
    if (settings.faults.paused) this.dispatch({ type: 'pause', paused: true });
  }

  /** Looks for the broker and the master from now on. */
  start(httpUrl: string): void {
    this.machine.httpUrl = httpUrl;
    this.broker.start();
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  /** Says that it leaves, frees the node id, waits for the writes under way, closes the log. */
  async stop(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    for (const timer of this.requeues) clearTimeout(timer);
    this.injector.clear();
    this.dispatch({ type: 'shutdown' });
    await this.broker.close();
    await this.options.store.close();
  }

  health(): SecondaryHealth {
    const { machine } = this;
    const { applied, head, epoch, counters } = machine;
    const lag = head - applied;
    const { duplicates, gaps, fetches, staleEpoch } = counters;
    const { identity, foreignMaster: met } = machine;
    const foreign =
      met === null ? {} : { foreign: { master: met.node, log: met.log === null ? null : logIdOf(met.log) } };
    return {
      node: this.options.settings.nodeId,
      role: 'secondary',
      status: machine.status,
      log: identity === null ? null : logIdOf(identity),
      ...foreign,
      epoch,
      applied,
      head,
      lag,
      buffered: machine.buffer.size,
      broker: { connected: machine.isConnected, blocked: this.isBlocked },
      counters: { duplicates, gaps, fetches, staleEpoch },
      ...(machine.differsAt === null ? {} : { differsAt: machine.differsAt }),
      ...(this.isCatchingUp(lag) ? { catchUp: this.meter.read(lag) } : {}),
    };
  }

  readiness(): ReturnType<SecondaryPort['readiness']> {
    if (this.machine.ready) return { ready: true };
    return { ready: false, reason: this.whyNotReady() };
  }

  private whyNotReady(): string {
    const { status, foreignMaster: met, identity, applied } = this.machine;
    if (status === 'removed') return 'removed: an operator has taken this node out of the log';
    if (met === null) return `${status}: the head first announced is not reached yet`;
    return `foreign: this node holds the log ${identity ?? 'of another master'}, ${applied === 0 ? 'and no entry of it' : `up to ${applied}`}; ${met.node} has the log ${met.log ?? 'of nobody'}`;
  }

  masterUrl(): string | null {
    return this.machine.masterUrl;
  }

  faults(): FaultSettings {
    return this.injector.settings;
  }

  setFaults(change: FaultChange): void {
    this.injector.change(change);
    this.options.logger.warn({ ...this.injector.settings }, 'faults are injected');
    if (change.paused === true) this.injector.clear();
    if (change.paused !== undefined) this.dispatch({ type: 'pause', paused: change.paused });
  }

  private isCatchingUp(lag: number): boolean {
    return lag > 0 && (!this.machine.ready || lag > LAG_MANY);
  }

  private tick(): void {
    const now = performance.now();
    this.dispatch({ type: 'tick', random: Math.random(), inHand: this.injector.inHand });
    if (this.machine.status === 'ok') this.broker.returnHome();
    this.meter.sample(now, this.machine.applied);
    const lag = this.machine.head - this.machine.applied;
    if (!this.isCatchingUp(lag) || now < this.nextProgressAt) return;
    this.nextProgressAt = now + PROGRESS_MS;
    this.options.logger.info(
      { applied: this.machine.applied, head: this.machine.head, ...this.meter.read(lag) },
      'catching up',
    );
  }

  private dispatch(event: SecondaryEvent): void {
    this.driver.dispatch(event);
  }

  private perform(effect: SecondaryEffect): void {
    const { store, logger } = this.options;
    const fail = (error: unknown) => {
      if (!isClosing(error)) this.options.fail(error);
    };
    switch (effect.do) {
      case 'store': {
        const { generation } = effect;
        store.append(effect.records).then(
          () => this.dispatch({ type: 'stored', generation, checksum: store.checksum, random: Math.random() }),
          (error: unknown) => {
            if (isClosing(error)) return;
            this.dispatch({ type: 'storeFailed', generation, ...writeFailureOf(error), random: Math.random() });
          },
        );
        return undefined;
      }
      case 'savePromise':
        return this.promises.save(effect.promised);
      case 'withdraw':
        this.reader.moved();
        this.broker.withdraw().catch(fail);
        return undefined;
      case 'renewStore':
        this.renewStore().catch(fail);
        return undefined;
      case 'truncate':
        store.truncateAfter(effect.index).catch(fail);
        return undefined;
      case 'settle':
        return this.settle(effect.tag);
      case 'requeue':
        return this.requeue(effect.tag, effect.afterMs);
      case 'send':
        if (effect.to === null) this.broker.send(effect.message);
        else this.broker.sendTo(effect.to, effect.message);
        return undefined;
      case 'serve':
        this.serve(effect).catch(fail);
        return undefined;
      case 'lookUpChecksum':
        this.lookUpChecksum(effect.index).catch(fail);
        return undefined;
      case 'consume':
        return this.broker.consumeEntries();
      case 'stopConsuming':
        // The broker takes back what was delivered, and delivers it again.
        this.handles.clear();
        this.broker.stopEntries().catch(fail);
        return undefined;
      case 'visible':
        return this.reader.moved();
      case 'halt':
        return fail(new Error(effect.why));
      case 'trace':
        return logger[effect.level](effect.facts, effect.what);
    }
  }

  private settle(tag: number): void {
    const handle = this.handles.get(tag);
    this.handles.delete(tag);
    if (handle !== undefined) this.broker.settle(handle);
  }

  private requeue(tag: number, afterMs: number): void {
    const handle = this.handles.get(tag);
    this.handles.delete(tag);
    if (handle === undefined) return;
    const timer = setTimeout(() => {
      this.requeues.delete(timer);
      this.broker.requeue(handle);
    }, afterMs);
    this.requeues.add(timer);
  }

  /** The next start makes another store of it, with all that it holds. */
  private async renewStore(): Promise<void> {
    await this.options.store.renew();
    this.options.restart(new Error('the store lacks what it has acknowledged, and becomes another one'));
  }

  private async lookUpChecksum(index: number): Promise<void> {
    this.dispatch({ type: 'checksum', index, checksum: await this.options.store.checksumAt(index) });
  }

  private async serve({ to, node, header, lastIndex, limit }: Serve): Promise<void> {
    if (this.serving.has(node)) return;
    this.serving.add(node);
    try {
      const limits = { to: lastIndex, maxBytes: BATCH_BYTES_MAX, maxRecords: limit };
      const records = lastIndex > header.prevIndex ? await this.options.store.read(header.prevIndex + 1, limits) : [];
      this.broker.sendTo(to, { ...header, records });
    } catch (err) {
      if (!(err instanceof StorageError)) throw err;
      // This node stops.
      if (err.code === 'closed') return;
      this.options.logger.error({ err, peer: node }, 'a fetch cannot be answered');
      if (err.code === 'damaged') this.options.restart(err);
    } finally {
      this.serving.delete(node);
    }
  }

  private receiveControl(message: WireMessage, replyTo: string | null): void {
    const hand = (fail: boolean) => this.dispatch({ type: 'control', message, replyTo, fail });
    if (message.type !== 'entries') hand(false);
    else this.injector.take({ hand, lose: () => undefined });
  }

  private receiveDelivery(message: WireMessage, handle: DeliveryHandle): void {
    this.tags += 1;
    const tag = this.tags;
    this.handles.set(tag, handle);
    const hand = (fail: boolean) => this.dispatch({ type: 'delivery', message, tag, fail });
    this.injector.take({ hand, lose: () => this.settle(tag) });
  }

  private becomeDown(): void {
    this.injector.clear();
    this.handles.clear();
    this.dispatch({ type: 'down' });
  }

  private createBroker(): SecondaryBroker {
    const { settings, logger, fail } = this.options;
    const { urls, heartbeatS } = settings.broker;
    return new SecondaryBroker(
      {
        urls,
        heartbeatS,
        topology: topologyOf(settings.logName),
        node: settings.nodeId,
        heartbeatExpiresMs: 3 * settings.heartbeatIntervalMs,
      },
      {
        locked: () => this.dispatch({ type: 'locked' }),
        up: () => this.dispatch({ type: 'up' }),
        down: () => this.becomeDown(),
        blockedChanged: (reason) => {
          this.isBlocked = reason !== null;
        },
        control: (message, replyTo) => this.receiveControl(message, replyTo),
        delivery: (message, handle) => this.receiveDelivery(message, handle),
        entriesMissing: () => this.dispatch({ type: 'entriesMissing' }),
        malformed: (what) => logger.warn(what, 'a malformed wire message was dropped'),
        callbackThrew: fail,
        trace: (level, what, facts) => logger[level](facts, what),
      },
    );
  }
}
