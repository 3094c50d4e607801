/**
 * The master's driver: hands events to the machine, one at a time, and performs the effects that it answers with. It decides nothing
 * about the log; what it adds is the outside: a clock, random numbers, the store, the broker, and clients that wait.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AmqpError } from '#amqp/error';
import type { Malformed } from '#amqp/wire';
import { StoreReader } from '#http/reading/store-reader';
import type { WaitingClient } from '#http/wait-signal';
import { isClosing, MachineDriver, writeFailureOf } from '#process/driver';
import { namedLogId } from '#process/node-settings';
import { PromiseKeeper } from '#process/promise-keeper';
import { BATCH_BYTES_MAX } from '#protocol/limits';
import { topologyOf } from '#protocol/topology';
import { type LogStore, StorageError } from '#storage/log-store';
import { AppendRequests } from './append-requests';
import { MasterBroker } from './broker/master-broker';
import { QueueWatch } from './broker/queue-watch';
import { CatchUpPace } from './catch-up-pace';
import type { MasterSettings } from './config';
import type { AppendOutcome, AppendRequest, BulkOutcome, BulkRequest, HoldOutcome, HoldRequest } from './core/append';
import type { ChangeMember, MasterEffect, MasterEvent, MemberChange } from './core/events';
import type { ForcePlan } from './core/force';
import { MasterMachine } from './core/master';
import type { MasterSettings as CoreSettings } from './core/settings';
import { masterHealth, memberHealth } from './health';
import type { MasterHealth, MasterPort, MemberHealth } from './http/ports';

export interface MasterNodeOptions {
  readonly settings: MasterSettings;
  readonly store: LogStore;
  readonly logger: Logger;
  /** Ends the process: an invariant is broken, or the store is. */
  readonly fail: (error: unknown) => void;
  /** Ends the process in order: a record is damaged, and the next start mends that. */
  readonly restart: (error: unknown) => void;
}

/** How often the machine is told that time passes: well below every interval it keeps. */
const TICK_MS = 20;

/** Nodes of an older release that are remembered; more than a log has. */
const OUTDATED_MAX = 64;

type Serve = Extract<MasterEffect, { do: 'serve' }>;

export class MasterNode implements MasterPort {
  readonly reader: StoreReader;
  private readonly machine: MasterMachine;
  private readonly driver: MachineDriver<MasterEvent, MasterEffect>;
  private readonly broker: MasterBroker;
  private readonly promises: PromiseKeeper;
  /** Null: no management API is known. */
  private readonly queues: QueueWatch | null;
  private readonly requests: AppendRequests;
  /** Operators who wait for a change of the members, or for what a force comes to. */
  private readonly changes = new Map<number, (outcome: MemberChange) => void>();
  private readonly forces = new Map<number, (plan: ForcePlan) => void>();
  private readonly outdated = new Set<string>();
  /** Members whose fetch is being answered: one at a time each, so that repair never crowds out appends. */
  private readonly serving = new Set<string>();
  private readonly pace = new CatchUpPace();
  private ticker: NodeJS.Timeout | null = null;

  constructor(private readonly options: MasterNodeOptions) {
    const { settings, store } = options;
    this.machine = new MasterMachine(machineSettings(settings, store), {
      outline: store.opened,
      promised: store.promised,
      checksum: store.checksum,
      seqOfId: (id) => this.requests.seqOfId(id),
    });
    this.driver = new MachineDriver({
      step: (now, event) => this.machine.step(now, event),
      perform: (effect) => this.perform(effect),
      fail: options.fail,
    });
    const look = () => {
      const { head, commit, epoch, outline, phaseName } = this.machine;
      return {
        head,
        commit,
        epoch: epoch.epoch,
        log: outline.identity,
        logHead: phaseName === 'reigning' ? head : null,
      };
    };
    const foreign = () => {
      const { identity: log, head: lastSeq } = this.machine;
      return log === null || this.machine.anotherLog(performance.now()) === null ? null : { log, lastSeq };
    };
    this.reader = new StoreReader(store, this.machine.outline, look, options.restart, foreign);
    const dispatch = (event: MasterEvent) => this.dispatch(event);
    this.requests = new AppendRequests({ store, reader: this.reader, dispatch, onDamage: options.restart });
    this.broker = this.createBroker();
    this.queues = this.createQueueWatch();
    this.promises = new PromiseKeeper({
      ...options,
      saved: (promised) => this.dispatch({ type: 'promiseSaved', promised }),
    });
  }

