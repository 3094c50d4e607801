/**
 * `GET /messages` as server-sent events: what is there, then every new entry as it becomes visible, until the client leaves.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html; an event's id is the entry's seq, so a client resumes by itself.
 *
 * Each reader goes at its own pace, and is bounded by it: the next chunk is read when the connection has taken the last one. Readers at
 * the same place, which those at the head all are, share the chunk: it is read and written as events once, however many they are.
 *
 *     reading ──at the end──▶ idle ──the end has moved──▶ reading …        idle for long: a comment, so that proxies keep the connection
 *     any     ──nothing taken for STALLED_MS, entries cut, node stops──▶ cut off: `event: error` with a problem, and the end
 */
import type { ServerResponse } from 'node:http';
import { CHUNK_BYTES } from './entry-stream';
import type { LogReader } from './log-reader';
import { PROBLEM_KINDS, type Problem, problemBody } from './problem';

/** Each costs a socket and up to two chunks of memory. */
const READERS_MAX = 1_000;
/** Below the minute after which proxies commonly close what is silent. */
const KEEP_ALIVE_MS = 15_000;
/** A connection that takes nothing for so long has lost its reader, or has one that will never keep up. */
const STALLED_MS = 10_000;
/** What has been said to a reader that was cut off may take this long to leave. */
const LINGER_MS = 1_000;
/** Chunks that readers behind one another share. */
const CHUNKS_KEPT = 4;

export const EVENT_STREAM = 'text/event-stream';

export interface TailQuery {
  /** First seq. */
  readonly from: number;
  /** Entries after which the stream ends; null: never. */
  readonly limit: number | null;
  readonly committed: boolean;
}

export interface EntryTailsOptions {
  readonly reader: LogReader;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  /** Only tests have a reason to change these. */
  readonly keepAliveMs?: number;
  readonly stalledMs?: number;
  readonly readersMax?: number;
}

interface Chunk {
  readonly bytes: Buffer;
  /** Entries in it. */
  readonly count: number;
}

/** All tails of a node. */
export class EntryTails {
  private readonly tails = new Set<Tail>();
  private readonly chunks = new Map<string, Promise<Chunk>>();
  private keepAlive: NodeJS.Timeout | null = null;
  private head = 0;

  constructor(private readonly options: EntryTailsOptions) {
    options.reader.watch(() => this.moved());
    options.stopping.addEventListener('abort', () => this.cutOffAll(STOPPING), { once: true });
  }

  /** Why there is no room for one more reader; null: there is. */
  get refusal(): Problem | null {
    const readersMax = this.options.readersMax ?? READERS_MAX;
    if (this.tails.size < readersMax) return null;
    const detail = `${readersMax} readers follow this node already, which is the limit`;
    return { kind: PROBLEM_KINDS.overloaded, detail, headers: { 'Retry-After': '1' } };
  }

  /** Sends entries until the client leaves or is cut off. The headers are sent; the answer is ended here. */
  follow(response: ServerResponse, query: TailQuery): void {
    const { stalledMs = STALLED_MS, reader } = this.options;
    const tail = new Tail(response, query, { stalledMs, endOf: this.endOf, read: this.read });
    this.tails.add(tail);
    this.head = reader.position().head;
    this.keepAlive ??= setInterval(() => this.keepAllAlive(), this.options.keepAliveMs ?? KEEP_ALIVE_MS);
    this.keepAlive.unref();
    response.once('close', () => this.forget(tail));
    tail.run();
  }

  private readonly endOf = ({ committed }: TailQuery): number => {
    const { commit, head } = this.options.reader.position();
    return committed ? commit : head;
  };

  /** The chunk that begins with entry `from`; shared by all who ask for it before the end moves on. */
  private readonly read = (from: number, to: number): Promise<Chunk> => {
    const key = `${from}-${to}`;
    const known = this.chunks.get(key);
    if (known !== undefined) return known;
    const chunk = readChunk(this.options.reader, from, to);
    this.chunks.set(key, chunk);
    for (const oldest of this.chunks.keys()) {
      if (this.chunks.size <= CHUNKS_KEPT) break;
      this.chunks.delete(oldest);
    }
    return chunk;
  };

  private moved(): void {
    if (this.tails.size === 0) return;
    const { head } = this.options.reader.position();
    const isCut = head < this.head;
    this.head = head;
    if (isCut) this.chunks.clear();
    for (const tail of this.tails) {
      if (isCut && tail.next > head + 1) tail.cutOff(cutEntries(head));
      else tail.wake();
    }
  }

