/**
 * A broker that we started, as its owner sees it: an address that stays the same over restarts, and
 * the means to stop it and to hurt it.
 *
 * up   → down  by halt(), kill() or by dying (which is reported once, to onDied)
 * down → up    by start(), which returns when AMQP is served
 * any  → over  by stop(); afterwards nothing of it is left but the data, and of a temporary one
 *              nothing at all
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Environment } from '#process/settings';
import { runCommand } from './command';
import { BrokerError, messageOf } from './errors';
import { awaitGreeting } from './handshake';
import type { Command, Leash } from './leash/leash';
import { type Leashed, startLeashed } from './leash/leashed';

export interface Management {
  /** Without a trailing slash. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

export interface StartOptions {
  /** Keeps the data from start to start. Absent: a temporary folder, deleted with the broker. */
  readonly dataDir?: string | undefined;
  /** Of the broker, for people; letters, digits, `-` and `_`. Keep it the same for one dataDir. */
  readonly name: string;
  /** What is being done, for people. */
  readonly log: (line: string) => void;
  /** Read: AMQP_URL, MANAGEMENT_URL, PATH, DOCKER_*. */
  readonly env: Environment;
  /** Taken when they are free. */
  readonly ports?: { readonly amqp?: number; readonly management?: number } | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The broker died without having been told to. */
  readonly onDied?: ((how: string) => void) | undefined;
}

export interface BrokerSpec {
  readonly kind: 'container' | 'private-node';
  readonly title: string;
  readonly amqpUrl: string;
  readonly management: Management;
  readonly leash: Omit<Leash, 'folder' | 'orphaned'>;
  readonly env: Environment;
  /** Files whose ends explain a failed start. */
  readonly logs: readonly string[];
  /** Delete all that it stored, outside the data folder too. */
  readonly wipe: readonly Command[];
  /** Done before each start. */
  prepare(): Promise<void>;
}

/** A cold start takes 3–4 s on a laptop and several times that on a busy one. */
const READY_MS = 60_000;
/** A full disk of queues takes a second. */
const CLEAR_MS = 20_000;
/** Of each log, shown when a start fails. */
const TAIL_LINES = 15;
/** A freshly killed server's files can still appear while they are being deleted. */
const DELETE = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const;

export class OwnBroker {
  /** undefined: it is down. */
  private leashed: Leashed | undefined;
  private isOver = false;
  private serverVersion: string | undefined;

  private constructor(
    private readonly spec: BrokerSpec,
    private readonly dataDir: string,
    private readonly options: StartOptions,
  ) {}

  /**
   * In a data folder that exists. @throws BrokerError `start-failed`; the signal's reason. In both
   * cases nothing is left running, and no temporary folder.
   */
  static async launch(options: StartOptions, specify: (dataDir: string) => Promise<BrokerSpec>): Promise<OwnBroker> {
    const dataDir = resolve(options.dataDir ?? mkdtempSync(join(tmpdir(), 'replicated-log-broker-')));
    mkdirSync(join(dataDir, 'log'), { recursive: true });
    const broker = new OwnBroker(await specify(dataDir), dataDir, options);
    try {
      await broker.start(options.signal);
      return broker;
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  get kind(): BrokerSpec['kind'] {
    return this.spec.kind;
  }

  get amqpUrl(): string {
    return this.spec.amqpUrl;
  }

  get management(): Management {
    return this.spec.management;
  }

  /** As the server says it, "3.10.8". */
  get version(): string | undefined {
    return this.serverVersion;
  }

  describe(): string {
    return `RabbitMQ ${this.version ?? 'of unknown version'}, ${this.spec.title}`;
  }

  /** Returns when AMQP is served. @throws BrokerError `start-failed` with the end of its log. */
  async start(signal = new AbortController().signal): Promise<void> {
    this.require('down');
    const { spec, dataDir, options } = this;
    try {
      await spec.prepare();
      signal.throwIfAborted();
    } catch (error) {
      // Nothing runs yet that would clear this away; where there is nothing, the command fails.
      await this.run(spec.leash.after).catch(() => undefined);
      throw error;
    }
    const orphaned: Command[] = options.dataDir === undefined ? [...spec.wipe, ['rm', '-rf', dataDir]] : [];
    const leashed = startLeashed({ ...spec.leash, folder: dataDir, orphaned }, spec.env);
    this.leashed = leashed;
    const death = new AbortController();
    void leashed.ended.then((how) => death.abort(new Error(`it ended: ${how}`)));
    try {
      await leashed.isAlone;
      const either = AbortSignal.any([signal, death.signal]);
      this.serverVersion = (await awaitGreeting(spec.amqpUrl, { boundMs: READY_MS, signal: either })).version;
    } catch (cause) {
      const logs = spec.logs.filter((path) => existsSync(path)).map(tail);
      // Half booted, an orderly stop can take long, and is worth nothing.
      await this.end('kill');
      signal.throwIfAborted();
      const sentence = `RabbitMQ did not start: ${messageOf(cause)}`;
      throw new BrokerError('start-failed', [sentence, ...logs].join('\n'), { cause });
    }
    void leashed.ended.then((how) => this.noteEnd(leashed, how));
  }

  /** Orderly. */
  async halt(): Promise<void> {
    this.require('up');
    await this.end('halt');
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    this.require('up');
    await this.end('kill');
  }

  async restart({ graceful }: { graceful: boolean }): Promise<void> {
    await (graceful ? this.halt() : this.kill());
    await this.start();
  }

  /** Deletes all its queues, messages, users. @throws BrokerError `wrong-state` while it is up. */
  async wipe(): Promise<void> {
    this.require('down');
    await this.run(this.spec.wipe);
  }

  /** Ends it for good; a second call does nothing. */
  async stop(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.end('halt');
    if (this.options.dataDir !== undefined) return;
    await this.run(this.spec.wipe);
    await rm(this.dataDir, DELETE);
  }

  private async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) await runCommand(command, { env: this.spec.env, timeoutMs: CLEAR_MS });
  }

  private async end(how: 'halt' | 'kill'): Promise<void> {
    const { leashed } = this;
    this.leashed = undefined;
    leashed?.[how]();
    await leashed?.ended;
  }

  private require(wanted: 'up' | 'down'): void {
    const state = this.isOver ? 'over' : this.leashed === undefined ? 'down' : 'up';
    if (state !== wanted)
      throw new BrokerError('wrong-state', `The broker is ${state} and would have to be ${wanted} for this.`);
  }

  private noteEnd(leashed: Leashed, how: string): void {
    if (this.leashed !== leashed) return;
    this.leashed = undefined;
    this.options.onDied?.(how);
  }
}

function tail(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES);
  return [`--- the end of ${path}`, ...lines].join('\n');
}
