/**
 * Signals and the exit of the launcher. It differs from a node in three things:
 *
 *   - One Ctrl-C can arrive twice, from the terminal and from npm: within a second it is the same
 *     one. A later one exits at once, and what still runs ends by itself (tools/broker/leash).
 *   - A terminal that is closed (SIGHUP) counts as SIGTERM.
 *   - The exit waits for what must not be cut, the unpacking of a package.
 */
import type { ProcessHost } from '#process/lifecycle';

/** npm passes a signal on within milliseconds; nobody presses twice on purpose in less. */
const SAME_SIGNAL_MS = 1_000;

export class LauncherHost implements ProcessHost {
  /** No exit before this has settled. */
  busy: Promise<unknown> = Promise.resolve();
  private readonly interruption = new AbortController();
  /** Aborts at the first signal. */
  readonly interrupted = this.interruption.signal;
  private isExiting = false;
  private interruptedAt: number | null = null;

  constructor(private readonly host: Pick<NodeJS.Process, 'on' | 'exit'> = process) {}

  on(event: Parameters<ProcessHost['on']>[0], listener: (cause: unknown) => void): void {
    const take = () => {
      const at = performance.now();
      if (this.interruptedAt !== null && at - this.interruptedAt < SAME_SIGNAL_MS) return;
      this.interruptedAt ??= at;
      this.interruption.abort();
      listener(event);
    };
    this.host.on(event, event === 'SIGTERM' || event === 'SIGINT' ? take : listener);
    if (event === 'SIGTERM') this.host.on('SIGHUP', take);
  }

  exit(code: number): void {
    this.isExiting = true;
    const exit = () => this.host.exit(code);
    this.busy.then(exit, exit);
  }

  /** Nothing once the exit was asked for: a write that nobody reads fails, and comes back here. */
  writeError(text: string): void {
    if (!this.isExiting) process.stderr.write(text);
  }
}
