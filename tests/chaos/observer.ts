/**
 * Looks at every node a few times a second: where it stands, and what a reader sees that asks for what is committed. The committed entries
 * have to be 1…k without a gap, and at each seq the same at every look at every node (S1, S2, S6).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '../../shared/protocol/entry';
import { Violation } from '../simulation/violation';
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
  private readonly order: string[] = [];
  private readonly seen = new Map<string, number>();
  private isOver = false;
  private running: Promise<unknown> = Promise.resolve();

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
    const bad = ['gone', 'disconnected', 'joining', 'recovering', 'standby', 'read-only', 'degraded', 'catching-up'];
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
    const from = (this.seen.get(node) ?? 0) + 1;
    const path = `/messages?committed=true&from=${from}&limit=${ENTRIES_A_LOOK}`;
    const answer = await this.cluster.ask(node, { path, withinMs: ANSWER_MS });
    if (answer.status !== 200) return;
    const entries = JSON.parse(answer.text) as Entry[];
    for (const [at, entry] of entries.entries()) this.check(node, entry, from + at);
    this.seen.set(node, from - 1 + entries.length);
  }

  private check(node: string, entry: Entry, seq: number): void {
    if (entry.seq !== seq) throw new Violation('S2', `${node} shows seq ${entry.seq} where ${seq} is next`);
    const text = JSON.stringify(entry);
    const known = this.order[seq];
    if (known === undefined) this.order[seq] = text;
    else if (known !== text)
      throw new Violation('S6', `${node} shows ${text} as committed, another has shown ${known}`);
  }
}
