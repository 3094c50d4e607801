/**
 * The master's driver: hands events to the machine, one at a time, and performs the effects that it answers with. It decides nothing
 * about the log; what it adds is the outside: a clock, random numbers, the store, the broker, and clients that wait.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { BATCH_BYTES_MAX } from '../../shared/protocol/limits';
import { topologyOf } from '../../shared/protocol/topology';
import { AmqpError } from '../../shared/runtime/amqp-error';
import { type LogStore, StorageError } from '../../shared/runtime/log-store/log-store';
import { MachineDriver, writeFailureOf } from '../../shared/runtime/machine-driver';
import { PromiseKeeper } from '../../shared/runtime/promise-keeper';
import { StoreReader } from '../../shared/runtime/store-reader';
import type { WaitingClient } from '../../shared/runtime/wait-signal';
import { AppendRequests } from './append-requests';
import { MasterBroker } from './broker';
import { CatchUpPace } from './catch-up-pace';
import type { MasterSettings } from './config';
import type { AppendOutcome, AppendRequest, BulkOutcome, BulkRequest, HoldOutcome, HoldRequest } from './core/append';
import type { MasterEffect, MasterEvent, Removal } from './core/events';
import { MasterMachine } from './core/master';
import type { MasterHealth, MasterPort, MemberHealth } from './http-ports';
import { QueueWatch } from './queue-watch';

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

const WITHOUT_QUORUM =
  'QUORUM_APPEND=false: an acknowledged entry can be lost with a minority, and two masters can reign';

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
  private readonly removals = new Map<number, (outcome: Removal) => void>();
  /** Members whose fetch is being answered: one at a time each, so that repair never crowds out appends. */
  private readonly serving = new Set<string>();
  private readonly pace = new CatchUpPace();
  private ticker: NodeJS.Timeout | null = null;

  constructor(private readonly options: MasterNodeOptions) {
    const { settings, store } = options;
    const machineSettings = { ...settings, node: settings.nodeId, store: store.storeId, mayBegin: !settings.standby };
    this.machine = new MasterMachine(machineSettings, {
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
      const { head, commit, epoch, outline, phaseName } = this.machine;
      return {
        head,
        commit,
        epoch: epoch.epoch,
        log: outline.identity,
        logHead: phaseName === 'reigning' ? head : null,
      };
    };
    this.reader = new StoreReader(store, this.machine.outline, look, options.restart);
    const { machine, reader } = this;
    this.requests = new AppendRequests({ machine, store, reader, dispatch: (event) => this.dispatch(event) });
    this.broker = this.createBroker();
    this.queues = this.createQueueWatch();
    this.promises = new PromiseKeeper({
      ...options,
      saved: ({ epoch, reign }) => this.dispatch({ type: 'promiseSaved', epoch, reign }),
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
  removeMember(node: string): Promise<Removal> {
    const request = this.requests.next();
    return new Promise((resolve) => {
      this.removals.set(request, resolve);
      this.dispatch({ type: 'remove', request, node });
    });
  }

  force(): boolean {
    const isWaiting = this.machine.canForce;
    if (isWaiting) this.dispatch({ type: 'force' });
    return isWaiting;
  }

  replication(seq: number): ReturnType<MasterPort['replication']> {
    return this.machine.replication(seq);
  }

  health(): MasterHealth {
    const { machine } = this;
    const { head, commit, quorum, forcedEpoch, reigningElsewhere: holder } = machine;
    const members = this.members();
    const allHealthy = members.every((member) => member.status === 'Healthy');
    const phase = machine.isBeginning && !quorum.ok ? 'reigning' : machine.phaseName;
    const readOnly = machine.refusal(performance.now()) !== null;
    const status = statusOf(phase, readOnly, allHealthy);
    return {
      node: this.options.settings.nodeId,
      role: 'master',
      status,
      epoch: machine.epoch.epoch,
      head,
      commit,
      quorum,
      readOnly,
      broker: machine.link,
      secondaries: members.map(({ voter: _, ...secondary }) => secondary),
      ...(status === 'recovering' ? { waitingFor: machine.waitingFor } : {}),
      ...(status === 'standby' ? { holder: holder?.node ?? null, holderUrl: holder?.httpUrl ?? null } : {}),
      ...(forcedEpoch === null ? {} : { forcedEpoch }),
      ...(this.options.settings.quorumAppend ? {} : { warning: WITHOUT_QUORUM }),
    };
  }

  members(): readonly MemberHealth[] {
    const { machine } = this;
    const now = performance.now();
    return machine.members.map((id) => {
      const { status, acked, lastSeenMs, httpUrl, voter, differsAt } = machine.member(now, id);
      const seen = lastSeenMs === null ? null : Math.round(lastSeenMs);
      const member = { id, status, acked, lag: machine.head - acked, lastSeenMs: seen, httpUrl, voter };
      const queue = this.queues?.of(id) ?? null;
      return { ...member, ...(queue === null ? {} : { queue }), ...(differsAt === null ? {} : { differsAt }) };
    });
  }

  readiness(): ReturnType<MasterPort['readiness']> {
    const refusal = this.machine.refusal(performance.now());
    return refusal === null ? { ready: true } : { ready: false, reason: refusal.detail };
  }

  private tick(): void {
    this.dispatch({ type: 'tick', reign: freshReign(), random: Math.random() });
  }

  private dispatch(event: MasterEvent): void {
    this.driver.dispatch(event);
  }

  private perform(effect: MasterEffect): void {
    const { store, logger, fail } = this.options;
    switch (effect.do) {
      case 'store': {
        const { generation } = effect;
        store.append(effect.records).then(
          () => this.dispatch({ type: 'stored', generation, checksum: store.checksum }),
          (error: unknown) => this.dispatch({ type: 'storeFailed', generation, ...writeFailureOf(error) }),
        );
        return undefined;
      }
      case 'savePromise': {
        const { epoch, reign } = effect;
        const votedFor = `${this.options.settings.nodeId}/${store.storeId}`;
        const promised = { epoch, reign, votedFor };
        return this.promises.save(effect.freshBroker ? { ...promised, freshBroker: true } : promised);
      }
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
      case 'ensureMember':
        this.ensureMember(effect.node).catch(fail);
        return undefined;
      case 'removeMember':
        this.removeQueue(effect.node).catch(fail);
        return undefined;
      case 'removal':
        this.removals.get(effect.request)?.(effect.outcome);
        this.removals.delete(effect.request);
        return undefined;
      case 'truncate':
        store.truncateAfter(effect.index).catch(fail);
        return undefined;
      case 'visible':
        return this.reader.moved();
      case 'halt':
        return fail(new Error(effect.why));
      case 'trace':
        return logger[effect.level](effect.facts, effect.what);
    }
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
        controlExpiresMs: 3 * settings.heartbeatIntervalMs,
      },
      {
        locked: () => this.dispatch({ type: 'locked' }),
        up: ({ freshBroker }) => this.dispatch({ type: 'up', freshBroker, reign: freshReign() }),
        down: () => this.dispatch({ type: 'down' }),
        blockedChanged: (reason) => this.dispatch({ type: 'blocked', blocked: reason !== null }),
        message: (message, replyTo) => this.dispatch({ type: 'wire', message, replyTo }),
        malformed: (what) => logger.warn(what, 'a malformed wire message was dropped'),
        callbackThrew: fail,
        trace: (level, what, facts) => logger[level](facts, what),
      },
    );
  }
}

function statusOf(phase: MasterMachine['phaseName'], readOnly: boolean, allHealthy: boolean): MasterHealth['status'] {
  if (phase !== 'reigning') return phase;
  if (readOnly) return 'read-only';
  return allHealthy ? 'ok' : 'degraded';
}

/** 64 random bits in hex: the name of a reign, should one begin. */
function freshReign(): string {
  return randomBytes(8).toString('hex');
}
