/**
 * The cluster under test: master and secondaries as compiled processes, as `npm start` runs them,
 * each with a disk of its own, on a broker of ours. Nothing is switched off for the measurement:
 * every node syncs before it acks, queues are durable, messages persistent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { HttpConnection, requestOf, targetOf } from './load/http-connection';

const START_MS_MAX = 60_000;
const LOOK_MS = 20;

export interface ClusterOptions {
  readonly amqpUrl: string;
  /** Where the compiled product is. */
  readonly dist: string;
  /** For the nodes' disks and logs; deleted with the cluster. */
  readonly directory: string;
  readonly logName: string;
  readonly secondaries: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Write a CPU profile of each node into this folder. */
  readonly profileDir?: string | undefined;
}

interface Health {
  readonly head?: number;
  readonly applied?: number;
  readonly status: string;
  readonly secondaries?: readonly { readonly id: string; readonly status: string }[];
}

class BenchNode {
  url = '';
  private child: ChildProcess | null = null;
  private lastLines: string[] = [];

  constructor(
    readonly id: string,
    private readonly role: 'master' | 'secondary',
    private readonly options: ClusterOptions,
  ) {}

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get dataDir(): string {
    return join(this.options.directory, this.id);
  }

  /** Returns when it listens. */
  async start(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const { amqpUrl, dist, logName, env = {}, profileDir } = this.options;
    const settings = { NODE_ID: this.id, HTTP_PORT: '0', AMQP_URL: amqpUrl, LOG_NAME: logName, DATA_DIR: this.dataDir };
    const flags = profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', join(profileDir, this.id)];
    const { PATH, HOME } = process.env;
    mkdirSync(this.dataDir, { recursive: true });
    const child = spawn(process.execPath, [...flags, join(dist, 'services', this.role, 'main.js')], {
      env: { PATH, HOME, LOG_LEVEL: 'info', ...settings, ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stderr?.on('data', (data: Buffer) => this.note(data.toString()));
    this.url = await this.listening(child);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await gone;
    clearTimeout(late);
  }

  wipe(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async health(): Promise<Health> {
    return JSON.parse(await this.get('/health')) as Health;
  }

  /** A GET whose answer has a length. */
  async get(path: string): Promise<string> {
    const connection = await HttpConnection.open(targetOf(this.url));
    try {
      return (await connection.ask(requestOf('GET', path))).text;
    } finally {
      connection.close();
    }
  }

  /** Highest seq that its readers see. */
  async position(): Promise<number> {
    const { head = 0, applied = head } = await this.health();
    return applied;
  }

  /**
   * Anonymous memory in bytes: heap, buffers and stacks, but no mapped files. 0 where the system
   * does not say.
   */
  memoryBytes(): number {
    try {
      const line = /RssAnon:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
      return Number(line?.[1] ?? 0) * 1024;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
      throw error;
    }
  }

  /** CPU time that it has taken so far, in microseconds. 0 where the system does not say. */
  cpuMicros(): number {
    return cpuMicrosOf(this.pid);
  }

  private listening(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${this.id} ended with ${code}:\n${this.lastLines.join('\n')}`)));
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.note(line);
        const url = /"url":"([^"]+)","msg":"listening"/.exec(line)?.[1];
        if (url !== undefined) resolve(url);
      });
    });
  }

  private note(line: string): void {
    this.lastLines = [...this.lastLines, line].slice(-20);
  }
}

export class BenchCluster {
  readonly master: BenchNode;
  readonly secondaries: readonly BenchNode[];

  constructor(private readonly options: ClusterOptions) {
    this.master = new BenchNode('master', 'master', options);
    const numbers = Array.from({ length: options.secondaries }, (_, at) => at + 1);
    this.secondaries = numbers.map((number) => new BenchNode(`secondary-${number}`, 'secondary', options));
  }

  get nodes(): readonly BenchNode[] {
    return [this.master, ...this.secondaries];
  }

  /** Returns when appends are taken and every secondary has caught up. */
  async start(): Promise<this> {
    const SECONDARIES = this.secondaries.map(({ id }) => id).join(',');
    await Promise.all([this.master.start({ SECONDARIES }), ...this.secondaries.map((node) => node.start())]);
    await this.ready();
    return this;
  }

  async startMaster(): Promise<void> {
    await this.master.start({ SECONDARIES: this.secondaries.map(({ id }) => id).join(',') });
  }

  async ready(): Promise<void> {
    await eventually('the cluster takes appends', async () => {
      const { status, secondaries = [] } = await this.master.health();
      return status === 'ok' && secondaries.length === this.secondaries.length;
    });
  }

  /** Returns when every secondary holds what the master holds. */
  async agreed(): Promise<number> {
    const head = await this.master.position();
    for (const node of this.secondaries) {
      await eventually(`${node.id} reaches ${head}`, async () => (await node.position()) >= head, 600_000);
    }
    return head;
  }

  /** CPU time of each node while something is done, in microseconds, and what was done. */
  async withCpu<T>(act: () => Promise<T>): Promise<{ readonly done: T; readonly cpuMicros: readonly number[] }> {
    const before = this.nodes.map((node) => node.cpuMicros());
    const done = await act();
    return { done, cpuMicros: this.nodes.map((node, at) => node.cpuMicros() - (before[at] ?? 0)) };
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    rmSync(this.options.directory, { recursive: true, force: true });
  }
}

/** Linux counts CPU time in ticks, a hundred a second. */
const TICK_MICROS = 10_000;

function cpuMicrosOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field
    // behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** Asks again and again, a bounded time. */
export async function eventually(what: string, holds: () => Promise<boolean>, boundMs = START_MS_MAX): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${boundMs / 1000} s in vain until ${what}`);
    await delay(LOOK_MS);
  }
}
