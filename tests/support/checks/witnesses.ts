/**
 * Clients that ask once and keep what they were told, to be held against the log at the end: 201 is
 * there, once; a refusal with `stored: false` never is; of anything else there is one at most, and
 * one exactly after a retry with its id.
 */
import type { Entry } from '#protocol/entry';
import type { Answer } from '../http/ask';
import type { Acknowledged, WriteConcern } from '../http/clients';
import type { RealNode } from '../real/cluster';
import type { Book } from './converged';

interface Told {
  readonly id: string;
  readonly message: string;
}

export class Witnesses {
  /** Every message that was ever sent, by id. */
  readonly sent = new Map<string, string>();
  readonly acknowledged: Acknowledged[] = [];
  /** In no log, as their clients were told. */
  readonly refused: (Told & { readonly why: string })[] = [];
  /** No answer, or one that leaves it open; `why` as in the problem's name, or `connection`. */
  unknown: (Told & { readonly why: string })[] = [];

  /** @param name distinguishes their ids from those of other clients of the same log */
  constructor(private readonly name = 'witness') {}

  /** One append with a new id; never rejects for what became of it. Null: there was no answer. */
  ask(node: RealNode, w: WriteConcern): Promise<Answer | null> {
    const id = `${this.name}-${this.sent.size + 1}`;
    const message = `message of ${id}`;
    this.sent.set(id, message);
    return this.try(node, { id, message }, w);
  }

  /** So many at once, with each of the concerns in turn. */
  askMany(node: RealNode, count: number, concerns: readonly WriteConcern[]): Promise<unknown> {
    return Promise.all(Array.from({ length: count }, (_, at) => this.ask(node, concerns[at % concerns.length] ?? 1)));
  }

  /** Everyone who does not know asks again with the id, and now has to be acknowledged. */
  async retryUnknown(node: RealNode, w: WriteConcern): Promise<void> {
    const open = this.unknown;
    this.unknown = [];
    await Promise.all(open.map((told) => this.try(node, told, w)));
    expect(this.unknown).toEqual([]);
  }

  /** What the log must look like for all of them to have been told the truth. */
  expectTrue(log: readonly Entry[]): void {
    const counts = new Map<string, number>();
    for (const { id } of log) counts.set(id, (counts.get(id) ?? 0) + 1);
    expect(this.acknowledged.filter(({ id }) => counts.get(id) !== 1)).toEqual([]);
    expect(this.refused.filter(({ id }) => counts.has(id))).toEqual([]);
    expect(this.unknown.filter(({ id }) => (counts.get(id) ?? 0) > 1)).toEqual([]);
  }

  private async try(node: RealNode, { id, message }: Told, w: WriteConcern): Promise<Answer | null> {
    const told = { id, message };
    const askedAt = performance.now();
    let answer: Answer;
    try {
      answer = await node.post({ ...told, w });
    } catch {
      // Reset or ended without an answer: whether it was appended is not known.
      this.unknown.push({ ...told, why: 'connection' });
      return null;
    }
    this.note({ ...told, w, elapsedMs: Math.round(performance.now() - askedAt) }, answer);
    return answer;
  }

  private note(asked: Omit<Acknowledged, 'seq'>, { status, text, json }: Answer): void {
    const { seq, type, stored } = json();
    const { id, message } = asked;
    const why = String(type).replace('/problems/', '');
    if (status === 200 || status === 201) this.acknowledged.push({ ...asked, seq: Number(seq) });
    else if (status !== 503) throw new Error(`POST /messages: ${status} ${text}`);
    else if (stored === false) this.refused.push({ id, message, why });
    else this.unknown.push({ id, message, why });
  }
}

/** The books of several, as one. */
export function booksOf(...books: readonly Book[]): Book {
  return {
    sent: new Map(books.flatMap(({ sent }) => [...sent])),
    acknowledged: books.flatMap(({ acknowledged }) => acknowledged),
  };
}
