/**
 * Signals and the exit, as the launcher wants them from the process lifecycle; it differs from a
 * node in three things.
 *
 * One Ctrl-C can arrive twice: from the terminal, and from npm, which passes it on. What follows
 * within a second is the same one. A later one is meant: it exits at once, and what still runs ends
 * by itself (tools/broker/leash).
 *
 * A terminal that is closed (SIGHUP) counts as SIGTERM.
 *
 * The exit waits for what must not be cut, the unpacking of a package.
 */
import type { ProcessHost } from '#process/lifecycle';

/** npm passes a signal on within milliseconds; nobody presses twice on purpose in less. */
const SAME_SIGNAL_MS = 1_000;

export class LauncherHost implements ProcessHost {
  private readonly interruption = new AbortController();
  /** What must not be cut and has not settled. */
  private held = 0;
  private exitCode: number | null = null;
  private interruptedAt: number | null = null;

  constructor(
    private readonly host: Pick<NodeJS.Process, 'on' | 'exit'> = process,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Aborts at the first signal. */
  get interrupted(): AbortSignal {
    return this.interruption.signal;
  }

  /** No exit before this has settled. */
  hold(work: Promise<unknown>): void {
    this.held += 1;
    const release = () => {
      this.held -= 1;
      if (this.exitCode !== null) this.exit(this.exitCode);
    };
    work.then(release, release);
  }

  on(event: Parameters<ProcessHost['on']>[0], listener: (cause: unknown) => void): void {
    if (event !== 'SIGTERM' && event !== 'SIGINT') {
      this.host.on(event, listener);
      return;
    }
    const take = () => {
      const at = this.now();
      if (this.interruptedAt !== null && at - this.interruptedAt < SAME_SIGNAL_MS) return;
      this.interruptedAt ??= at;
      this.interruption.abort();
      listener(event);
    };
    this.host.on(event, take);
    if (event === 'SIGTERM') this.host.on('SIGHUP', take);
  }

  exit(code: number): void {
    this.exitCode = code;
    if (this.held === 0) this.host.exit(code);
  }

  /** Nothing once the exit was asked for: a write that nobody reads fails, and comes back here. */
  writeError(text: string): void {
    if (this.exitCode === null) process.stderr.write(text);
  }
}
