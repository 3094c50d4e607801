/**
 * What the rows of one run share: the broker, a cluster of two secondaries, the limits. All of it
 * is gone when the run is over.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BenchCluster, type ClusterOptions } from '../cluster';
import { rawPipeline } from '../limits/raw-pipeline';
import { bareKoa, rawStream } from '../limits/raw-server';
import { rawStore } from '../limits/raw-store';
import type { Options } from '../options';
import type { BenchContext, LimitMeasured, LimitName } from '../row';
import { type HttpConnection, requestOf, targetOf } from './http-connection';
import { ONE_APPEND, openAll } from './load';

const CLIENTS = 64;
/** Few enough for groups of one or two entries. */
const WARMING_CLIENTS = 4;

/**
 * A number of appends and not of seconds: what is compiled late on a busy machine would be measured
 * as slow. The master runs most of its code for each entry, a secondary for each group, and 64
 * clients put some 30 entries into one: with them alone the secondaries would still be compiling.
 */
async function warmUp(cluster: BenchCluster, appends: number): Promise<void> {
  for (const clients of [CLIENTS, WARMING_CLIENTS]) await append(cluster, appends, clients);
}

async function append(cluster: BenchCluster, appends: number, clients: number): Promise<void> {
  const request = requestOf('POST', '/messages', ONE_APPEND);
  const connections = await openAll(targetOf(cluster.master.url), clients);
  let left = appends;
  const appendOn = async (connection: HttpConnection) => {
    for (; left > 0; left -= 1) await connection.ask(request);
    connection.close();
  };
  await Promise.all(connections.map(appendOn));
}

const ENTRIES_A_BATCH = 100;

export class BenchSession implements BenchContext {
  readonly isQuick: boolean;
  readonly seconds: number;
  readonly soakMinutes: number;
  private readonly scratch = mkdtempSync(join(tmpdir(), 'rlog-bench-'));
  private readonly clusters: BenchCluster[] = [];
  private readonly limits = new Map<LimitName, Promise<LimitMeasured>>();
  private shared: Promise<BenchCluster> | null = null;

  constructor(
    readonly amqpUrl: string,
    private readonly options: Options,
    readonly say: (text: string) => void,
  ) {
    this.isQuick = options.isQuick;
    this.seconds = options.isQuick ? 3 : 10;
    this.soakMinutes = options.minutes;
  }

  cluster(): Promise<BenchCluster> {
    this.shared ??= this.createCluster(2, { profileDir: this.options.profile ?? undefined });
    return this.shared;
  }

  newCluster(secondaries: number, env: Readonly<Record<string, string>> = {}): Promise<BenchCluster> {
    return this.createCluster(secondaries, { env });
  }

  directory(name: string): string {
    const path = join(this.scratch, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  limit(name: LimitName): Promise<LimitMeasured> {
    const known = this.limits.get(name);
    if (known !== undefined) return known;
    this.say(`measures the limit: ${name}`);
    const measured = this.measureLimit(name, this.seconds);
    this.limits.set(name, measured);
    return measured;
  }

  measureLimit(name: LimitName, seconds: number): Promise<LimitMeasured> {
    const { amqpUrl, isQuick } = this;
    switch (name) {
      case 'bareKoa':
        return bareKoa({ clients: CLIENTS, seconds });
      case 'bareKoaOneClient':
        return bareKoa({ clients: 1, seconds });
      case 'rawPipeline':
        return rawPipeline(amqpUrl, { entriesABatch: ENTRIES_A_BATCH, seconds });
      case 'rawStore':
        return rawStore(this.directory('raw-store'), seconds);
      case 'rawStream':
        return rawStream(isQuick ? 300_000 : 1_000_000);
    }
  }

  /** Stops whatever still runs. */
  async end(): Promise<void> {
    await Promise.all(this.clusters.map((cluster) => cluster.stop()));
    rmSync(this.scratch, { recursive: true, force: true });
  }

  private async createCluster(
    secondaries: number,
    more: Pick<ClusterOptions, 'env' | 'profileDir'>,
  ): Promise<BenchCluster> {
    const number = this.clusters.length + 1;
    const { dist } = this.options;
    // No other session's: two may share a broker.
    const logName = `${basename(this.scratch)}-${number}`;
    const directory = this.directory(`cluster-${number}`);
    const cluster = new BenchCluster({ amqpUrl: this.amqpUrl, dist, directory, logName, secondaries, ...more });
    this.clusters.push(cluster);
    await cluster.start();
    await warmUp(cluster, this.isQuick ? 3_000 : 20_000);
    return cluster;
  }
}
