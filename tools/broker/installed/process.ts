/**
 * A private RabbitMQ node as processes: its epmd (in the foreground and ours, so that it can be
 * stopped; the one that Erlang would start by itself outlives it and is shared with strangers) and
 * the server.
 *
 * Down → up by start(), up → down by halt(), kill() or by dying. epmd is started with the first
 * start and ends with dispose(), since a killed node's restart needs it as much as the first start
 * did.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../bounded';
import { runCommand } from '../command';
import { awaitGone, descendants, signalProcess } from '../supervision/processes';
import type { SupervisedBroker, SupervisionEvents } from '../supervision/supervised';

export interface NodeProcessSpec {
  readonly kind: 'private-node';
  readonly script: string;
  readonly epmd: string;
  readonly epmdPort: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly nodeName: string;
  readonly console: string;
  readonly epmdConsole: string;
  readonly folders: readonly string[];
  readonly wipeFolders: readonly string[];
}

/**
 * An orderly stop takes about a second; five leave time to close queues, and the whole stays below
 * eight.
 */
const HALT_MS = 5_000;

/** A tenth of a second, unless the machine is very busy. */
const SILENCE_MS = 1_500;

/** After SIGKILL only the system is left to act. */
const KILLED_MS = 2_000;

/** epmd listens within milliseconds; a slow machine gets a hundred times that. */
const EPMD_MS = 3_000;

/**
 * Windows of time in which a freshly killed node's files can still appear while they are being
 * deleted.
 */
const DELETE_RETRIES = { maxRetries: 5, retryDelay: 100 };

export class NodeProcess implements SupervisedBroker {
  private server: ChildProcess | undefined;
  private epmd: ChildProcess | undefined;
  /**
   * The server that was told to end; its exit may be heard only after the next one has been
   * started.
   */
  private ending: ChildProcess | undefined;

  constructor(
    private readonly spec: NodeProcessSpec,
    private readonly events: SupervisionEvents,
  ) {}

  async start(): Promise<void> {
    for (const folder of this.spec.folders) mkdirSync(folder, { recursive: true });
    this.epmd ??= await this.startEpmd();
    const server = this.spawnLogged(this.spec.script, this.spec.args, this.spec.console);
    server.once('exit', (code, signal) => {
      if (this.server === server) this.server = undefined;
      if (this.ending !== server) this.events.died(signal ?? `exit code ${code}`);
    });
    await within(once(server, 'spawn'), KILLED_MS, `starting ${this.spec.script}`);
    this.server = server;
    this.announce();
  }

  async halt(): Promise<void> {
    const { server } = this;
    if (server?.pid === undefined) return;
    this.ending = server;
    const helpers = descendants(server.pid);
    await this.silenceStatistics();
    server.kill('SIGTERM');
    const stubborn = await awaitGone([server.pid], HALT_MS);
    if (stubborn.length > 0) server.kill('SIGKILL');
    await this.awaitEnd([server.pid, ...helpers]);
  }

  async kill(): Promise<void> {
    const { server } = this;
    if (server?.pid === undefined) return;
    this.ending = server;
    const helpers = descendants(server.pid);
    server.kill('SIGKILL');
    await this.awaitEnd([server.pid, ...helpers]);
  }

  async wipe(): Promise<void> {
    for (const folder of this.spec.wipeFolders) await rm(folder, { recursive: true, force: true, ...DELETE_RETRIES });
  }

  async dispose(): Promise<void> {
    const { epmd } = this;
    this.epmd = undefined;
    if (epmd === undefined) return;
    const ended = once(epmd, 'exit');
    epmd.kill('SIGKILL');
    await within(ended, KILLED_MS, 'the end of epmd');
  }

  /**
   * In RabbitMQ 3.10 the management plugin's event handler, when the broker stops, asks the very
   * process that waits for it to end (application_controller), and both wait for five seconds.
   * Removed beforehand, it asks while that process is free, and an orderly stop takes one second
   * instead of six. Where there is no such handler nothing happens, and where this fails the stop
   * is merely slower, so no failure is worth more than a line in the log.
   */
  private async silenceStatistics(): Promise<void> {
    const call = `rpc:call('${this.spec.nodeName}', gen_event, delete_handler, [rabbit_event, rabbit_mgmt_db_handler, stop], 1000)`;
    const name = [
      '-start_epmd',
      'false',
      '-sname',
      `stop-${process.pid}@localhost`,
      '-kernel',
      'inet_dist_use_interface',
      '{127,0,0,1}',
    ];
    try {
      const args = ['-noinput', '-hidden', ...name, '-eval', `${call}, erlang:halt().`];
      await runCommand('erl', args, { timeoutMs: SILENCE_MS, env: this.spec.env });
    } catch (error) {
      console.error('the statistics could not be ended beforehand:', error);
    }
  }

  /**
   * The helpers of a server (port programs) end by themselves when its pipes close; one that does
   * not is ended.
   */
  private async awaitEnd(pids: readonly number[]): Promise<void> {
    const stubborn = await awaitGone(pids, KILLED_MS);
    for (const pid of stubborn) signalProcess(pid, 'SIGKILL');
    const immortal = await awaitGone(stubborn, KILLED_MS);
    if (immortal.length > 0) throw new Error(`process ${immortal.join(', ')} survived SIGKILL`);
    this.server = undefined;
    this.announce();
  }

  private async startEpmd(): Promise<ChildProcess> {
    const epmd = this.spawnLogged(this.spec.epmd, this.epmdArgs(), this.spec.epmdConsole);
    await within(once(epmd, 'spawn'), EPMD_MS, `starting ${this.spec.epmd}`);
    epmd.once('exit', () => {
      if (this.epmd === epmd) this.epmd = undefined;
    });
    await awaitListening(this.spec.epmdPort, EPMD_MS);
    return epmd;
  }

  private epmdArgs(): string[] {
    return ['-port', String(this.spec.epmdPort), '-address', '127.0.0.1'];
  }

  private spawnLogged(command: string, args: readonly string[], log: string): ChildProcess {
    const output = openSync(log, 'a');
    try {
      return spawn(command, args, { env: this.spec.env, stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
  }

  private announce(): void {
    const processes = [
      { pid: this.server?.pid, mark: this.spec.args.join(' ') },
      { pid: this.epmd?.pid, mark: this.epmdArgs().join(' ') },
    ];
    this.events.running(processes.flatMap(({ pid, mark }) => (pid === undefined ? [] : [{ pid, mark }])));
  }
}

async function awaitListening(port: number, boundMs: number): Promise<void> {
  const deadline = Date.now() + boundMs;
  for (;;) {
    const socket = connect({ port, host: '127.0.0.1' });
    try {
      await once(socket, 'connect');
      return;
    } catch (cause) {
      if (Date.now() >= deadline) throw new Error(`nothing listens on port ${port} after ${boundMs} ms`, { cause });
    } finally {
      socket.destroy();
    }
    await delay(20);
  }
}
