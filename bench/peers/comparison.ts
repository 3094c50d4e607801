/**
 * Measures our cluster and its peers side by side, in rounds: each system is started alone, warmed
 * up, measured and stopped, and the next round goes through them in the opposite order, so that
 * what the machine does meanwhile meets all of them. A peer that is not installed is skipped with
 * the reason; one that fails is skipped for good, and the others go on.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Histogram } from '../load/histogram';
import { inClosedLoop } from '../load/load';
import type { Options } from '../options';
import { describeMachine, systemLoad } from '../report/report';
import { etcd } from './etcd';
import { nats } from './nats';
import { installOfficialClients, versionOfOfficialClient } from './official/install';
import { ownSystem } from './own';
import {
  BULK,
  CLIENT_KINDS,
  type ClientKind,
  type PeerName,
  type PeersRun,
  type RoundMeasured,
  type RunningSystem,
  type System,
  type SystemFacts,
  type SystemResult,
} from './peer';
import { NotInstalled, PeerSandbox } from './peer-sandbox';
import { postgres } from './postgres';
import { ratiosOf } from './ratios';
import { redis } from './redis';
import { linesOfRound } from './report';

const PEERS: Readonly<Record<PeerName, System>> = { nats, etcd, redis, postgres };
const CLIENTS = 64;

interface Length {
  readonly rounds: number;
  /** Of one measurement, of three for each system and round. */
  readonly seconds: number;
  /** The same for all, as what runs on a virtual machine is slow at first. */
  readonly warmUpSeconds: number;
}

const QUICK: Length = { rounds: 1, seconds: 3, warmUpSeconds: 2 };
const FULL: Length = { rounds: 3, seconds: 10, warmUpSeconds: 5 };

/** More than any stall that is still worth a number. */
const STALL_MS_MAX = 60_000;

/** What is known of one system with one of its clients so far. */
interface Progress {
  readonly system: System;
  readonly client: ClientKind;
  readonly rounds: RoundMeasured[];
  facts?: SystemFacts;
  missing?: string;
}

export class PeerComparison {
  hasFailed = false;
  private readonly length: Length;
  private readonly progress: readonly Progress[];
  private readonly syncMs: number[] = [];
  private readonly load = systemLoad();
  private sandbox: PeerSandbox | null = null;
  private installed: Promise<void> | null = null;
  private running: Promise<PeersRun> | null = null;
  private hasEnded = false;

  constructor(
    private readonly options: Options,
    private readonly say: (text: string) => void,
  ) {
    this.length = options.isQuick ? QUICK : FULL;
    const own: Progress = { system: ownSystem(options), client: 'small', rounds: [] };
    const peers = options.peers.flatMap((name) =>
      CLIENT_KINDS.map((client): Progress => ({ system: PEERS[name], client, rounds: [] })),
    );
    this.progress = [own, ...peers];
  }

  /**
   * @param onProgress after each system of each round, so that a run which is stopped has said
   * something
   */
  run(onProgress: (run: PeersRun) => void): Promise<PeersRun> {
    this.running = this.runRounds(onProgress);
    return this.running;
  }

  /** Stops whatever runs; returns when nothing of it is left. */
  async end(): Promise<void> {
    this.hasEnded = true;
    await this.sandbox?.stop();
    await this.running?.catch(() => 'it says so itself');
  }

  private async runRounds(onProgress: (run: PeersRun) => void): Promise<PeersRun> {
    for (let round = 1; round <= this.length.rounds; round += 1) {
      this.say(`round ${round} of ${this.length.rounds}`);
      for (const progress of round % 2 === 1 ? this.progress : this.progress.toReversed()) {
        if (progress.missing !== undefined) continue;
        await this.measureIn(progress);
        if (this.hasEnded) throw new Error('the benchmark was stopped');
        onProgress(this.soFar());
      }
    }
    return this.soFar();
  }

