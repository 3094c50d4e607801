/**
 * Looks at every node a few times a second: where it stands, and what a reader sees that asks for
 * what is committed. The committed entries have to be 1…k without a gap, and at each seq the same
 * at every look at every node (S1, S2, S6). A node may show another log, under that log's id: each
 * log is judged by itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '#protocol/entry';
import { Violation } from '../simulation/checks/violation';
import { type ChaosCluster, NODES } from './chaos-cluster';

export interface Look {
  /** Milliseconds since the beginning of the run. */
  readonly at: number;
  readonly node: string;
  /** `gone` for one that does not answer. */
  readonly status: string;
  readonly position: number;
  readonly epoch: number;
}

const BETWEEN_LOOKS_MS = 300;
const ANSWER_MS = 1_500;
const ENTRIES_A_LOOK = 2_000;

export class Observer {
  readonly looks: Look[] = [];
  /** Of each log, by seq. */
  private readonly orders = new Map<string, string[]>();
  /** Which log each node has shown, and up to which seq. */
  private readonly places = new Map<string, { readonly log: string | null; readonly seq: number }>();
  private isOver = false;
  running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly clock: () => number,
  ) {}

  start(): void {
    this.running = Promise.all(NODES.map((node) => this.watch(node)));
    this.running.catch(() => undefined);
  }

  /** Rejects with the first thing that no reader must see. */
  async stop(): Promise<void> {
    this.isOver = true;
    await this.running;
  }

  /** Did the node not answer, or not well, at some look since then? */
  sawTrouble(node: string, since: number): boolean {
    const bad = [
      'gone',
      'disconnected',
      'joining',
      'recovering',
      'standby',
      'read-only',
      'degraded',
      'catching-up',
      'foreign',
      'removed',
    ];
    return this.looks.some((look) => look.node === node && look.at >= since && bad.includes(look.status));
  }

  latest(node: string): Look | undefined {
    return this.looks.findLast((look) => look.node === node);
  }

  private async watch(node: string): Promise<void> {
    while (!this.isOver) {
      await this.look(node);
      await pause(BETWEEN_LOOKS_MS);
    }
  }

  private async look(node: string): Promise<void> {
    const at = this.clock();
    try {
      const health = (await this.cluster.ask(node, { path: '/health', withinMs: ANSWER_MS })).json();
      const position = Number(health.applied ?? health.head ?? 0);
      this.looks.push({ at, node, status: String(health.status), position, epoch: Number(health.epoch ?? 0) });
      await this.read(node);
    } catch (error) {
      if (error instanceof Violation) throw error;
      this.looks.push({ at, node, status: 'gone', position: 0, epoch: 0 });
    }
  }

  private async read(node: string): Promise<void> {
    const place = this.places.get(node) ?? { log: null, seq: 0 };
    const from = place.seq + 1;
    const path = `/messages?committed=true&from=${from}&limit=${ENTRIES_A_LOOK}`;
    const answer = await this.cluster.ask(node, { path, withinMs: ANSWER_MS });
    const log = answer.headers['rlog-log'];
    if (answer.status !== 200 || typeof log !== 'string') return;
    if (log !== place.log && from > 1) {
      // The next look begins with its first entry.
      this.places.set(node, { log, seq: 0 });
      return;
    }
    const entries = JSON.parse(answer.text) as Entry[];
    for (const [at, entry] of entries.entries()) this.check({ node, log }, entry, from + at);
    this.places.set(node, { log, seq: place.seq + entries.length });
  }

  private check({ node, log }: { readonly node: string; readonly log: string }, entry: Entry, seq: number): void {
    if (entry.seq !== seq) throw new Violation('S2', `${node} shows seq ${entry.seq} where ${seq} is next`);
    const order = this.orders.get(log) ?? [];
    this.orders.set(log, order);
    const text = JSON.stringify(entry);
    const known = order[seq];
    if (known === undefined) order[seq] = text;
    else if (known !== text)
      throw new Violation('S6', `${node} shows ${text} as committed, another has shown ${known}`);
  }
}
