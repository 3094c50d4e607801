/**
 * Follows the log for readers of `GET /messages` as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html): sends the existing entries,
 * then every new entry as it becomes visible, until the client leaves. The id of an event is a
 * resume token, so a client resumes by itself.
 *
 * Each reader has its own pace, and is limited by it: the next chunk is read when the connection
 * has taken the last one. Readers at the same position, as all readers at the head are, share a
 * chunk: it is read and formatted once, however many readers there are.
 *
 *     resuming       its token is judged (resume-token.ts) → reading, after `event: reset` if it
 *                    has to drop entries
 *     reading        at the end of the log → idle
 *     idle           the end has moved → reading; silent for KEEP_ALIVE_MS: a comment, so that
 *                    proxies keep the connection
 *     reading, idle  entries that it was sent are truncated → `event: reset`, then reading from
 *                    where the log was truncated
 *     any            nothing taken for `stalledMs`, or the node stops or is foreign → cut off:
 *                    `event: error` with a problem, then the end of the stream
 *
 * A truncation is noticed in the turn in which it happens. From then on nothing that was read
 * before it is written: the result of a read in progress is discarded, and a reader that is busy or
 * stalled is sent one reset, however many truncations there were, before its next entry.
 */
import type { ServerResponse } from 'node:http';
import { CLIENT_LIMITS } from '#process/node-settings';
import { judge, judgeSeq, type ResetReason, type ResumePoint, type ResumeVerdict } from '#protocol/resume-token';
import { overloaded } from '../places';
import { PROBLEM_KINDS, type Problem } from '../problem';
import { COMMENT, type EventChunk, errorEvent, type Reset, readEvents, resetEvent } from './events';
import type { ForeignLog, LogReader } from './log-reader';

/** Below the minute after which proxies commonly close a silent connection. */
const KEEP_ALIVE_MS = 15_000;
/** Time for the last event of a reader that was cut off to be sent. */
const LINGER_MS = 1_000;
/** Chunks that are kept for readers a little behind. */
const CHUNKS_KEPT = 4;

/** Media type of server-sent events. */
export const EVENT_STREAM = 'text/event-stream';

interface TailQuery {
  /** First seq, unless the client resumes. */
  readonly from: number;
  /** Position of the last entry that the client has; null when it does not resume. */
  readonly resume: ResumePoint | null;
  /**
   * Number of entries after which the stream ends, including those sent again after a reset; null
   * for no end.
   */
  readonly limit: number | null;
  readonly committed: boolean;
  /** The log that was asked for; null for the log of this node's master. */
  readonly log: string | null;
}

/**
 * Dependencies of the tails of a node. The optional fields replace the defaults.
 */
export interface EntryTailsOptions {
  readonly reader: LogReader;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  readonly keepAliveMs?: number;
  readonly stalledMs?: number;
  readonly seqGraceMs?: number;
  readonly readersMax?: number;
}

/** All readers of a node that follow its log. */
export class EntryTails {
  private readonly tails = new Set<Tail>();
  private readonly chunks = new Map<string, Promise<EventChunk>>();
  private keepAlive: NodeJS.Timeout | null = null;
  private head = 0;
  /** Number of truncations so far: what was read before the last one is void. */
  private cuts = 0;

  constructor(private readonly options: EntryTailsOptions) {
    options.reader.watch(() => this.moved());
    options.stopping.addEventListener('abort', () => this.cutOffAll(STOPPING), { once: true });
  }

  /** The problem (503) to answer one more reader with; null while there is room. */
  get refusal(): Problem | null {
    const { readersMax = CLIENT_LIMITS.readersMax } = this.options;
    if (this.tails.size < readersMax) return null;
    return overloaded(`${readersMax} readers follow this node already`);
  }

  /**
   * Sends entries until the client leaves or is cut off. The headers must be sent; this ends the
   * response.
   */
  follow(response: ServerResponse, query: TailQuery): void {
    const { stalledMs = CLIENT_LIMITS.stalledMs, seqGraceMs = CLIENT_LIMITS.seqGraceMs } = this.options;
    this.noticeCut();
    const { endOf, read, judge, resetText } = this;
    const tail = new Tail(response, query, { stalledMs, seqGraceMs, endOf, read, judge, resetText });
    this.tails.add(tail);
    this.keepAlive ??= setInterval(() => this.keepAllAlive(), this.options.keepAliveMs ?? KEEP_ALIVE_MS);
    this.keepAlive.unref();
    response.once('close', () => this.forget(tail));
    tail.run();
  }

  private readonly endOf = ({ committed }: TailQuery): number => {
    const { commit, head } = this.options.reader.position();
    return committed ? commit : head;
  };

  /**
   * The chunk that begins with entry `from`, shared by all readers that ask for the same range;
   * null when the log was truncated during the read.
   */
  private readonly read = async (from: number, to: number): Promise<EventChunk | null> => {
    const { cuts } = this;
    const chunk = await this.chunkOf(from, to);
    return cuts === this.cuts ? chunk : null;
  };

  private readonly judge = (point: ResumePoint): ResumeVerdict => {
    const { reader } = this.options;
    if (point.kind === 'seq') return judgeSeq(point.seq, reader.position());
    return judge(point.token, reader.position(), reader.outline);
  };

  private readonly resetText = (reset: Reset): string => resetEvent(reset, this.options.reader);

  private chunkOf(from: number, to: number): Promise<EventChunk> {
    const key = `${from}-${to}`;
    const known = this.chunks.get(key);
    if (known !== undefined) return known;
    const chunk = readEvents(this.options.reader, from, to);
    this.chunks.set(key, chunk);
    for (const oldest of this.chunks.keys()) {
      if (this.chunks.size <= CHUNKS_KEPT) break;
      this.chunks.delete(oldest);
    }
    return chunk;
  }

