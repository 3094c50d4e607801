/**
 * Clients that keep appending while something is being broken, as the documentation asks clients to
 * be: each message has an id and is sent again with it until it is acknowledged. Whoever breaks
 * things asks at the end for what was acknowledged.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../eventually';
import type { HttpNode } from './http-node';

const CLIENTS = 4;
/** A client's own backoff after a refusal. */
const RETRY_MS = 100;
/**
 * Between two appends of a client: a hundred a second altogether, so that the logs, which are read
 * whole, stay short.
 */
const PACE_MS = 25;
/** An answer may die with a container; a client must not wait for it for ever. */
const ANSWER_MS = 10_000;
/** Starting a broker on two busy cores, and everything behind it. */
const MORE_MS = 90_000;

export class AppendLoad {
  /** Message of every acknowledged append, by id. */
  readonly acknowledged = new Map<string, string>();
  /** Answers that were none, or were refusals: the trouble that the clients had. */
  setbacks = 0;
  private lastSetback = 'none';
  private isOver = false;
  private failure: Error | null = null;
  private readonly clients: Promise<unknown>;

  /** @param masters where to try, in turn: a client that gets no answer asks the next one */
  constructor(
    private readonly name: string,
    private readonly masters: readonly HttpNode[],
    private readonly w: number | 'majority' | 'all' = 'majority',
  ) {
    this.clients = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.run(client))).catch(
      (error: unknown) => {
        this.failure = error instanceof Error ? error : new Error(String(error));
      },
    );
  }

  /**
   * Until so many more than now are acknowledged: the log is of use again. Rejects when a client
   * got an answer that it cannot expect.
   */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count;
    await eventually(
      `${wanted} appends of ${this.name} are acknowledged`,
      () => {
        if (this.failure === null && this.acknowledged.size < wanted) {
          throw new Error(
            `${this.acknowledged.size} are, after ${this.setbacks} setbacks, the last: ${this.lastSetback}`,
          );
        }
      },
      { withinMs: MORE_MS },
    );
    if (this.failure !== null) throw this.failure;
  }

  /** Begins nothing new; every append that was begun is tried until it is acknowledged. */
  async stop(): Promise<void> {
    this.isOver = true;
    await this.clients;
    if (this.failure !== null) throw this.failure;
  }

  private async run(client: number): Promise<void> {
    for (let at = 1; !this.isOver; at += 1) {
      await this.append(`${this.name}-${client}-${at}`);
      await pause(PACE_MS);
    }
  }

  private async append(id: string): Promise<void> {
    const message = `message of ${id}`;
    for (let attempt = 0; !(await this.tryOnce({ id, message }, attempt)); attempt += 1) {
      this.setbacks += 1;
      await pause(RETRY_MS);
    }
    this.acknowledged.set(id, message);
  }

  private async tryOnce(append: { id: string; message: string }, attempt: number): Promise<boolean> {
    const master = this.masters[attempt % this.masters.length];
    if (master === undefined) throw new Error('a load needs a master');
    try {
      const { status, text } = await master.post({ ...append, w: this.w }, { withinMs: ANSWER_MS });
      if (status === 200 || status === 201) return true;
      this.lastSetback = `${status} ${text}`;
      if (status === 503) return false;
      throw new UnexpectedAnswer(`POST /messages: ${status} ${text}`);
    } catch (error) {
      // No answer: the entry may be in the log or not, and the id makes it safe to ask again.
      // Anything else: Node's own errors are of another realm than Jest's, so `instanceof Error`
      // would not know them.
      if (error instanceof UnexpectedAnswer) throw error;
      this.lastSetback = String(error);
      return false;
    }
  }
}

class UnexpectedAnswer extends Error {}
