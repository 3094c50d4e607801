/**
 * `npm start` as a user runs it, less npm: the script of package.json with options, its own folder
 * for data, and what it says on its terminal. The rest of the environment is that of the test run;
 * the name of the log is the folder's own, for brokers that are shared.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from '#tools/broker/command';
import { findRefused } from '#tools/broker/ports';
import { eventually } from '../eventually';
import { descendants } from './processes';

const ROOT = resolve(__dirname, '../../..');
const HOST = '127.0.0.1';

/** A build, a broker and three nodes, while other work keeps the machine busy. */
const READY_MS = 120_000;

/** Where a launcher works: starts in one place find each other's data, and each other. */
export interface Place {
  readonly dataDir: string;
  readonly logName: string;
  readonly port: number;
}

export async function makePlace(): Promise<Place> {
  let port = 12_000 + 10 * (process.pid % 500);
  while (
    (
      await findRefused(
        HOST,
        [0, 1, 2].map((more) => ({ name: '', port: port + more })),
      )
    ).length > 0
  )
    port += 10;
  const dataDir = mkdtempSync(join(tmpdir(), 'rlog-npm-start-'));
  return { dataDir, port, logName: `start-${randomUUID().slice(0, 8)}` };
}

/**
 * What is meant to outlive a launcher: its folder, and where RabbitMQ was a container, that one's
 * volume.
 */
export async function removePlace(place: Place, launchers: readonly NpmStart[]): Promise<void> {
  rmSync(place.dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  const containers = launchers.flatMap(({ output }) => /starting the container (\S+)/.exec(output)?.[1] ?? []);
  for (const container of new Set(containers)) {
    await runCommand(['docker', 'volume', 'rm', '--force', `${container}-data`], { timeoutMs: 30_000 });
  }
}

export class NpmStart {
  /** stdout and stderr, as a terminal would show them. */
  output = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;

  constructor(place: Place, options: readonly string[] = []) {
    const args = [
      join(ROOT, 'tools/scripts/run.js'),
      'tools/scripts/start.ts',
      '--data',
      place.dataDir,
      '--port',
      `${place.port}`,
      ...options,
    ];
    this.child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, LOG_NAME: place.logName },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.closed = once(this.child, 'close');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Everything that it has started: nodes, the broker's supervisor, the broker. */
  get started(): number[] {
    return descendants(this.pid);
  }

  /** Until it has said this; fails at once when it ends without. */
  async says(what: string, withinMs = READY_MS): Promise<void> {
    const look = () => expect({ output: this.output, exitCode: this.child.exitCode });
    await Promise.race([
      eventually(`npm start says: ${what}`, () => look().toMatchObject({ output: expect.stringContaining(what) }), {
        withinMs,
      }),
      this.closed.then(() => look().toMatchObject({ output: expect.stringContaining(what) })),
    ]);
  }

  /** The whole greeting is there. */
  isUp(): Promise<void> {
    return this.says('Ctrl-C stops everything.');
  }

  /** pid of a node, as the table has it. */
  pidOf(node: string): number {
    const row = this.output.split('\n').find((line) => line.trimStart().startsWith(`${node} `));
    return Number(/pid (\d+)/.exec(row ?? '')?.[1] ?? Number.NaN);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /**
   * As when the window is closed, or in `npm start | head`: what it says from now on cannot be
   * written.
   */
  closeOutput(): void {
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  /** Resolves with the exit code, null when a signal ended it, after the last of its output. */
  async ended(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }
}
