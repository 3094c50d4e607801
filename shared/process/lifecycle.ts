/**
 * How a process starts and ends; the only place that exits it.
 *
 * States: *starting* → *running* → *stopping* → gone. A first SIGTERM or SIGINT makes it stop in
 * order and exit 0, within 10 s whatever hangs: everything acknowledged is durable already, so a
 * stop that is cut short loses nothing. A second signal exits at once. An error that nobody caught
 * exits 70 at once: the state behind it cannot be trusted. An error at the start that carries an
 * exit code (`ConfigError` 78, `ListenError` 69) is the operator's to mend, so it is said without a
 * stack.
 */
import { constants } from 'node:os';
import type { Logger } from 'pino';

/** EX_SOFTWARE of sysexits.h. */
const EXIT_SOFTWARE = 70;
/** EX_IOERR of sysexits.h. */
const EXIT_RESTART = 74;
/** Half a second short of the 10 s that are promised. */
const STOP_MS_MAX = 9_500;

export interface RunningService {
  /** Stops everything that was started, in order. */
  stop(): Promise<void>;
}

export interface ProcessHandle {
  /** From here on ends are logged; before, they go to stderr. */
  useLogger(logger: Logger): void;
  /**
   * Ends the process for a broken invariant or a loss that it cannot go on with: logged at fatal,
   * exit 70.
   */
  fail(error: unknown): void;
  /**
   * Ends the process in order, so that whoever keeps it running starts it anew: it has found
   * something that a start mends, like a damaged log. Logged at fatal, exit 74.
   */
  restart(error: unknown): void;
}

/** What the lifecycle uses of Node's process; tests hand in their own. */
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
 * Runs a service until a signal or a failure ends it; with none, the process ends by itself once
 * nothing is left to do.
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
  /** Of an orderly end. */
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
    else this.logger.fatal({ err }, 'process fails');
    this.host.exit(EXIT_SOFTWARE);
  }

  restart(error: unknown): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.exitCode = EXIT_RESTART;
    this.logger?.fatal({ err: error }, 'stopping, to be mended by the next start');
    this.stop().catch((failure: unknown) => this.fail(failure));
  }

  private async failStart(error: unknown): Promise<void> {
    const exitCode = exitCodeOf(error);
    if (exitCode === null || !(error instanceof Error)) {
      this.fail(error);
      return;
    }
    if (this.logger === null) this.host.writeError(`${error.message}\n`);
    else this.logger.fatal({ reason: error.message }, 'cannot start');
    await this.flushLog();
    this.host.exit(exitCode);
  }

  private takeSignal(signal: 'SIGTERM' | 'SIGINT'): void {
    if (this.isStopping) {
      this.logger?.warn({ signal }, 'second signal: exit at once');
      this.host.exit(128 + constants.signals[signal]);
      return;
    }
    this.isStopping = true;
    this.logger?.info({ signal }, 'stopping');
    this.stop().catch((error: unknown) => this.fail(error));
  }

  /**
   * Ends well even when the start still runs or the service hangs: both are given until the bound.
   */
  private async stop(): Promise<void> {
    setTimeout(() => {
      this.logger?.error({ withinMs: STOP_MS_MAX }, 'stopping took too long: exit without waiting');
      this.host.exit(this.exitCode);
    }, STOP_MS_MAX).unref();
    const service = await this.started?.catch(() => null);
    await service?.stop();
    this.logger?.info('stopped');
    await this.flushLog();
    this.host.exit(this.exitCode);
  }

  /**
   * Lines are written in the background; an exit while one is under way would put the next before
   * it.
   */
  private async flushLog(): Promise<void> {
    const { logger } = this;
    if (logger !== null) await new Promise<void>((resolve) => logger.flush(() => resolve()));
  }
}

function exitCodeOf(error: unknown): number | null {
  const { exitCode } = (typeof error === 'object' && error !== null ? error : {}) as { exitCode?: unknown };
  return typeof exitCode === 'number' ? exitCode : null;
}
