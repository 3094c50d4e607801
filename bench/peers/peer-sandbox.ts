/**
 * The processes of one system under test: children of the benchmark, in a folder of their own, on
 * ports of their own. The system's services of the same name are not touched. `stop()` ends all of
 * them and deletes the folder; should the benchmark end without having come to that, its exit kills
 * them.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findExecutable } from '#tools/broker/private-node';

const STOP_MS_MAX = 10_000;
const LINES_KEPT = 12;

/** Where Debian puts daemons, whatever the caller's PATH says. */
const DAEMON_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin'];

/** Not a fault: the peer, or its official client, is skipped. */
export class NotInstalled extends Error {}

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

interface Command {
  readonly binary: string;
  readonly args: readonly string[];
  readonly user?: SystemUser | undefined;
}

export class PeerSandbox {
  readonly directory = mkdtempSync(join(tmpdir(), 'rlog-peer-'));
  private readonly children: ChildProcess[] = [];
  private readonly cleanUps: (() => Promise<void>)[] = [];
  private readonly stopping = new AbortController();
  private lastLines: string[] = [];
  private stopped: Promise<void> | null = null;
  private readonly kill = () => {
    for (const child of this.children) child.kill('SIGKILL');
  };

  constructor() {
    // Another user's process must be able to reach its own folder in this one.
    chmodSync(this.directory, 0o711);
    process.once('exit', this.kill);
  }

  /** Aborted when the sandbox is stopped. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  folder(name: string, user?: SystemUser): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    return path;
  }

  /** Starts what keeps running. Its last lines are kept for `lastWords`. */
  start({ binary, args, user }: Command, stopSignal: NodeJS.Signals = 'SIGTERM'): void {
    this.signal.throwIfAborted();
    const child = spawn(binary, [...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.directory, ...user });
    this.children.push(child);
    child.on('error', (error) => this.note(error.message));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => this.note(data.toString()));
    this.onStop(() => stopChild(child, stopSignal));
  }

  /** Runs what ends by itself. @returns its standard output */
  async run({ binary, args, user }: Command): Promise<string> {
    const options = { cwd: this.directory, signal: this.signal, ...user };
    return (await promisify(execFile)(binary, [...args], options)).stdout;
  }

  /** Called when the sandbox is stopped; the last one first, one after the other. */
  onStop(cleanUp: () => Promise<void>): void {
    this.cleanUps.unshift(cleanUp);
  }

  /** @throws Error when a process that should keep running does not: waiting for it is in vain */
  checkAlive(): void {
    this.signal.throwIfAborted();
    if (this.children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null))
      throw new Error('a process ended by itself');
  }

  lastWords(): string {
    return this.lastLines.join('\n');
  }

  stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    return this.stopped;
  }

  private async stopAll(): Promise<void> {
    this.stopping.abort(new Error('the benchmark is being stopped'));
    for (const cleanUp of this.cleanUps) await cleanUp();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    process.removeListener('exit', this.kill);
  }

  private note(text: string): void {
    this.lastLines = [...this.lastLines, ...text.trimEnd().split('\n')].slice(-LINES_KEPT);
  }
}

async function stopChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await gone;
  clearTimeout(late);
}

/** @param folders looked into after those of the PATH @throws NotInstalled */
export function findBinary(name: string, debianPackage: string, folders: readonly string[] = []): string {
  const found = findExecutable(name, process.env, [...DAEMON_FOLDERS, ...folders]);
  if (found === undefined)
    throw new NotInstalled(`${name} is not installed; on Debian: apt-get install ${debianPackage}`);
  return found;
}

/**
 * Who a daemon that refuses to be root can be: the first of these that exists. Undefined when we
 * are not root anyway.
 */
export function lesserUser(...names: readonly string[]): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const [, , uid, gid] = names.flatMap((name) => users.filter(([user]) => user === name))[0] ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`none of the users ${names.join(', ')} exists`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** The first number with dots in what a `--version` prints. */
export function versionIn(text: string): string {
  return /[0-9]+(?:\.[0-9]+)+/.exec(text)?.[0] ?? 'unknown';
}

/** Is `version` at least `least`, number by number? */
export function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  const at = least.findIndex((number, index) => (parts[index] ?? 0) !== number);
  return at < 0 || (parts[at] ?? 0) > (least[at] ?? 0);
}
