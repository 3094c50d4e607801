/**
 * A program of the product as a user starts it: `node dist/…/main.js` with an environment and
 * nothing else. Its JSON log is read line by line, so that a test can wait for what the process
 * says of itself.
 *
 * Each process is noted in the run's folder until it has ended; global-teardown.ts kills what a
 * crashed test run left there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { QUEUE_TYPES } from '#protocol/topology';

const ROOT = resolve(__dirname, '../../..');
const WITHIN_MS = 30_000;

/** Files of this test run; the global setup makes it and its teardown deletes it. */
export const RUN_DIR = process.env.RLOG_TEST_DIR ?? mkdtempSync(join(tmpdir(), 'rlog-test-'));
/** Type of the members' queues, unless a test asks for another. RLOG_TEST_QUEUE_TYPE chooses it. */
export const TEST_QUEUE_TYPE = QUEUE_TYPES.find((type) => type === process.env.RLOG_TEST_QUEUE_TYPE) ?? 'classic';

const PIDS_DIR = join(RUN_DIR, 'pids');

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Program {
  /** For people. */
  readonly name: string;
  /** Below dist/. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Environment;
}

interface Awaited {
  readonly fits: (line: LogLine) => boolean;
  readonly found: (line: LogLine) => void;
}

export class RealProcess {
  /** Everything it logged, to stdout or stderr. */
  readonly lines: LogLine[] = [];
  /** What it wrote that is no log: an answer, a complaint before there is a log. */
  readonly said = { stdout: '', stderr: '' };
  /** Resolves when it has ended and all that it wrote was read. */
  readonly exited: Promise<Exit>;
  private readonly awaited = new Set<Awaited>();
  private hasExited = false;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    this.exited = new Promise((ended) => {
      child.once('close', (code, signal) => {
        this.hasExited = true;
        rmSync(this.pidFile, { force: true });
        ended({ code, signal });
      });
    });
    this.read('stdout');
    this.read('stderr');
    child.on('error', (error) => {
      this.said.stderr += `${error.message}\n`;
    });
    mkdirSync(PIDS_DIR, { recursive: true });
    writeFileSync(this.pidFile, name);
  }

  static start({ name, script, args = [], env }: Program): RealProcess {
    // The third one is how `npm test` finds what an interrupted run has left.
    const { PATH, HOME, REPLICATED_LOG_TEST_RUN } = process.env;
    const child = spawn(process.execPath, [join(ROOT, 'dist', script), ...args], {
      env: { PATH, HOME, REPLICATED_LOG_TEST_RUN, ...env },
      cwd: RUN_DIR,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new RealProcess(name, child);
  }

  get isRunning(): boolean {
    return !this.hasExited;
  }

  /** Of the process, for what its system says about it; 0 when it could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends a signal; to one that has ended: nothing. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.child.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<Exit> {
    this.signal(signal);
    return this.exited;
  }

  /**
   * The first line that fits, of those there are or of the next ones. Rejects when the process ends
   * first.
   */
  async line(what: string, fits: (line: LogLine) => boolean, withinMs = WITHIN_MS): Promise<LogLine> {
    const there = this.lines.find(fits);
    if (there !== undefined) return there;
    const waiting = new AbortController();
    try {
      return await Promise.race([this.nextLine(fits, waiting.signal), this.silence(what, withinMs, waiting.signal)]);
    } finally {
      waiting.abort();
    }
  }

  /** All lines with this sentence. */
  linesOf(msg: string): LogLine[] {
    return this.lines.filter((line) => line.msg === msg);
  }

  private get pidFile(): string {
    return join(PIDS_DIR, String(this.child.pid));
  }

  private read(stream: 'stdout' | 'stderr'): void {
    const input = this.child[stream];
    if (input === null) return;
    createInterface({ input }).on('line', (text) => {
      const line = parseLine(text);
      if (line === null) this.said[stream] += `${text}\n`;
      else this.take(line);
    });
  }

  private take(line: LogLine): void {
    this.lines.push(line);
    for (const awaited of this.awaited) if (awaited.fits(line)) awaited.found(line);
  }

  private nextLine(fits: (line: LogLine) => boolean, over: AbortSignal): Promise<LogLine> {
    return new Promise((found) => {
      const awaited = { fits, found };
      this.awaited.add(awaited);
      over.addEventListener('abort', () => this.awaited.delete(awaited));
    });
  }

  private silence(what: string, withinMs: number, over: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const fail = (why: string) => reject(new Error(`${this.name} did not log ${what}: ${why}\n${this.said.stderr}`));
      const timer = setTimeout(() => fail(`${withinMs} ms have passed`), withinMs);
      over.addEventListener('abort', () => clearTimeout(timer));
      void this.exited.then(({ code, signal }) => fail(`it ended with ${code ?? signal}`));
    });
  }
}

function parseLine(text: string): LogLine | null {
  if (!text.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'msg' in value ? (value as LogLine) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
