/**
 * Runs a process from start to end; the only place that exits it.
 *
 * States: *starting* → *running* → *stopping* → exited. The first SIGTERM or SIGINT stops the
 * service in order and exits with 0, within 10 s even if something hangs: everything acknowledged
 * is already durable, so a stop that is cut short loses nothing. A second signal exits at once. An
 * uncaught error exits with 70 at once, because the state after it cannot be trusted. An error at
 * the start that carries an exit code (`ConfigError` 78, `ListenError` 69) is for the operator to
 * correct, so it is reported without a stack.
 */

import { constants } from 'node:os';
import type { Logger } from 'pino';
import type { LogEvent } from '#protocol/log-events';
import { logEvent } from './logger';

/** EX_SOFTWARE of sysexits.h. */
const EXIT_SOFTWARE = 70;
/** EX_IOERR of sysexits.h. */
const EXIT_RESTART = 74;
/** Half a second less than the 10 s that are promised. */
const STOP_MS_MAX = 9_500;

/** A service that has started. */
export interface RunningService {
  /** Stops everything that was started, in order. A rejection exits with 70. */
  stop(): Promise<void>;
}

/** The operations that a service has on its process. */
export interface ProcessHandle {
  /** From now on ends are logged; before, they are written to stderr. */
  useLogger(logger: Logger): void;
  /**
   * Ends the process for a broken invariant or an unrecoverable loss: logged at fatal, exit code
   * 70.
   */
  fail(error: unknown): void;
  /**
   * Stops the process in order so that its supervisor starts it again, for a condition that a start
   * repairs, such as a damaged log. Logged at fatal, exit code 74.
   */
  restart(error: unknown): void;
}

/** The part of Node's process that is used here; tests supply their own. */
export interface ProcessHost {
  on(
    event: 'SIGTERM' | 'SIGINT' | 'uncaughtException' | 'unhandledRejection',
    listener: (cause: unknown) => void,
  ): void;
  exit(code: number): void;
  writeError(text: string): void;
}

const nodeHost: ProcessHost = {
  on: (event, listener) => process.on(event, listener),
  exit: (code) => process.exit(code),
  writeError: (text) => process.stderr.write(text),
};

/**
 * Runs a service until a signal or a failure ends it. When `start` resolves with null there is no
 * service, and the process ends by itself when nothing is left to do. Never rejects.
 */
export async function runProcess(
  start: (handle: ProcessHandle) => Promise<RunningService | null>,
  host: ProcessHost = nodeHost,
): Promise<void> {
  await new Lifecycle(host).run(start);
}

class Lifecycle implements ProcessHandle {
  private logger: Logger | null = null;
  private started: Promise<RunningService | null> | null = null;
  private isStopping = false;
  /** Exit code of an orderly end. */
  private exitCode = 0;

  constructor(private readonly host: ProcessHost) {}

  async run(start: (handle: ProcessHandle) => Promise<RunningService | null>): Promise<void> {
    this.host.on('uncaughtException', (error) => this.fail(error));
    this.host.on('unhandledRejection', (error) => this.fail(error));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) this.host.on(signal, () => this.takeSignal(signal));
    try {
      this.started = start(this);
      await this.started;
    } catch (error) {
      await this.failStart(error);
    }
  }

  useLogger(logger: Logger): void {
    this.logger = logger;
  }

  fail(error: unknown): void {
    const err = error instanceof Error ? error : new Error(String(error));
    if (this.logger === null) this.host.writeError(`${err.stack ?? err.message}\n`);
    else logEvent(this.logger, 'fatal', 'process.failed', { err });
    this.host.exit(EXIT_SOFTWARE);
  }

  restart(error: unknown): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.exitCode = EXIT_RESTART;
    this.log('fatal', 'process.restarting', { err: error });
    this.stop().catch((failure: unknown) => this.fail(failure));
  }

  private async failStart(error: unknown): Promise<void> {
    const exitCode = exitCodeOf(error);
    if (exitCode === null || !(error instanceof Error)) {
      this.fail(error);
      return;
    }
    if (this.logger === null) this.host.writeError(`${error.message}\n`);
    else logEvent(this.logger, 'fatal', 'process.cannot-start', { reason: error.message });
    await this.flushLog();
    this.host.exit(exitCode);
  }

  private takeSignal(signal: 'SIGTERM' | 'SIGINT'): void {
    if (this.isStopping) {
      this.log('warn', 'process.exit-at-once', { signal });
      this.host.exit(128 + constants.signals[signal]);
      return;
    }
    this.isStopping = true;
    this.log('info', 'process.stopping', { signal });
    this.stop().catch((error: unknown) => this.fail(error));
  }

  /**
   * Ends in order even when the start is still running or the service hangs: both have until the
   * time limit.
   */
  private async stop(): Promise<void> {
    setTimeout(() => {
      this.log('error', 'process.stop-timeout', { withinMs: STOP_MS_MAX });
      this.host.exit(this.exitCode);
    }, STOP_MS_MAX).unref();
    const service = await this.started?.catch(() => null);
    await service?.stop();
    this.log('info', 'process.stopped');
    await this.flushLog();
    this.host.exit(this.exitCode);
  }

  /**
   * Log lines are written asynchronously; an exit during a write would put the next line before it.
   */
  /** Without a logger, before the settings are read, nothing is logged. */
  private log(level: 'info' | 'warn' | 'error' | 'fatal', event: LogEvent, facts: object = {}): void {
    if (this.logger !== null) logEvent(this.logger, level, event, facts);
  }

  private async flushLog(): Promise<void> {
    const { logger } = this;
    if (logger !== null) await new Promise<void>((resolve) => logger.flush(() => resolve()));
  }
}

function exitCodeOf(error: unknown): number | null {
  const { exitCode } = (typeof error === 'object' && error !== null ? error : {}) as { exitCode?: unknown };
  return typeof exitCode === 'number' ? exitCode : null;
}
