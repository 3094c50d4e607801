/**
 * Forms the answer to a request with `atomic=false`: for each line of the request a line of JSON
 * that says what a single append would be answered, with its `status`. A line is sent as soon as
 * all lines before it have ended; lines that end together are sent together.
 *
 * What waits for a slow client are outcomes, not lines: an entry is read when its line is formed,
 * and a line is formed when the connection has taken those before it.
 */
import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { type Problem, problemBody } from '#http/problem';
import { CHUNK_BYTES } from '#http/reading/reads';
import type { LineListener, SectionOutcome } from '#master/core/append';
import { generatedId, parseGeneratedId } from '#protocol/entry';
import type { MasterPort } from '../ports';
import { committedAt, notStored, problemOfOutcome } from './answer';
import type { SeparateLines } from './separate-request';

type OutcomeOf<Name extends SectionOutcome['outcome']> = Extract<SectionOutcome, { readonly outcome: Name }>;

/** Media type of the answer. */
const NDJSON = 'application/x-ndjson';
const LINE_FEED = 0x0a;

/** How the lines of one request have ended, until the client has been told. */
export class LineAnswers implements LineListener {
  /** By the number of the first line; lines that were told together are one item. */
  private readonly ended = new Map<number, { readonly count: number; readonly outcome: SectionOutcome | Problem }>();
  /** The first line that has not been taken. */
  private at = 0;
  private failure: Error | null = null;
  private wake: (() => void) | null = null;

  constructor(
    private readonly lines: Pick<SeparateLines, 'count' | 'ids'>,
    problems: SeparateLines['problems'],
    private readonly master: MasterPort,
  ) {
    for (const [at, problem] of problems) this.ended.set(at, { count: 1, outcome: notStored(problem) });
  }

  told(at: number, count: number, outcome: SectionOutcome): void {
    this.ended.set(at, { count, outcome });
    if (at === this.at) this.wake?.();
  }

  failed(cause: unknown): void {
    this.failure = new Error('it is not known what became of a line', { cause });
    this.wake?.();
  }

  /** Have all lines been taken? */
  get isDone(): boolean {
    return this.at === this.lines.count;
  }

  /**
   * Resolves with the answers to the next lines, at least one, once they have ended. Rejects when
   * what became of a line cannot be told.
   */
  async next(): Promise<Buffer> {
    if (!this.ended.has(this.at) && this.failure === null)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    const texts: Buffer[] = [];
    let bytes = 0;
    for (let end = this.ended.get(this.at); end !== undefined && bytes < CHUNK_BYTES; end = this.ended.get(this.at)) {
      const text = await this.textOf(this.at, end.count, end.outcome);
      this.ended.delete(this.at);
      this.at += end.count;
      texts.push(text);
      bytes += text.length;
    }
    if (bytes === 0) throw this.failure ?? new Error(`line ${this.at} has ended without an outcome`);
    return Buffer.concat(texts);
  }

  private async textOf(at: number, count: number, outcome: SectionOutcome | Problem): Promise<Buffer> {
    if (!('outcome' in outcome)) return Buffer.from(lineOf(outcome));
    if (outcome.outcome === 'acknowledged') return this.acknowledged(count, outcome);
    const isCommitted = committedAt(this.master);
    if (outcome.outcome !== 'unresolved')
      return Buffer.from(lineOf(problemOfOutcome(outcome, isCommitted)).repeat(count));
    const each = Array.from({ length: count }, (_, line) => {
      const seq = outcome.seq - count + 1 + line;
      return lineOf(problemOfOutcome({ ...outcome, seq, id: this.idOf(at + line, seq, outcome) }, isCommitted));
    });
    return Buffer.from(each.join(''));
  }

  /** The id of a line of which only the last one's is known: the client's, or the next generated one. */
  private idOf(line: number, seq: number, { id }: OutcomeOf<'unresolved'>): string {
    return this.lines.ids[line] ?? generatedId(parseGeneratedId(id)?.reign ?? '', seq);
  }

  /**
   * The entries as they are stored, with what they share before each closing brace. A record has no
   * line feed, so a brace before one closes an entry; Latin-1 keeps every byte.
   */
  private async acknowledged(
    count: number,
    { repeated, seq: to, w, acks }: OutcomeOf<'acknowledged'>,
  ): Promise<Buffer> {
    const ending = `,"w":${w},"acks":${JSON.stringify(acks)},"status":${repeated ? 200 : 201}}\n`;
    let text = '';
    for (let from = to - count + 1; from <= to; ) {
      const range = { from, to, maxBytes: CHUNK_BYTES, separator: LINE_FEED };
      const read = await this.master.reader.readJoined(range);
      if (read.count === 0) throw new Error(`entry ${from} was acknowledged and cannot be read`);
      from += read.count;
      const { buffer, byteOffset, byteLength } = read.bytes;
      text += Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    }
    return Buffer.from(text.replaceAll('}\n', ending), 'latin1');
  }
}

function lineOf(problem: Problem): string {
  return `${problemBody(problem)}\n`;
}

/** Sends the answers: in one piece if all lines end together, otherwise as they come. */
export async function sendAnswers(ctx: Context, answers: LineAnswers): Promise<void> {
  const first = await answers.next();
  ctx.status = 200;
  ctx.set('Content-Type', NDJSON);
  ctx.body = answers.isDone ? first : Readable.from(piecesAfter(first, answers), PIECES);
}

const PIECES = { objectMode: false, highWaterMark: CHUNK_BYTES };

async function* piecesAfter(first: Buffer, answers: LineAnswers): AsyncGenerator<Buffer> {
  yield first;
  while (!answers.isDone) yield await answers.next();
}
