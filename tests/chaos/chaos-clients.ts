/**
 * Clients of a chaos run: each asks one master after the other, again and again with the same id,
 * until it is answered or has had enough. Each attempt is written down with its beginning, its end
 * and what came of it, and judged by the simulator's `History`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { majority, requiredAcks, type WriteConcern } from '#protocol/write-concern';
import type { History, Operation } from '../simulation/checks/history';
import type { Answer } from '../support/http/ask';
import type { SeededRandom } from '../support/seeded-random';
import { type ChaosCluster, MASTERS, NotRunning, SECONDARIES } from './chaos-cluster';

type Outcome = 'ok' | 'refused' | 'unknown';

export interface Attempted {
  readonly client: number;
  readonly to: string;
  /** Milliseconds since the beginning of the run. */
  readonly from: number;
  readonly until: number;
  readonly outcome: Outcome;
  /** A problem's name, `connection`, or the seq. */
  readonly what: string;
  /** It was answered with w ≥ m. */
  readonly isSafe: boolean;
}

const CLIENTS = 6;
const TRIES_MAX = 12;
const ANSWER_MS = 8_000;
const NODES_COUNT = SECONDARIES.length + 1;
const CONCERNS: readonly WriteConcern[] = [1, 2, 3, 'majority', 'majority', 'majority', 4, 'all'];

export class ChaosClients {
  readonly attempts: Attempted[] = [];
  private readonly stopping = new AbortController();
  running: Promise<unknown> = Promise.resolve();
  private texts = 0;

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly history: History,
    private readonly random: SeededRandom,
    private readonly clock: () => number,
  ) {}

  start(): void {
    this.running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.live(client)));
    this.running.catch(() => undefined);
  }

  /**
   * Begins nothing new; resolves when every attempt has ended. Rejects with a breach that an answer
   * has shown.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** One append; by default all nodes are asked for. What came of it is for the caller. */
  async append(to: string, w: WriteConcern = 'all'): Promise<Outcome> {
    const { operation, id } = this.begin();
    return this.attempt({ client: -1, to, operation, id, w });
  }

  private async live(client: number): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await pause(1 + this.random.below(60));
      const { operation, id } = this.begin();
      const w = this.random.pick(CONCERNS);
      const hasId = this.random.chance(0.8);
      for (let tries = 0; tries < (hasId ? TRIES_MAX : 1); tries += 1) {
        const to = MASTERS[(tries + (this.random.chance(0.2) ? 1 : 0)) % 2] ?? 'master';
        const outcome = await this.attempt({ client, to, operation, id: hasId ? id : null, w });
        if (outcome === 'ok' || this.stopping.signal.aborted) break;
        await pause(20 + this.random.below(400));
      }
    }
  }

  private begin(): { operation: Operation; id: string } {
    this.texts += 1;
    const text = `chaos ${this.texts} ${this.random.hex(6)}${this.random.chance(0.1) ? '.'.repeat(this.random.below(2_000)) : ''}`;
    return { operation: this.history.begin([text]), id: `id-${this.texts}` };
  }

  private async attempt(ask: {
    readonly client: number;
    readonly to: string;
    readonly operation: Operation;
    readonly id: string | null;
    readonly w: WriteConcern;
  }): Promise<Outcome> {
    const { client, to, operation, id, w } = ask;
    const from = this.clock();
    this.history.try(operation);
    const [message] = operation.texts;
    const timeoutMs = this.random.chance(0.5) ? { timeoutMs: 200 + this.random.below(4_000) } : {};
    const body = JSON.stringify({ message, w, ...(id === null ? {} : { id }), ...timeoutMs });
    const headers = { 'Content-Type': 'application/json' };
    const judged = await this.cluster
      .ask(to, { method: 'POST', path: '/messages', headers, body, withinMs: ANSWER_MS })
      .then((answer) => this.take(operation, answer))
      .catch((error: unknown) => this.missed(operation, error));
    this.attempts.push({ client, to, from, until: this.clock(), ...judged });
    return judged.outcome;
  }

  private take(operation: Operation, answer: Answer): Pick<Attempted, 'outcome' | 'what' | 'isSafe'> {
    const told = answer.json();
    if (answer.status === 201 || answer.status === 200) {
      const seq = Number(told.seq);
      const isSafe = requiredAcks(Number(told.w), NODES_COUNT) >= majority(NODES_COUNT);
      this.history.recordAcknowledged(operation, { seq, isSafe });
      return { outcome: 'ok', what: String(seq), isSafe };
    }
    const what = String(told.type ?? answer.status).replace('/problems/', '');
    if (told.stored === false) {
      this.history.recordRefused(operation);
      return { outcome: 'refused', what, isSafe: false };
    }
    this.history.recordUnknown();
    return { outcome: 'unknown', what, isSafe: false };
  }

  private missed(operation: Operation, error: unknown): Pick<Attempted, 'outcome' | 'what' | 'isSafe'> {
    if (error instanceof Error && error.name === 'Violation') throw error;
    const code = (error as { code?: string }).code;
    if (error instanceof NotRunning || code === 'ECONNREFUSED') {
      this.history.recordRefused(operation);
      return { outcome: 'refused', what: 'not running', isSafe: false };
    }
    this.history.recordUnknown();
    return { outcome: 'unknown', what: code ?? 'no answer', isSafe: false };
  }
}