  private forget(tail: Tail): void {
    this.tails.delete(tail);
    tail.close();
    if (this.tails.size > 0) return;
    this.chunks.clear();
    if (this.keepAlive !== null) clearInterval(this.keepAlive);
    this.keepAlive = null;
  }

  private keepAllAlive(): void {
    for (const tail of this.tails) tail.comment();
  }

  private cutOffAll(problem: Problem): void {
    for (const tail of this.tails) tail.cutOff(problem);
  }
}

interface TailParts {
  readonly stalledMs: number;
  readonly endOf: (query: TailQuery) => number;
  readonly read: (from: number, to: number) => Promise<Chunk>;
}

class Tail {
  /** Seq of the next entry to send. */
  next: number;
  private readonly last: number;
  private isBusy = false;
  private isOver = false;
  private stalled: NodeJS.Timeout | null = null;

  constructor(
    private readonly response: ServerResponse,
    private readonly query: TailQuery,
    private readonly parts: TailParts,
  ) {
    this.next = query.from;
    this.last = query.limit === null ? Number.MAX_SAFE_INTEGER : query.from + query.limit - 1;
    response.on('drain', () => this.drained());
  }

  run(): void {
    this.isBusy = true;
    this.send().catch((error: unknown) => this.response.destroy(error instanceof Error ? error : undefined));
  }

  /** There may be more to send. */
  wake(): void {
    if (!this.isBusy && !this.isOver) this.run();
  }

  comment(): void {
    if (!this.isBusy && !this.isOver) this.response.write(':\n\n');
  }

  /** Says why, and ends. What the client does not take in a moment is dropped with the connection. */
  cutOff(problem: Problem): void {
    if (this.isOver) return;
    this.close();
    this.response.end(`event: error\ndata: ${problemBody(problem)}\n\n`);
    const linger = setTimeout(() => this.response.destroy(), LINGER_MS).unref();
    this.response.once('close', () => clearTimeout(linger));
  }

  close(): void {
    this.isOver = true;
    if (this.stalled !== null) clearTimeout(this.stalled);
  }

  private async send(): Promise<void> {
    for (;;) {
      const to = Math.min(this.parts.endOf(this.query), this.last);
      if (this.isOver || this.next > to || this.response.writableNeedDrain) break;
      const { bytes, count } = await this.parts.read(this.next, to);
      if (this.isOver || count === 0) break;
      this.next += count;
      this.response.write(bytes);
    }
    this.isBusy = this.response.writableNeedDrain && !this.isOver;
    if (this.isBusy) this.stalled = setTimeout(() => this.cutOff(tooSlow(this.parts.stalledMs)), this.parts.stalledMs);
    else if (this.next > this.last && !this.isOver) {
      this.close();
      this.response.end();
    }
  }

  private drained(): void {
    if (this.stalled !== null) clearTimeout(this.stalled);
    this.stalled = null;
    if (!this.isOver) this.run();
  }
}

async function readChunk(reader: LogReader, from: number, to: number): Promise<Chunk> {
  const entries = await reader.read({ from, to, maxBytes: CHUNK_BYTES });
  const heads = entries.map((_, at) => `id: ${from + at}\ndata: `);
  const size = entries.reduce((sum, { length }, at) => sum + length + (heads[at]?.length ?? 0) + 2, 0);
  const bytes = Buffer.allocUnsafe(size);
  let end = 0;
  for (const [at, entry] of entries.entries()) {
    end += bytes.write(heads[at] ?? '', end, 'latin1');
    bytes.set(entry, end);
    end += entry.length;
    end += bytes.write('\n\n', end, 'latin1');
  }
  return { bytes, count: entries.length };
}

const STOPPING: Problem = {
  kind: PROBLEM_KINDS.shuttingDown,
  detail: 'this node stops; go on with Last-Event-ID, here later or at another node now',
};

function tooSlow(stalledMs: number): Problem {
  const detail = `this connection took nothing for ${stalledMs} ms; go on with Last-Event-ID`;
  return { kind: PROBLEM_KINDS.slowReader, detail };
}

function cutEntries(head: number): Problem {
  const detail = `entries after ${head} were never committed and are gone; with committed=true none is sent that can go`;
  return { kind: PROBLEM_KINDS.entriesCut, detail, members: { head } };
}
