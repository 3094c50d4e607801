/**
 * The owner's end of a supervisor: starts it, sends it requests one at a time, hears when the
 * broker dies, and ends it.
 *
 * The supervisor and its pipes do not keep the owner's process alive. An owner that exits without
 * calling end() is therefore not held up, and its broker stops all the same.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { within } from '../bounded';
import { BrokerError } from '../errors';
import type { Notice, Reply, Request, Supervision } from './supervise';

type Child = ChildProcessByStdio<Writable, Readable, null>;

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

export interface LaunchOptions {
  readonly supervision: Supervision;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The broker, or its supervisor, ended without having been told to. */
  readonly onDied: (how: string) => void;
}

/** The longest request is an orderly stop with all its bounds reached. */
const REPLY_MS = 15_000;

/** Orderly stop, bounded in the supervisor, and deletion. */
const END_MS = 12_000;

export class SupervisorClient {
  private readonly waiting = new Map<number, Waiting>();
  private readonly exit: Promise<unknown>;
  private lastId = 0;
  private lost: BrokerError | undefined;
  private ending = false;

  private constructor(
    private readonly child: Child,
    private readonly onDied: (how: string) => void,
  ) {
    this.exit = once(child, 'exit').then(([code, signal]) => this.loseSupervisor(`${signal ?? `exit code ${code}`}`));
    child.stdin.on('error', (error) => this.loseSupervisor(error.message));
    createInterface({ input: child.stdout }).on('line', (line) => this.hear(JSON.parse(line) as Reply | Notice));
    child.unref();
    for (const pipe of [child.stdin, child.stdout]) (pipe as { unref?: () => void }).unref?.();
  }

  /** @throws BrokerError when the supervisor cannot take the data folder. */
  static async launch({ supervision, env, onDied }: LaunchOptions): Promise<SupervisorClient> {
    const { dataDir } = supervision;
    mkdirSync(join(dataDir, 'log'), { recursive: true });
    const log = openSync(join(dataDir, 'log', 'supervisor.log'), 'a');
    const child = spawn(process.execPath, [...supervisorScript(), dataDir], {
      env,
      stdio: ['pipe', 'pipe', log],
      // Ctrl-C at our terminal is for the owner alone: it decides when the broker stops.
      detached: true,
    }) as Child;
    closeSync(log);
    const client = new SupervisorClient(child, onDied);
    const ready = client.expectReply(0);
    child.stdin.write(`${JSON.stringify(supervision)}\n`);
    await ready;
    return client;
  }

  /** @throws BrokerError with what the supervisor says. */
  async request(request: Request['request']): Promise<void> {
    if (this.lost) throw this.lost;
    this.lastId += 1;
    const reply = this.expectReply(this.lastId);
    this.child.stdin.write(`${JSON.stringify({ id: this.lastId, request } satisfies Request)}\n`);
    await reply;
  }

  /**
   * The broker stops and the supervisor ends. @throws BrokerError `supervisor-lost` when it had to
   * be killed.
   */
  async end(): Promise<void> {
    this.ending = true;
    this.child.stdin.end();
    try {
      await within(this.exit, END_MS, 'stopping the broker');
    } catch (cause) {
      this.child.kill('SIGKILL');
      throw new BrokerError('supervisor-lost', 'The broker did not stop in time.', { cause });
    }
    if (this.child.exitCode !== 0) throw this.lost ?? new BrokerError('supervisor-lost', 'The supervisor failed.');
  }

  private expectReply(id: number): Promise<void> {
    const reply = new Promise<void>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    return within(reply, REPLY_MS, 'the supervisor’s answer');
  }

  private hear(line: Reply | Notice): void {
    if ('died' in line) {
      this.onDied(line.died);
      return;
    }
    const waiting = this.waiting.get(line.id);
    this.waiting.delete(line.id);
    if (line.error === undefined) waiting?.resolve();
    else waiting?.reject(new BrokerError('start-failed', line.error));
  }

  private loseSupervisor(how: string): void {
    this.lost ??= new BrokerError('supervisor-lost', `The broker's supervisor ended: ${how}.`);
    for (const { reject } of this.waiting.values()) reject(this.lost);
    this.waiting.clear();
    if (!this.ending) this.onDied(this.lost.message);
    this.ending = true;
  }
}

/**
 * Compiled, the supervisor is a plain script; run from the sources it needs the loader that its
 * owner has.
 */
function supervisorScript(): string[] {
  const extension = extname(__filename);
  const script = join(__dirname, `supervise${extension}`);
  return extension === '.ts' ? ['--require', require.resolve('tsx/cjs'), script] : [script];
}
