/**
 * One node as a child process, over all its lives, and what is said on the terminal about them. One
 * node's end is nobody else's: everything else goes on.
 *
 *   down     → up       by start()
 *   up       → down     it ended and stays down, see restart-policy.ts
 *   up       → waiting  it crashed; → up when its delay is over, or by start()
 *   any      → over     by stop(): SIGTERM, and SIGKILL when the bound is reached
 *
 * It has a process group of its own, so that Ctrl-C at the terminal reaches the launcher alone,
 * which decides the order; and an IPC channel, by whose end it hears that the launcher is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import pino from 'pino';
import type { Environment } from '#process/settings';
import { messageOf } from '../broker/errors';
import { LaunchError } from './launch-error';
import { NodeLog } from './node-log';
import type { NodePlan } from './node-plan';
import type { LauncherSettings } from './options';
import { awaitReady } from './readiness';
import { afterEnd, describeEnd, type NodeEnd } from './restart-policy';

/** A node with a long log, on a busy machine. */
export const READY_MS_MAX = 60_000;
/** A node stops within a second; one whose clients do not read their answers takes 5 s. */
const STOP_MS_MAX = 6_000;

export interface NodeOptions {
  readonly plan: NodePlan;
  readonly settings: LauncherSettings;
  readonly environment: Environment;
  readonly logsDir: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** It cannot run, before all are up. */
  readonly onHopeless: (error: LaunchError) => void;
}

export class Node {
  /** While the first start is waited for, the table tells who is ready. */
  isStarting = true;
  private readonly log: NodeLog;
  private child: ChildProcess | null = null;
  private closed: Promise<unknown> = Promise.resolve();
  private restart: NodeJS.Timeout | undefined;
  private crashes = 0;
  private isOver = false;

  constructor(private readonly options: NodeOptions) {
    const { plan, settings, logsDir } = options;
    this.log = new NodeLog({
      node: plan.name,
      path: join(logsDir, `${plan.name}.log`),
      level: settings.logLevel,
      isColored: process.stdout.isTTY,
      show: (text, level) => this.showLog(text, level),
    });
  }

  get plan(): NodePlan {
    return this.options.plan;
  }

  /** null: it is not running. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Does nothing when it is up or over. */
  start(): void {
    if (this.child !== null || this.isOver) return;
    clearTimeout(this.restart);
    this.log.forgetTail();
    this.child = this.spawn();
    this.closed = this.awaitEnd(this.child, performance.now());
    if (!this.isStarting) this.followRestart();
  }

  /** Returns when it is gone. False: it had to be killed. */
  async stop(): Promise<boolean> {
    this.isOver = true;
    clearTimeout(this.restart);
    const { child } = this;
    child?.kill();
    const force = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX);
    await this.closed;
    clearTimeout(force);
    return child?.signalCode !== 'SIGKILL';
  }

  private spawn(): ChildProcess {
    const script = (...path: string[]) => join(__dirname, '..', ...path);
    const preload = script('broker', 'leash', 'end-with-parent.js');
    const main = script('..', 'services', this.plan.role, 'main.js');
    const child = spawn(process.execPath, ['--require', preload, main], {
      env: this.options.environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    for (const input of [child.stdout, child.stderr])
      if (input !== null) createInterface({ input }).on('line', (line) => this.log.take(line));
    return child;
  }

  /** Settles after the last line has been read. */
  private async awaitEnd(child: ChildProcess, startedAt: number): Promise<void> {
    const [code, signal] = await (once(child, 'close') as Promise<[number | null, string | null]>).catch((error) => {
      this.log.take(`cannot be started: ${messageOf(error)}`);
      return [1, null] as const;
    });
    this.child = null;
    if (!this.isOver)
      this.noteEnd({ code, signal, uptimeMs: performance.now() - startedAt, crashes: this.crashes }, child.pid);
  }

  private noteEnd(end: NodeEnd, pid = 0): void {
    const { plan, say, signal, onHopeless, logsDir } = this.options;
    const after = afterEnd(end);
    if (after.next === 'restart') {
      this.crashes = after.crashes;
      this.restart = setTimeout(() => this.start(), after.delayMs);
    }
    if (signal.aborted) return;
    const what = `${plan.name} (pid ${pid}) ended: ${describeEnd(end)}.`;
    const path = relative(process.cwd(), join(logsDir, `${plan.name}.log`));
    const tail = `Its last lines, from ${path}:\n${this.log.tail()}`;
    if (after.next === 'hopeless' && this.isStarting) {
      onHopeless(new LaunchError(`${what} ${tail}`, { exitCode: end.code ?? 1 }));
      return;
    }
    const again = `kill -USR2 ${process.pid}`;
    const sequel = {
      'stays-down': ` It stays down until you start it again: ${again}`,
      hopeless: ` ${tail}\nIt is not started again by itself: mend this first, then: ${again}`,
      restart: ` ${tail}\nIt is started again in ${'delayMs' in after && after.delayMs / 1000} s; at once with: ${again}`,
    };
    say(`${what} Everything else goes on.${sequel[after.next]}`);
  }

  private followRestart(): void {
    const { plan, say, signal } = this.options;
    say(`${plan.name} is started again (pid ${this.pid}).`);
    awaitReady(plan.url, READY_MS_MAX, signal).then(
      (readiness) => say(`${plan.name} is ${readiness.ready ? 'ready' : `not ready yet: ${readiness.reason}`}.`),
      () => undefined,
    );
  }

  /**
   * That the others are not there yet, or go, is worth a warning of every node, and no news to
   * whoever has just started or stopped them all: such lines are in the files only, unless more
   * than warnings were asked for.
   */
  private showLog(text: string, level: number | null): void {
    const { settings, signal, say } = this.options;
    const isExpected = this.isStarting && settings.logLevel === 'warn' && level === pino.levels.values.warn;
    if (!isExpected && !signal.aborted) say(text);
  }
}
