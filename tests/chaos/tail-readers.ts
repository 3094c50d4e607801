/**
 * Readers that follow the log as server-sent events, now at one node, now at another. They go on
 * with the id of the last event, whatever happened to the node that sent it. What they are sent is
 * judged by tail-copy.ts; at the end each holds exactly the log (S9).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '#protocol/entry';
import { Violation } from '../simulation/checks/violation';
import { followEvents } from '../support/http/event-stream';
import type { SeededRandom } from '../support/seeded-random';
import { type ChaosCluster, NODES } from './chaos-cluster';
import { TailCopy, type TailKind } from './tail-copy';

const LEVEL_MS = 60_000;
const BETWEEN_LOOKS_MS = 200;
const STAY_MS_MAX = 6_000;
const PAUSE_MS_MAX = 200;

export interface TailCounts {
  readonly connections: number;
  readonly events: number;
  readonly resets: Readonly<Record<string, number>>;
}

const READERS: readonly TailKind[] = [
  { name: 'reader-1', committed: true, namesLog: false },
  { name: 'reader-2', committed: true, namesLog: true },
  { name: 'reader-3', committed: false, namesLog: false },
];

export class TailReaders {
  readonly running: Promise<unknown>;
  private readonly readers: readonly TailReader[];
  private readonly stopping = new AbortController();

  constructor(cluster: ChaosCluster, random: SeededRandom) {
    this.readers = READERS.map((kind) => new TailReader(kind, { cluster, random: random.split(kind.name) }));
    this.running = Promise.all(this.readers.map((reader) => reader.run(this.stopping.signal)));
    this.running.catch(() => undefined);
  }

  get counts(): TailCounts {
    const resets: Record<string, number> = {};
    for (const reader of this.readers)
      for (const reason of reader.copy.resets) resets[reason] = (resets[reason] ?? 0) + 1;
    const sum = (of: (reader: TailReader) => number) => this.readers.reduce((total, reader) => total + of(reader), 0);
    return { connections: sum(({ connections }) => connections), events: sum(({ copy }) => copy.events), resets };
  }

  /** Resolves when every reader holds this log; all go on. Rejects with the first breach. */
  async untilLevel(log: readonly Entry[]): Promise<void> {
    const texts = log.map((entry) => JSON.stringify(entry));
    const deadline = performance.now() + LEVEL_MS;
    for (;;) {
      const difference = this.readers.flatMap(({ copy }) => copy.differenceTo(texts) ?? [])[0];
      if (difference === undefined) return;
      if (performance.now() >= deadline) throw new Violation('S9', `not within ${LEVEL_MS} ms: ${difference}`);
      await Promise.race([pause(BETWEEN_LOOKS_MS), this.running]);
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }
}

class TailReader {
  readonly copy: TailCopy;
  connections = 0;

  constructor(
    private readonly kind: TailKind,
    private readonly parts: { readonly cluster: ChaosCluster; readonly random: SeededRandom },
  ) {
    this.copy = new TailCopy(kind);
  }

  async run(stopping: AbortSignal): Promise<void> {
    const { random } = this.parts;
    while (!stopping.aborted) {
      await this.follow(random.pick(NODES), 200 + random.below(STAY_MS_MAX), stopping);
      await pause(random.below(PAUSE_MS_MAX));
    }
  }

  private async follow(node: string, forMs: number, stopping: AbortSignal): Promise<void> {
    const { cluster } = this.parts;
    const { committed, namesLog } = this.kind;
    const { log, lastEventId } = this.copy;
    const base = cluster.urlOf(node);
    if (stopping.aborted || base === null || cluster.processOf(node) === null) return;
    const query = new URLSearchParams({
      ...(committed ? { committed: 'true' } : {}),
      ...(namesLog && log !== null ? { log } : {}),
    });
    const url = `${base}/messages?${query.toString()}`;
    // No AbortSignal.any over AbortSignal.timeout: Node 20 may collect the two as garbage, and then
    // the reader never leaves.
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    const timer = setTimeout(leave, forMs);
    stopping.addEventListener('abort', leave);
    this.connections += 1;
    try {
      const { signal } = leaving;
      await followEvents({ url, lastEventId, signal, take: (event) => this.copy.take(node, event) });
    } finally {
      clearTimeout(timer);
      stopping.removeEventListener('abort', leave);
    }
  }
}
