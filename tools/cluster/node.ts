/**
 * One node as a child process, over all its lives, and what the terminal says about them.
 *
 *   down     → up       by start()
 *   up       → down     it ended with code 0 (somebody stopped it), or because its settings or its
 *                       port are wrong: the same start would end the same way
 *   up       → waiting  it crashed; → up when its delay is over, or by start()
 *   any      → over     by stop(): SIGTERM, and SIGKILL when the bound is reached
 *
 * It has a process group of its own, so that Ctrl-C reaches the launcher alone, which decides the
 * order; and an IPC channel, whose end tells it that the launcher is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import type { LogLevel } from '#process/node-settings';
import type { Environment } from '#process/settings';
import { LaunchError, messageOf } from '../broker/launch-error';
import { NodeLog } from './node-log';
import type { NodePlan } from './node-plan';
import { awaitReady } from './readiness';

/** A node with a long log, on a busy machine. */
export const READY_MS_MAX = 30_000;
/** A node stops within a second; one whose clients do not read their answers takes 5 s. */
const STOP_MS_MAX = 6_000;
/** Having run this long, a node has proven itself: its next crash is a first one. */
const PROVEN_MS = 60_000;
/**
 * Where Node 22.1 and later keep compiled code for the next start: a sixth of the CPU of a start.
 * Beside the code, because a folder that others can write to would let them replace it.
 */
const COMPILE_CACHE = join(__dirname, '../../.compile-cache');
/** EX_CONFIG and EX_UNAVAILABLE of sysexits.h, as the nodes use them. */
const HOPELESS = [78, 69];

/** After so many crashes in a row. A master needs 3 s to call a silent secondary Unhealthy. */
export function restartDelayMs(crashes: number): number {
  return Math.min(60_000, 10_000 * 2 ** (crashes - 1));
}

interface NodeOptions {
  readonly plan: NodePlan;
  readonly environment: Environment;
  readonly logLevel: LogLevel;
  readonly logsDir: string;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** It ended during the start, and would end so again. */
  readonly onHopeless: (error: LaunchError) => void;
}

export class Node {
  readonly plan: NodePlan;
  private readonly log: NodeLog;
  private child: ChildProcess | null = null;
  private closed: Promise<unknown> = Promise.resolve();
  private restart: NodeJS.Timeout | undefined;
  private crashes = 0;
  private isOver = false;
  /** While the first start is waited for, the table tells who is ready. */
  private isStarting = true;

  constructor(private readonly options: NodeOptions) {
    const { plan, logLevel, logsDir, signal, say } = options;
    this.plan = plan;
    const path = join(logsDir, `${plan.name}.log`);
    const show = (text: string) => signal.aborted || say(text);
    // During the start every node warns that the others are not there yet: no news.
    this.log = new NodeLog(plan.name, path, logLevel === 'warn' ? 'error' : logLevel, show);
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
    if (!this.isStarting) void this.followRestart();
  }

  /** The table has been printed. */
  endStart(): void {
    this.isStarting = false;
    this.log.level = this.options.logLevel;
  }

  /** Returns when it is gone, with its name when it had to be killed. */
  async stop(): Promise<string | null> {
    this.isOver = true;
    clearTimeout(this.restart);
    const { child } = this;
    child?.kill();
    const force = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX);
    await this.closed;
    clearTimeout(force);
    return child?.signalCode === 'SIGKILL' ? this.plan.name : null;
  }

  private spawn(): ChildProcess {
    const preload = join(__dirname, '../broker/leash/end-with-parent.js');
    const main = join(__dirname, '../../services', this.plan.role, 'main.js');
    const child = spawn(process.execPath, ['--require', preload, main], {
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...this.options.environment },
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
    if (this.isOver) return;
    this.crashes = performance.now() - startedAt >= PROVEN_MS ? 1 : this.crashes + 1;
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    this.noteEnd(code, `${this.plan.name} (pid ${child.pid}) ended: ${how}.`);
  }

  private noteEnd(code: number | null, what: string): void {
    const { say, signal, onHopeless } = this.options;
    const isHopeless = HOPELESS.includes(code ?? 0);
    const delayMs = restartDelayMs(this.crashes);
    if (code !== 0 && !isHopeless) this.restart = setTimeout(() => this.start(), delayMs);
    if (signal.aborted) return;
    const tail = `Its last lines, from ${relative(process.cwd(), this.log.path)}:\n${this.log.tail()}`;
    const again = `kill -USR2 ${process.pid}`;
    const soFar = `${what} Everything else goes on.`;
    if (isHopeless && this.isStarting) onHopeless(new LaunchError(`${what} ${tail}`, { exitCode: code ?? 1 }));
    else if (isHopeless) say(`${soFar} ${tail}\nIt is not started again by itself: mend this first, then: ${again}`);
    else if (code === 0) say(`${soFar} It stays down until you start it again: ${again}`);
    else say(`${soFar} ${tail}\nIt is started again in ${delayMs / 1000} s; at once with: ${again}`);
  }

  private async followRestart(): Promise<void> {
    const { plan, say, signal } = this.options;
    say(`${plan.name} is started again (pid ${this.pid}).`);
    const reason = await awaitReady(plan.url, READY_MS_MAX, signal).catch(() => undefined);
    if (reason !== undefined) say(`${plan.name} is ${reason === null ? 'ready' : `not ready yet: ${reason}`}.`);
  }
}
