/**
 * Our own cluster, as one more system: a master and two secondaries over a broker of its own, w=2.
 */
import { provideBroker } from '#tools/broker/provide';
import { BenchCluster } from '../cluster';
import { HttpConnection, requestOf, targetOf } from '../load/http-connection';
import { linesOf, ONE_APPEND } from '../load/load';
import type { Options } from '../options';
import { type AppendClient, BULK, type RunningSystem, type System } from './peer';

const CREATED = 201;

export function ownSystem({ dist, way }: Pick<Options, 'dist' | 'way'>): System {
  return {
    title: 'replicated-log',
    async start(sandbox): Promise<RunningSystem> {
      const { signal } = sandbox;
      const ways = way === null ? undefined : [way];
      const name = `bench-${process.pid}`;
      const broker = await provideBroker({ name, env: process.env, log: () => undefined, ways, signal });
      sandbox.onStop(() => broker.stop());
      const directory = sandbox.folder('cluster');
      const cluster = new BenchCluster({ amqpUrl: broker.amqpUrl, dist, directory, logName: name, secondaries: 2 });
      sandbox.onStop(() => cluster.stop());
      await cluster.start();
      return {
        version: `over ${broker.describe().split(',')[0]}`,
        durable: 'fsync on 2 of 3',
        configuration: [
          'a master and two secondaries, defaults, w=2: synced by the master and by one secondary before the answer; on its way an entry is in durable classic queues of the broker',
          'HTTP: `POST /messages` for each entry, NDJSON of 100 lines for a bulk append',
        ],
        connect: () => OwnClient.open(cluster.master.url),
      };
    },
  };
}

class OwnClient implements AppendClient {
  private readonly one = requestOf('POST', '/messages', {
    ...ONE_APPEND,
    bytes: ONE_APPEND.bytes.replace('{', '{"w":2,'),
  });
  private readonly bulk = requestOf('POST', '/messages?w=2', linesOf(BULK));

  private constructor(private readonly connection: HttpConnection) {}

  static async open(url: string): Promise<OwnClient> {
    return new OwnClient(await HttpConnection.open(targetOf(url)));
  }

  async append(count: number): Promise<void> {
    const { status, text } = await this.connection.ask(count === 1 ? this.one : this.bulk);
    if (status !== CREATED) throw new Error(`an append was answered ${status}: ${text.slice(0, 500)}`);
  }

  close(): void {
    this.connection.close();
  }
}