  private async measureIn(progress: Progress): Promise<void> {
    const title = `${progress.system.title}, ${clientOf(progress)}`;
    this.say(`${title} …`);
    const sandbox = new PeerSandbox();
    this.sandbox = sandbox;
    try {
      if (progress === this.progress[0]) this.syncMs.push(syncOnce(sandbox.directory));
      if (progress.client === 'official') await this.officialClients(sandbox.signal);
      const running = await progress.system.start(sandbox, progress.client);
      const { version, durable, configuration } = running;
      progress.facts = { version, durable, configuration };
      const measured = await measureRound(running, this.length);
      progress.rounds.push(measured);
      this.say(`    ${linesOfRound(measured)}`);
    } catch (error) {
      if (!(error instanceof NotInstalled)) this.hasFailed = true;
      progress.missing = error instanceof Error ? error.message : String(error);
      this.say(`    ${title} is skipped: ${progress.missing}`);
      if (!(error instanceof NotInstalled)) this.say(sandbox.lastWords());
    } finally {
      await sandbox.stop();
    }
  }

  /** Installs them once in a run, also when it fails. @throws NotInstalled */
  private officialClients(signal: AbortSignal): Promise<void> {
    this.installed ??= installOfficialClients(this.say, signal);
    return this.installed;
  }

  private soFar(): PeersRun {
    const systems = this.progress.map(resultOf);
    return {
      at: new Date().toISOString(),
      isQuick: this.options.isQuick,
      machine: describeMachine(),
      load: [this.load, systemLoad()],
      secondsEach: this.length.seconds,
      syncMs: this.syncMs,
      systems,
      ratios: ratiosOf(systems),
    };
  }
}

function resultOf(progress: Progress): SystemResult {
  const { system, facts, rounds, missing } = progress;
  const client = clientOf(progress);
  return { title: system.title, client, ...facts, rounds, ...(missing === undefined ? {} : { missing }) };
}

function clientOf({ system: { officialClient }, client }: Progress): string {
  if (officialClient === undefined) return 'HTTP';
  return client === 'official' ? `${officialClient} ${versionOfOfficialClient(officialClient)}` : 'small client';
}

async function measureRound(system: RunningSystem, { seconds, warmUpSeconds }: Length): Promise<RoundMeasured> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => system.connect()));
  const loop = (count: number, entries: number, length: number) =>
    inBound(
      inClosedLoop(
        clients.slice(0, count).map((client) => () => client.append(entries)),
        { seconds: length },
      ),
      length,
    );
  try {
    await loop(CLIENTS, 1, warmUpSeconds);
    const one = await loop(1, 1, seconds);
    const single = await loop(CLIENTS, 1, seconds);
    const bulk = await loop(CLIENTS, BULK, seconds);
    return {
      oneMs: one.latencyMs,
      singlePerSecond: single.perSecond,
      singleMs: single.latencyMs,
      bulkPerSecond: bulk.perSecond * BULK,
      bulkMs: bulk.latencyMs,
    };
  } finally {
    await Promise.allSettled(clients.map(async (client) => client.close()));
  }
}

/** A system that does not answer must not hold up the others. */
async function inBound<T>(done: Promise<T>, seconds: number): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error('it stopped answering')), seconds * 1000 + STALL_MS_MAX);
  });
  return Promise.race([done, tooLate]).finally(() => clearTimeout(late));
}

const SYNC_BYTES = Buffer.alloc(128, 97);
const SYNCS = 300;

/** What the disk asks for: the median of a short write at a file's end and its fdatasync, in ms. */
function syncOnce(directory: string): number {
  const file = openSync(join(directory, 'sync'), 'a');
  const histogram = new Histogram();
  for (let at = 0; at < SYNCS; at += 1) {
    const from = performance.now();
    writeSync(file, SYNC_BYTES);
    fdatasyncSync(file);
    histogram.record(performance.now() - from);
  }
  closeSync(file);
  return histogram.percentiles.p50;
}
