/**
 * A RabbitMQ of one test file's own, for what would hurt others: stopped, killed, out of memory.
 * Its command line tool is run with the node's own cookie and name service, which the environment
 * of the running node tells.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommand } from '#tools/broker/command';
import { OwnBroker } from '#tools/broker/own-broker';
import { findServer } from '#tools/broker/private-node';
import { provideBroker } from '#tools/broker/provide';
import type { TestBroker } from './amqp-support';

const CTL_MS = 20_000;

export class PrivateNode implements TestBroker {
  private constructor(
    readonly server: OwnBroker,
    private readonly dataDir: string,
    private readonly script: string,
  ) {}

  /** Null: this machine has no rabbitmq-server, and a container's tools are out of reach here. */
  static async launch(): Promise<PrivateNode | null> {
    const found = findServer(process.env);
    if ('missing' in found || process.platform !== 'linux') return null;
    const dataDir = await mkdtemp(join(tmpdir(), 'rlog-amqp-'));
    const env = { ...process.env, AMQP_URL: undefined };
    const server = await provideBroker({
      name: 'rlog-amqp',
      log: () => undefined,
      env,
      dataDir,
      ways: ['private-node'],
    });
    if (!(server instanceof OwnBroker)) throw new Error('not a broker of our own');
    return new PrivateNode(server, dataDir, found.script);
  }

  get url(): string {
    return this.server.amqpUrl;
  }

  get management(): string {
    return this.server.management;
  }

  async ctl(...args: readonly string[]): Promise<void> {
    const pid = readFileSync(join(this.dataDir, 'rabbitmq.pid'), 'utf8').trim();
    const env = Object.fromEntries(
      readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const tool = join(dirname(this.script), 'rabbitmqctl');
    await runCommand([tool, '-n', env.RABBITMQ_NODENAME ?? '', ...args], { timeoutMs: CTL_MS, env });
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
