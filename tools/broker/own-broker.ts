/**
 * A broker that we started, as its owner sees it: an address that stays the same over restarts, and
 * the means to hurt it.
 *
 * up   → down  by halt(), kill() or by dying (which is reported once, to onDied)
 * down → up    by start(), which returns when AMQP is served
 * any  → over  by stop(); afterwards nothing of it is left but the data, and of a temporary one nothing at all
 */

import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BrokerError, messageOf } from './errors';
import { awaitGreeting } from './handshake';
import { clearRun } from './supervision/leftover';
import type { Supervision } from './supervision/supervise';
import { SupervisorClient } from './supervision/supervisor-client';

export interface Management {
  /** Without a trailing slash. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

export interface OwnBrokerSpec {
  readonly kind: 'container' | 'private-node';
  readonly title: string;
  readonly amqpUrl: string;
  readonly management: Management;
  readonly supervision: Supervision;
  /** Of the supervisor, and with it of the docker command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Files whose ends explain a failed start. */
  readonly logs: readonly string[];
  /** It died without having been told to. */
  readonly onDied?: ((how: string) => void) | undefined;
}

/** A cold start takes 3–4 s on a laptop and several times that on a busy one. */
const READY_MS = 60_000;

/** Of each log, shown when a start fails. */
const TAIL_LINES = 15;

export class OwnBroker {
  readonly kind: OwnBrokerSpec['kind'];
  readonly amqpUrl: string;
  readonly management: Management;
  private supervisor: SupervisorClient | undefined;
  private state: 'up' | 'down' | 'over' = 'down';
  private serverVersion: string | undefined;
  private readonly deathWatchers = new Set<(error: Error) => void>();

  private constructor(private readonly spec: OwnBrokerSpec) {
    this.kind = spec.kind;
    this.amqpUrl = spec.amqpUrl;
    this.management = spec.management;
  }

  /**
   * @throws BrokerError `start-failed`; the signal's reason. In both cases nothing is left running.
   */
  static async launch(spec: OwnBrokerSpec, signal?: AbortSignal): Promise<OwnBroker> {
    const broker = new OwnBroker(spec);
    try {
      broker.supervisor = await SupervisorClient.launch({ ...spec, onDied: (how) => broker.noteDeath(how) });
      await broker.start(signal);
      return broker;
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  /** As the server says it, "3.10.8". */
  get version(): string | undefined {
    return this.serverVersion;
  }

  describe(): string {
    return `RabbitMQ ${this.version ?? 'of unknown version'}, ${this.spec.title}`;
  }

  /**
   * Returns when AMQP is served. @throws BrokerError `start-failed` with the end of the broker's
   * log.
   */
  async start(signal?: AbortSignal): Promise<void> {
    const supervisor = this.require('down');
    let watcher: ((error: Error) => void) | undefined;
    const failed = new Promise<never>((_, reject) => {
      watcher = reject;
      this.deathWatchers.add(reject);
    });
    failed.catch(() => undefined);
    try {
      await supervisor.request('start');
      this.state = 'up';
      const { version } = await awaitGreeting(this.amqpUrl, { boundMs: READY_MS, failed, signal });
      this.serverVersion = version;
    } catch (cause) {
      // What does not serve, or is no longer wanted, is not worth an orderly stop: half booted,
      // that can take long.
      this.state = 'down';
      const logs = this.logTails();
      await supervisor.request('kill');
      signal?.throwIfAborted();
      throw new BrokerError('start-failed', `RabbitMQ did not start: ${messageOf(cause)}\n${logs}`, { cause });
    } finally {
      if (watcher) this.deathWatchers.delete(watcher);
    }
  }

  /** Orderly. */
  async halt(): Promise<void> {
    const supervisor = this.require('up');
    this.state = 'down';
    await supervisor.request('halt');
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    const supervisor = this.require('up');
    this.state = 'down';
    await supervisor.request('kill');
  }

  async restart({ graceful }: { graceful: boolean }): Promise<void> {
    await (graceful ? this.halt() : this.kill());
    await this.start();
  }

  /** Deletes all its queues, messages, users. @throws BrokerError `wrong-state` while it is up. */
  async wipe(): Promise<void> {
    await this.require('down').request('wipe');
  }

  /** Ends it for good; a second call does nothing. */
  async stop(): Promise<void> {
    if (this.state === 'over') return;
    this.state = 'over';
    const { dataDir, temporary } = this.spec.supervision;
    try {
      await this.supervisor?.end();
    } catch (error) {
      // Without its supervisor the broker may live on: it is stopped like the leftover of a run
      // that was killed.
      await clearRun(dataDir, () => undefined);
      if (!(error instanceof BrokerError && error.code === 'supervisor-lost')) throw error;
    } finally {
      if (temporary) await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  private require(state: 'up' | 'down'): SupervisorClient {
    if (this.state === state && this.supervisor) return this.supervisor;
    throw new BrokerError('wrong-state', `The broker is ${this.state} and would have to be ${state} for this.`);
  }

  private noteDeath(how: string): void {
    if (this.state === 'over') return;
    this.state = 'down';
    for (const watcher of this.deathWatchers) watcher(new Error(`it ended: ${how}`));
    if (this.deathWatchers.size === 0) this.spec.onDied?.(how);
  }

  private logTails(): string {
    const existing = this.spec.logs.filter((path) => existsSync(path));
    return existing.map((path) => `--- the end of ${path}\n${tail(path)}`).join('\n');
  }
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  } catch (error) {
    return `(cannot be read: ${messageOf(error)})`;
  }
}