  private moved(): void {
    if (this.tails.size === 0) return;
    this.noticeCut();
    const foreign = this.options.reader.foreign();
    for (const tail of this.tails) {
      if (foreign !== null && tail.query.log === null) tail.cutOff(foreignLog(foreign));
      else tail.wake();
    }
  }

  private noticeCut(): void {
    const { head } = this.options.reader.position();
    const before = this.head;
    this.head = head;
    if (head >= before) return;
    this.cuts += 1;
    this.chunks.clear();
    for (const tail of this.tails) tail.recordCut({ before, head });
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
  readonly seqGraceMs: number;
  readonly endOf: (query: TailQuery) => number;
  readonly read: (from: number, to: number) => Promise<EventChunk | null>;
  readonly judge: (point: ResumePoint) => ResumeVerdict;
  readonly resetText: (reset: Reset) => string;
}

class Tail {
  /** Seq of the next entry to send. */
  private next: number;
  /** Number of entries that may still be sent. */
  private left: number;
  /** Not null until the token is judged; nothing is sent before. */
  private resume: ResumePoint | null;
  /** Reason of a reset to `next` that the client must still be sent; null when none is due. */
  private owed: ResetReason | null = null;
  private isBusy = false;
  private isOver = false;
  private stalled: NodeJS.Timeout | null = null;
  private grace: NodeJS.Timeout | 'over' | null = null;

  constructor(
    private readonly response: ServerResponse,
    readonly query: TailQuery,
    private readonly parts: TailParts,
  ) {
    this.next = query.from;
    this.resume = query.resume;
    this.left = query.limit ?? Number.MAX_SAFE_INTEGER;
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

  /**
   * The log was truncated from `before` to `head`. A reader that waits for an entry beyond `before`
   * has seen none of the removed entries; one that is not judged yet will be judged later.
   */
  recordCut({ before, head }: { readonly before: number; readonly head: number }): void {
    if (this.next <= head + 1 || this.next > before + 1) return;
    this.next = head + 1;
    this.owed ??= 'cut';
  }

  comment(): void {
    if (!this.isBusy && !this.isOver) this.response.write(COMMENT);
  }

  /**
   * Sends the problem as the last event and ends the response. What the client has not taken after
   * LINGER_MS is dropped with the connection.
   */
  cutOff(problem: Problem): void {
    if (this.isOver) return;
    this.close();
    this.response.end(errorEvent(problem));
    const linger = setTimeout(() => this.response.destroy(), LINGER_MS).unref();
    this.response.once('close', () => clearTimeout(linger));
  }

  close(): void {
    this.isOver = true;
    if (this.stalled !== null) clearTimeout(this.stalled);
    if (this.grace !== null && this.grace !== 'over') clearTimeout(this.grace);
  }

  private async send(): Promise<void> {
    for (;;) {
      if (this.isOver || this.response.writableNeedDrain || !this.hasResumed()) break;
      this.sayReset();
      const to = Math.min(this.parts.endOf(this.query), this.next + this.left - 1);
      if (this.next > to) break;
      const chunk = await this.parts.read(this.next, to);
      if (this.isOver || chunk?.count === 0) break;
      if (chunk === null) continue;
      this.next += chunk.count;
      this.left -= chunk.count;
      this.response.write(chunk.bytes);
    }
    this.isBusy = this.response.writableNeedDrain && !this.isOver;
    if (this.isBusy) this.stalled = setTimeout(() => this.cutOff(tooSlow(this.parts.stalledMs)), this.parts.stalledMs);
    else if (this.left === 0 && !this.isOver) {
      this.close();
      this.response.end();
    }
  }

  /** Whether it is decided where to continue. */
  private hasResumed(): boolean {
    if (this.resume === null) return true;
    const verdict = this.parts.judge(this.resume);
    if (verdict.verdict === 'wait' || (verdict.verdict === 'reset' && !this.mayReset(this.resume))) return false;
    this.resume = null;
    this.next = verdict.from;
    this.owed = verdict.verdict === 'reset' ? verdict.reason : null;
    return true;
  }

  private mayReset({ kind }: ResumePoint): boolean {
    if (kind === 'token' || this.grace === 'over') return true;
    this.grace ??= setTimeout(() => {
      this.grace = 'over';
      this.wake();
    }, this.parts.seqGraceMs);
    return false;
  }

  private sayReset(): void {
    if (this.owed === null) return;
    this.response.write(this.parts.resetText({ reason: this.owed, from: this.next }));
    this.owed = null;
  }

  private drained(): void {
    if (this.stalled !== null) clearTimeout(this.stalled);
    this.stalled = null;
    if (!this.isOver) this.run();
  }
}

/** The problem (503) for a reader of a foreign node that did not name its log. */
export function foreignLog({ log, lastSeq }: ForeignLog): Problem {
  const holds = lastSeq === 0 ? 'no entry' : `entries up to ${lastSeq}`;
  const detail = `this node holds another log than its master: ${log}, with ${holds}; ?log=${log} reads it all the same`;
  return { kind: PROBLEM_KINDS.foreignLog, detail, members: { log, lastSeq } };
}

const STOPPING: Problem = {
  kind: PROBLEM_KINDS.shuttingDown,
  detail: 'this node stops; go on with Last-Event-ID, here later or at another node now',
};

function tooSlow(stalledMs: number): Problem {
  const detail = `this connection took nothing for ${stalledMs} ms; go on with Last-Event-ID`;
  return { kind: PROBLEM_KINDS.slowReader, detail };
}
