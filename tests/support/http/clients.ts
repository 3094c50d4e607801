/**
 * Clients as the documentation asks for them: each append has an id of its own and is sent again
 * with it, after a refusal or a lost connection, until it is acknowledged. They keep book of what
 * they sent and of what they were told, so that a test can compare the logs with it at the end,
 * whatever happened in between.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { RealNode } from '../real/cluster';
import type { Answer } from './ask';

export type WriteConcern = number | 'majority' | 'all';

export interface Acknowledged {
  readonly id: string;
  readonly message: string;
  readonly seq: number;
  readonly w: WriteConcern;
  /** From the first try to the answer. */
  readonly elapsedMs: number;
}

/** Anything but an acknowledgement: a problem's name, or `connection` when there was no answer. */
interface Setback {
  readonly id: string;
  readonly why: string;
  /** What the problem says of the entry. */
  readonly stored?: unknown;
}

/**
 * A client's own backoff, and the pause between two appends of one that never stops: tens of
 * appends a second.
 */
const RETRY_MS = 50;
const PACE_MS = 20;
const BULK_ENTRIES = 5_000;
const MIX: readonly WriteConcern[] = [1, 2, 'all'];

const all = new Set<Clients>();

// Those of a test that failed would try for ever.
afterAll(() => {
  for (const clients of all) clients.abandon();
});

export class Clients {
  /** Every message that was ever sent, by id. */
  readonly sent = new Map<string, string>();
  readonly acknowledged: Acknowledged[] = [];
  readonly setbacks: Setback[] = [];
  private streams: Promise<void>[] = [];
  private failure: Error | null = null;
  private isAbandoned = false;
  private stopping = new AbortController();

  /** @param master whom to ask; looked up for each try, as a client looks up an address */
  constructor(private readonly master: () => RealNode) {
    all.add(this);
  }

  /**
   * One append, tried until it is acknowledged. `padding` makes the message so many bytes longer.
   */
  async append(w: WriteConcern, padding = 0): Promise<Acknowledged> {
    const id = `client-${this.sent.size + 1}`;
    const message = `message of ${id}${'.'.repeat(padding)}`;
    this.sent.set(id, message);
    const startedAt = performance.now();
    while (!this.isAbandoned) {
      const answer = await this.tryOnce({ id, message, w });
      if (answer !== null) {
        const { seq } = answer.json();
        const acknowledged = { id, message, seq: Number(seq), w, elapsedMs: Math.round(performance.now() - startedAt) };
        this.acknowledged.push(acknowledged);
        return acknowledged;
      }
      await pause(RETRY_MS);
    }
    throw new Error(`${id} was given up`);
  }

  /** Whatever was not acknowledged will not be. */
  abandon(): void {
    this.isAbandoned = true;
    this.stopping.abort();
  }

  /** So many appends at once. */
  burst(count: number, w: WriteConcern): Promise<Acknowledged[]> {
    return Promise.all(Array.from({ length: count }, () => this.append(w)));
  }

  /**
   * Makes a long log fast: bulks of small entries, `count` of them, several at a time. Nothing is
   * tried again.
   */
  async flood(count: number, padding: number): Promise<void> {
    const bulks: Promise<void>[] = [];
    for (let at = 0; at < count; at += BULK_ENTRIES) bulks.push(this.bulk(Math.min(BULK_ENTRIES, count - at), padding));
    await Promise.all(bulks);
  }

  /**
   * Appends until `stop`: one client for each concern, so that one that waits holds up no other.
   */
  keepAppending(concerns: readonly WriteConcern[] = MIX): void {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    this.streams = concerns.map((w) => this.stream(w, signal).catch((error: unknown) => this.fail(error)));
  }

  /** Begins no further append and waits for the answers to those that were begun. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.streams);
    if (this.failure !== null) throw this.failure;
  }

  /**
   * What clients were told instead of an acknowledgement since the first `after` setbacks, for a
   * table: `503 no-quorum`; '' for nothing.
   */
  toldSince(after: number): string {
    const told = this.setbacks.slice(after).map(({ why }) => (why === 'connection' ? 'no answer' : `503 ${why}`));
    return [...new Set(told)].join(', ');
  }

  private async bulk(count: number, padding: number): Promise<void> {
    const from = this.sent.size + 1;
    const lines = Array.from({ length: count }, (_, at) => ({
      id: `client-${from + at}`,
      message: `message of client-${from + at}${'.'.repeat(padding)}`,
    }));
    for (const { id, message } of lines) this.sent.set(id, message);
    const answer = await this.master().ask({
      method: 'POST',
      path: '/messages?w=2',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    });
    if (answer.status !== 201) throw new Error(`POST /messages: ${answer.status} ${answer.text}`);
    const first = Number(answer.json().first);
    for (const [at, line] of lines.entries()) this.acknowledged.push({ ...line, seq: first + at, w: 2, elapsedMs: 0 });
  }

  private async stream(w: WriteConcern, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.append(w);
      await pause(PACE_MS);
    }
  }

  private fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
  }

  /** The answer that acknowledges it; null: to be tried again. */
  private async tryOnce(append: { id: string; message: string; w: WriteConcern }): Promise<Answer | null> {
    const { id } = append;
    let answer: Answer;
    try {
      answer = await this.master().post(append);
    } catch {
      // Refused, reset or ended without an answer: whether it was appended is not known.
      this.setbacks.push({ id, why: 'connection' });
      return null;
    }
    if (answer.status === 200 || answer.status === 201) return answer;
    if (answer.status !== 503) throw new Error(`POST /messages: ${answer.status} ${answer.text}`);
    const { type, stored } = answer.json();
    this.setbacks.push({ id, why: String(type).replace('/problems/', ''), stored });
    return null;
  }
}
