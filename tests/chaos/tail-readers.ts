/**
 * Readers that follow the log as server-sent events, now at one node, now at another, and hold exactly what they were told: each entry that
 * came, less what a `reset` has taken back. They go on with the id of the last event, whatever happened to the node that sent it (S9).
 *
 * A reader of what is committed never sees a reset of a log's own making, and never another entry where it saw one. At the end each holds the log.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '../../shared/protocol/entry';
import { isForeign } from '../../shared/protocol/identity';
import { parseResumePoint } from '../../shared/protocol/resume-token';
import { Violation } from '../simulation/violation';
import { followEvents, type SentEvent } from '../support/event-stream';
import type { SeededRandom } from '../support/seeded-random';
import { type ChaosCluster, NODES } from './chaos-cluster';

const FINISH_MS = 60_000;
const BETWEEN_LOOKS_MS = 200;

export interface TailCounts {
  readonly connections: number;
  readonly events: number;
  readonly resets: Readonly<Record<string, number>>;
}

interface TailKind {
  readonly name: string;
  readonly committed: boolean;
  /** Does it name the log, once it knows it? Then no node with another one answers it. */
  readonly namesLog: boolean;
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
    for (const reader of this.readers) for (const reason of reader.resets) resets[reason] = (resets[reason] ?? 0) + 1;
    const sum = (of: (reader: TailReader) => number) => this.readers.reduce((total, reader) => total + of(reader), 0);
    return { connections: sum(({ connections }) => connections), events: sum(({ events }) => events), resets };
  }

  /** Resolves when every reader holds this log, and follows it no more. Rejects with the first breach. */
  async finish(log: readonly Entry[]): Promise<void> {
    const texts = log.map((entry) => JSON.stringify(entry));
    const deadline = performance.now() + FINISH_MS;
    for (;;) {
      const difference = this.readers.flatMap((reader) => reader.differenceTo(texts) ?? [])[0];
      if (difference === undefined) break;
      if (performance.now() >= deadline) throw new Violation('S9', `not within ${FINISH_MS} ms: ${difference}`);
      await Promise.race([pause(BETWEEN_LOOKS_MS), this.running]);
    }
    await this.stop();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }
}

class TailReader {
  readonly resets: string[] = [];
  connections = 0;
  events = 0;
  /** The entry with seq s is at s − 1. */
  private readonly held: string[] = [];
  /** Of what was committed, by log and seq: it is so for ever. */
  private readonly seen = new Map<string, string>();
  private lastEventId: string | null = null;
  /** Log that the entries held are of; null: none is held, or none was heard of. */
  private log: string | null = null;

  constructor(
    private readonly kind: TailKind,
    private readonly parts: { readonly cluster: ChaosCluster; readonly random: SeededRandom },
  ) {}

  async run(stopping: AbortSignal): Promise<void> {
    const { random } = this.parts;
    while (!stopping.aborted) {
      await this.follow(random.pick(NODES), 200 + random.below(6_000), stopping);
      await pause(random.below(200));
    }
  }

  differenceTo(texts: readonly string[]): string | null {
    const { name } = this.kind;
    const at = texts.findIndex((text, index) => text !== this.held[index]);
    if (at < 0 && this.held.length === texts.length) return null;
    const theirs = `it has ${this.held.length} of ${texts.length} entries, the last event was ${this.lastEventId}`;
    return at < 0
      ? `${name} holds entries beyond the log: ${theirs}`
      : `${name} holds ${this.held[at] ?? 'nothing'} at seq ${at + 1}, the log ${texts[at]}; ${theirs}`;
  }

  private async follow(node: string, forMs: number, stopping: AbortSignal): Promise<void> {
    const { cluster } = this.parts;
    const url = cluster.urlOf(node);
    if (url === null || cluster.processOf(node) === null) return;
    const query = new URLSearchParams();
    if (this.kind.committed) query.set('committed', 'true');
    if (this.kind.namesLog && this.log !== null) query.set('log', this.log);
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(forMs)]);
    this.connections += 1;
    await followEvents({
      url: `${url}/messages?${query.toString()}`,
      lastEventId: this.lastEventId,
      signal,
      take: (event) => this.take(node, event),
    });
  }

  private take(node: string, event: SentEvent): void {
    this.events += 1;
    if (event.type === 'error') return;
    if (event.type === 'reset') this.reset(node, event);
    else this.append(node, event);
    this.lastEventId = event.id;
  }

  private reset(node: string, { id, data }: SentEvent): void {
    const { name, committed } = this.kind;
    const { reason, from } = JSON.parse(data) as { reason: string; from: number };
    this.resets.push(reason);
    const said = `${node} tells ${name}, which has ${this.held.length} entries, the last by ${this.lastEventId}: ${reason}, from ${from}`;
    if (committed && reason === 'cut') throw new Violation('S9', `what is committed is cut: ${said}`);
    if (from > this.held.length + 1) throw new Violation('S9', `a reset leaves a hole: ${said}`);
    this.held.length = from - 1;
    if (this.held.length === 0) this.log = logIn(id);
  }

  private append(node: string, { id, data }: SentEvent): void {
    const { name, committed } = this.kind;
    const { seq } = JSON.parse(data) as Entry;
    const log = logIn(id);
    if (log === null) throw new Violation('S9', `${node} sends ${name} an entry with the id ${id}`);
    if (seq !== this.held.length + 1)
      throw new Violation('S9', `${node} sends ${name} seq ${seq}, and ${this.held.length + 1} is next`);
    if (isForeign(log, this.log))
      throw new Violation('S9', `${node} sends ${name} seq ${seq} of log ${log} behind entries of ${this.log}`);
    this.log = log;
    this.held.push(data);
    if (!committed) return;
    const key = `${log} ${seq}`;
    const known = this.seen.get(key);
    if (known !== undefined && known !== data)
      throw new Violation('S9', `${node} sends ${name} ${data} as committed, which was ${known} before`);
    this.seen.set(key, data);
  }
}

function logIn(id: string): string | null {
  const point = parseResumePoint(id);
  return point?.kind === 'token' ? point.token.log : null;
}
