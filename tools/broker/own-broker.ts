/**
 * A broker that we started, as its owner sees it: an address that stays the same over restarts, and
 * the means to stop it and to hurt it.
 *
 * up   → down  by halt(), kill() or by dying (which is reported once, to onDied)
 * down → up    by start(), which returns when AMQP is served
 * any  → over  by stop(); afterwards nothing of it is left but the data, and of a temporary one
 *              nothing at all
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import type { Environment } from '#process/settings';
import { runCommand } from './command';
import { greet } from './given-broker';
import { LaunchError, messageOf } from './launch-error';
import type { Command, Leash } from './leash/leash';
import { retry } from './retry';

export interface StartOptions {
  /** Keeps the data from start to start. Absent: a temporary folder, deleted with the broker. */
  readonly dataDir?: string | undefined;
  /** Of the broker, for people; letters, digits, `-` and `_`. Keep it the same for one dataDir. */
  readonly name: string;
  readonly log: (line: string) => void;
  /** Read: AMQP_URL, MANAGEMENT_URL, PATH, DOCKER_*. */
  readonly env: Environment;
  /** Taken when they are free. */
  readonly ports?: { readonly amqp?: number; readonly management?: number } | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The broker died without having been told to. */
  readonly onDied?: ((how: string) => void) | undefined;
}

export interface BrokerSpec extends Omit<Leash, 'folder' | 'orphaned'> {
  readonly title: string;
  readonly amqpUrl: string;
  readonly management: string;
  readonly env: Environment;
  /** Files whose ends explain a failed start. */
  readonly logs: readonly string[];
  /** Delete all that it stored, outside the data folder too. */
  readonly wipe: readonly Command[];
}

/** A cold start takes 3–4 s on a laptop. More frequent questions are noise in the broker's log. */
const READY_WAIT = { boundMs: 60_000, everyMs: 200 };
/** A full disk of queues takes a second. */
const WIPE_MS = 20_000;
/** Of each log, shown when a start fails. */
const TAIL_LINES = 15;
/** A freshly killed server's files can still appear while they are being deleted. */
const DELETE = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const;

export class OwnBroker {
  readonly amqpUrl: string;
  /** URL of the management API, with the login in it. */
  readonly management: string;
  /** Its leash (leash/leash.ts); undefined: it is down. */
  private child: ChildProcess | undefined;
  /** How the last leash ended. */
  private ended: Promise<string> | undefined;
  private isOver = false;
  private product = 'RabbitMQ';

  private constructor(
    private readonly spec: BrokerSpec,
    private readonly dataDir: string,
    private readonly options: StartOptions,
  ) {
    this.amqpUrl = spec.amqpUrl;
    this.management = spec.management;
  }

  /**
   * In a data folder that exists. @throws LaunchError `start-failed`; the signal's reason. In both
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

  /** "RabbitMQ 4.3.6, container …" */
  describe(): string {
    return `${this.product}, ${this.spec.title}`;
  }

  /** Returns when AMQP is served. @throws LaunchError `start-failed` with the end of its log. */
  async start(signal = new AbortController().signal): Promise<void> {
    signal.throwIfAborted();
    const child = this.spawn();
    this.child = child;
    const death = new AbortController();
    const ended = once(child, 'exit').then(([code, by]) => String(by ?? `exit code ${code}`));
    this.ended = ended;
    void ended.then((how) => death.abort(new Error(`it ended: ${how}`)));
    try {
      // Before it, the server that answers may be one that a killed leash has left.
      await Promise.race([once(child, 'message'), ended]);
      const either = AbortSignal.any([signal, death.signal]);
      this.product = await retry(() => greet(this.amqpUrl), { ...READY_WAIT, signal: either });
    } catch (cause) {
      const logs = this.spec.logs.filter((path) => existsSync(path)).map(tail);
      // Half booted, an orderly stop can take long, and is worth nothing.
      await this.end('SIGUSR2');
      signal.throwIfAborted();
      logs.unshift(`RabbitMQ did not start: ${messageOf(cause)}`);
      throw new LaunchError(logs.join('\n'), { code: 'start-failed', cause });
    }
    // An owner that exits without a word is not held up, and its broker stops all the same.
    child.unref();
    child.channel?.unref();
    void ended.then((how) => {
      if (this.child !== child) return;
      this.child = undefined;
      this.options.onDied?.(how);
    });
  }

  /** Orderly; returns when it is gone. */
  halt(): Promise<void> {
    return this.end('SIGTERM');
  }

  /** As by a power cut; returns when it is gone. */
  kill(): Promise<void> {
    return this.end('SIGUSR2');
  }

  /** Deletes all its queues, messages, users; only while it is down. */
  async wipe(): Promise<void> {
    for (const command of this.spec.wipe) await runCommand(command, { env: this.spec.env, timeoutMs: WIPE_MS });
  }

  /** Ends it for good; a second call does nothing. */
  async stop(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.end('SIGTERM');
    if (this.options.dataDir !== undefined) return;
    await this.wipe();
    await rm(this.dataDir, DELETE);
  }

  private spawn(): ChildProcess {
    const { spec, dataDir, options } = this;
    const orphaned: Command[] = options.dataDir === undefined ? [...spec.wipe, ['rm', '-rf', dataDir]] : [];
    const { prepare, command, halt, log, clear } = spec;
    const leash: Leash = { folder: dataDir, prepare, command, halt, log, clear, orphaned };
    const extension = extname(__filename);
    // The sources need a loader, the compiled scripts none.
    const loader = extension === '.ts' ? ['--require', require.resolve('tsx/cjs')] : [];
    const script = (name: string) => join(__dirname, 'leash', name + extension);
    const args = [...loader, '--require', script('end-with-parent'), script('leash'), JSON.stringify(leash)];
    const output = openSync(log, 'a');
    // Detached: it decides itself when it ends, and Ctrl-C at our terminal is for us alone.
    const stdio = ['ignore', 'ignore', output, 'ipc'] as const;
    const child = spawn(process.execPath, args, { env: spec.env, stdio: [...stdio], detached: true });
    closeSync(output);
    return child;
  }

  /** SIGTERM: it stops in order, within the leash's bound. SIGUSR2: at once. */
  private async end(signal: 'SIGTERM' | 'SIGUSR2'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    child?.ref();
    child?.kill(signal);
    await this.ended;
  }
}

function tail(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES);
  return [`--- the end of ${path}`, ...lines].join('\n');
}
