/**
 * One node as a child process, over all its lives.
 *
 *   down     → up       by start()
 *   up       → down     it ended and stays down, see restart-policy.ts
 *   up       → waiting  it crashed; → up when its delay is over, or by start()
 *   any      → over     by stop(): SIGTERM, and SIGKILL when the bound is reached
 *
 * It has a process group of its own, so that Ctrl-C at the terminal reaches the launcher alone,
 * which decides the order; and an IPC channel, whose end tells it that the launcher is gone
 * (end-with-launcher.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Environment } from '#process/settings';
import { settlesWithin } from '#tools/broker/bounded';
import { type AfterEnd, afterEnd, type NodeEnd } from './restart-policy';

/** How long SIGKILL and the reading of the last lines may take. */
const KILL_MS_MAX = 1_000;

export interface NodeProcessOptions {
  readonly role: 'master' | 'secondary';
  readonly environment: Environment;
  readonly onLine: (line: string) => void;
  readonly onStart: (pid: number) => void;
  /** It ended without having been told to by us. */
  readonly onEnd: (end: NodeEnd & { readonly pid: number }, after: AfterEnd) => void;
}

export class NodeProcess {
  private child: ChildProcess | null = null;
  private closed: Promise<unknown> = Promise.resolve();
  private restart: NodeJS.Timeout | undefined;
  private crashes = 0;
  private isOver = false;

  constructor(private readonly options: NodeProcessOptions) {}

  /** null: it is not running. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Does nothing when it is up or over. */
  start(): void {
    if (this.child !== null || this.isOver) return;
    clearTimeout(this.restart);
    const startedAt = performance.now();
    const child = spawn(process.execPath, scriptOf(this.options.role), {
      env: this.options.environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) this.readLines(stream);
    this.closed = this.awaitEnd(child, startedAt);
    if (child.pid !== undefined) this.options.onStart(child.pid);
  }

  /** Returns when it is gone. False: it had to be killed. */
  async stop(boundMs: number): Promise<boolean> {
    this.isOver = true;
    clearTimeout(this.restart);
    const { child } = this;
    if (child === null) return true;
    child.kill('SIGTERM');
    if (await settlesWithin(this.closed, boundMs)) return true;
    child.kill('SIGKILL');
    await settlesWithin(this.closed, KILL_MS_MAX);
    return false;
  }

  private readLines(stream: Readable | null): void {
    if (stream !== null) createInterface({ input: stream }).on('line', this.options.onLine);
  }

  /** Settles after the last line has been read. */
  private async awaitEnd(child: ChildProcess, startedAt: number): Promise<void> {
    const failure = once(child, 'error').then(([error]: Error[]) => error);
    const closing = once(child, 'close') as Promise<[number | null, string | null]>;
    closing.catch(() => undefined);
    const outcome = child.pid === undefined ? await failure : await closing;
    this.child = null;
    if (this.isOver) return;
    if (!Array.isArray(outcome)) this.options.onLine(`cannot be started: ${outcome?.message}`);
    const [code, signal] = Array.isArray(outcome) ? outcome : [null, null];
    this.decide({ code, signal, uptimeMs: performance.now() - startedAt, crashes: this.crashes }, child.pid ?? 0);
  }

  private decide(end: NodeEnd, pid: number): void {
    const after = afterEnd(end);
    if (after.next === 'restart') {
      this.crashes = after.crashes;
      this.restart = setTimeout(() => this.start(), after.delayMs);
    }
    this.options.onEnd({ ...end, pid }, after);
  }
}

function scriptOf(role: NodeProcessOptions['role']): string[] {
  return [
    '--require',
    join(__dirname, 'end-with-launcher.js'),
    join(__dirname, '..', '..', '..', 'services', role, 'main.js'),
  ];
}