  /** Looks for the broker and the lock from now on. */
  start(httpUrl: string): void {
    this.machine.httpUrl = httpUrl;
    this.broker.start();
    this.queues?.start();
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  /** Answers every client that waits; refuses the next. */
  release(): void {
    this.dispatch({ type: 'shutdown' });
  }

  /** Frees the lock, waits for the writes under way, closes the log. */
  async stop(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.queues?.stop();
    await this.broker.close();
    await this.options.store.close();
  }

  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome> {
    return this.requests.append(request, client);
  }

  appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome> {
    return this.requests.appendAll(request, client);
  }

  awaitHeld(request: HoldRequest, client: WaitingClient): Promise<HoldOutcome | null> {
    return this.requests.awaitHeld(request, client);
  }

  /** Removes a member; resolves when the list without it is committed. */
  removeMember(node: string): Promise<MemberChange> {
    return this.changeMember('remove', node);
  }

  admitMember(node: string): Promise<MemberChange> {
    return this.changeMember('admit', node);
  }

  forcePlan(begin: 'best' | 'new'): ForcePlan {
    return this.machine.forcePlan(performance.now(), begin);
  }

  force(begin: 'best' | 'new'): Promise<ForcePlan> {
    const request = this.requests.next();
    return new Promise((resolve) => {
      this.forces.set(request, resolve);
      this.dispatch({ type: 'force', request, begin });
    });
  }

  replication(seq: number): ReturnType<MasterPort['replication']> {
    return this.machine.replication(seq);
  }

  health(): MasterHealth {
    const { machine, outdated } = this;
    const { settings } = this.options;
    return masterHealth({ machine, settings, members: this.members(), outdated: [...outdated] }, performance.now());
  }

  members(): readonly MemberHealth[] {
    return memberHealth(this.machine, this.queues, performance.now());
  }

  readiness(): ReturnType<MasterPort['readiness']> {
    const refusal = this.machine.refusal(performance.now());
    return refusal === null ? { ready: true } : { ready: false, reason: refusal.detail };
  }

  private changeMember(type: ChangeMember['type'], node: string): Promise<MemberChange> {
    const request = this.requests.next();
    return new Promise((resolve) => {
      this.changes.set(request, resolve);
      this.dispatch({ type, request, node });
    });
  }

  private tick(): void {
    this.dispatch({ type: 'tick', reign: freshReign(), random: Math.random() });
  }

  private dispatch(event: MasterEvent): void {
    this.driver.dispatch(event);
  }

  private perform(effect: MasterEffect): void {
    const { store, logger } = this.options;
    const fail = (error: unknown) => {
      if (!isClosing(error)) this.options.fail(error);
    };
    switch (effect.do) {
      case 'store': {
        const { generation } = effect;
        store.append(effect.records).then(
          () => this.dispatch({ type: 'stored', generation, checksum: store.checksum }),
          (error: unknown) => {
            if (!isClosing(error)) this.dispatch({ type: 'storeFailed', generation, ...writeFailureOf(error) });
          },
        );
        return undefined;
      }
      case 'savePromise':
        return this.promises.save(effect.promised);
      case 'declare':
        this.declareLog().catch(fail);
        return undefined;
      case 'publish': {
        const publish = effect.publish.id;
        this.broker.publishEntries({ ...effect.header, records: effect.publish.records }).then(
          () => this.dispatch({ type: 'confirmed', publish }),
          () => this.dispatch({ type: 'unconfirmed', publish, random: Math.random() }),
        );
        return undefined;
      }
      case 'control':
        if (effect.message.type === 'announce' || effect.message.type === 'claim')
          this.broker.sendControl(effect.message);
        return undefined;
      case 'send':
        this.broker.sendTo(effect.to, effect.message);
        return undefined;
      case 'serve':
        this.serve(effect).catch(fail);
        return undefined;
      case 'yield':
        return this.broker.yieldLock();
      case 'answer':
        return this.requests.answer(effect.request, effect.answer);
      case 'load':
        return this.requests.load(effect);
      case 'ensureMember':
        this.ensureMember(effect.node).catch(fail);
        return undefined;
      case 'removeMember':
        this.removeQueue(effect.node).catch(fail);
        return undefined;
      case 'memberChange':
        this.changes.get(effect.request)?.(effect.outcome);
        this.changes.delete(effect.request);
        return undefined;
      case 'force':
        this.forces.get(effect.request)?.(effect.plan);
        this.forces.delete(effect.request);
        return undefined;
      case 'truncate':
        store.truncateAfter(effect.index).catch(fail);
        return undefined;
      case 'renewStore':
        this.renewStore().catch(fail);
        return undefined;
      case 'visible':
        return this.reader.moved();
      case 'halt':
        return fail(new Error(effect.why));
      case 'trace':
        return logger[effect.level](effect.facts, effect.what);
    }
  }

  private async declareLog(): Promise<void> {
    await this.options.store.consumePermission();
    if (await this.broker.declareLog()) this.dispatch({ type: 'declared' });
  }

  /** The next start makes another store of it, with all that it holds. */
  private async renewStore(): Promise<void> {
    await this.options.store.renew();
    this.options.restart(new Error('the store lacks what it has acknowledged, and becomes another one'));
  }

  private async serve({ to, node, header, lastIndex, limit, withChecksum }: Serve): Promise<void> {
    if (this.serving.has(node)) return;
    this.serving.add(node);
    try {
      const pauseMs = this.pace.pauseMs(node, performance.now(), lastIndex);
      if (pauseMs > 0) await pause(pauseMs);
      const limits = { to: lastIndex, maxBytes: BATCH_BYTES_MAX, maxRecords: limit };
      const isBehind = lastIndex > header.prevIndex;
      const records = isBehind ? await this.options.store.read(header.prevIndex + 1, limits) : [];
      const prevChecksum = withChecksum ? await this.options.store.checksumAt(header.prevIndex) : undefined;
      const isBehindStill = header.prevIndex + records.length < lastIndex;
      this.pace.keep(this.machine.members);
      this.pace.recordAnswered(node, { at: performance.now(), lastIndex, isBehind: isBehindStill });
      this.broker.sendTo(
        to,
        prevChecksum === undefined ? { ...header, records } : { ...header, records, prevChecksum },
      );
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

  /** A failure is not the end: the member's next join, or the next session, tries again. */
  private async ensureMember(node: string): Promise<void> {
    try {
      await this.broker.ensureMember(node);
    } catch (err) {
      if (!(err instanceof AmqpError)) throw err;
      this.options.logger.warn({ peer: node, reason: err.message }, 'the queue of a member could not be declared');
    }
  }

  /** The queue of a former member may stay when the broker is away: nothing is bound to be lost by that. */
  private async removeQueue(node: string): Promise<void> {
    try {
      await this.broker.removeMember(node);
    } catch (err) {
      if (!(err instanceof AmqpError)) throw err;
      this.options.logger.warn(
        { peer: node, reason: err.message },
        'the queue of a former member could not be deleted',
      );
    }
  }

  /** A node of an older release is shown, and what it says is dropped: it does not say which log it holds. */
  private noteMalformed(what: Malformed): void {
    const { outdatedNode } = what;
    if (outdatedNode === null) this.options.logger.warn(what, 'a malformed wire message was dropped');
    if (outdatedNode === null || this.outdated.has(outdatedNode) || this.outdated.size >= OUTDATED_MAX) return;
    this.outdated.add(outdatedNode);
    const facts = { peer: outdatedNode, type: what.type };
    this.options.logger.error(facts, 'a node of an older release says no log id: upgrade it, all nodes together');
  }

  private createQueueWatch(): QueueWatch | null {
    const { settings, logger } = this.options;
    const { managementUrl, urls } = settings.broker;
    if (managementUrl === null) return null;
    const topology = topologyOf(settings.logName);
    return new QueueWatch({
      managementUrl,
      amqpUrl: urls[0] ?? '',
      queueOf: (node) => topology.entriesQueue(node),
      queueBytesMax: settings.queueBytesMax,
      members: () => (this.machine.phaseName === 'reigning' ? this.machine.members : []),
      logger,
      now: () => performance.now(),
    });
  }

  private createBroker(): MasterBroker {
    const { settings, logger, fail } = this.options;
    const { urls, heartbeatS } = settings.broker;
    return new MasterBroker(
      {
        urls,
        heartbeatS,
        topology: topologyOf(settings.logName),
        node: settings.nodeId,
        queueMaxBytes: settings.queueBytesMax,
        members: () => this.machine.members,
        holdsLog: () => this.machine.outline.newestList().members !== null,
        controlExpiresMs: 3 * settings.heartbeatIntervalMs,
      },
      {
        locked: () => this.dispatch({ type: 'locked' }),
        up: ({ freshBroker }) => this.dispatch({ type: 'up', freshBroker, reign: freshReign() }),
        down: () => this.dispatch({ type: 'down' }),
        blockedChanged: (reason) => this.dispatch({ type: 'blocked', blocked: reason !== null }),
        message: (message, replyTo) => {
          // It was upgraded.
          if (this.outdated.size > 0 && 'node' in message) this.outdated.delete(message.node);
          this.dispatch({ type: 'wire', message, replyTo });
        },
        malformed: (what) => this.noteMalformed(what),
        callbackThrew: fail,
        trace: (level, what, facts) => logger[level](facts, what),
      },
    );
  }
}

/**
 * What the core is told of the settings: a standby, and a node that follows a log by its id, begin none. A permission in this very folder says
 * what LOG_ID=new says, once.
 */
function machineSettings(settings: MasterSettings, store: LogStore): CoreSettings {
  const logId = namedLogId(settings);
  const mode = settings.logId === 'new' || store.mayBegin ? 'new' : 'auto';
  const birth = settings.standby || logId !== null ? 'never' : mode;
  const { nodeId: node } = settings;
  return { ...settings, node, store: store.storeId, birth, logId, inMemory: store.kind === 'memory' };
}

/** 64 random bits in hex: the name of a reign, should one begin. */
function freshReign(): string {
  return randomBytes(8).toString('hex');
}
