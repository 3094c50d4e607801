/**
 * Formats entries as server-sent events, and the other events of a tail. The id of an event is a
 * resume token (#protocol/resume-token).
 */
import { type ReignRun, type ResetReason, reignRunAt, tokenAt, tokenRest, tokenText } from '#protocol/resume-token';
import { type Problem, problemBody } from '../problem';
import type { LogReader, ReaderPosition } from './log-reader';
import { CHUNK_BYTES } from './reads';

/** A comment line: keeps a silent connection open (HTML standard, server-sent events). */
export const COMMENT = ':\n\n';
const LINE_FEED = 0x0a;

/** Consecutive entries as events. */
export interface EventChunk {
  readonly bytes: Buffer;
  /** Number of entries in `bytes`. */
  readonly count: number;
}

const NOTHING: EventChunk = { bytes: Buffer.alloc(0), count: 0 };

/**
 * Reads a chunk of events for entries `from`…`to` (seqs), at least the first one and at most about
 * `CHUNK_BYTES`. If the log is truncated during the read the result is meaningless, and the caller
 * must drop it. Rejects like `LogReader.read`.
 */
export async function readEvents(reader: LogReader, from: number, to: number): Promise<EventChunk> {
  const entries = await reader.read({ from, to, maxBytes: CHUNK_BYTES });
  const position = reader.position();
  const heads: string[] = [];
  for (let next = from; next < from + entries.length; ) {
    const run = reignRunAt(reader.outline, next);
    if (run === null) return NOTHING;
    const end = Math.min(run.last + 1, from + entries.length);
    const rest = `${restOf(run, position)}\ndata: `;
    for (; next < end; next += 1) heads.push(`id: ${next}${rest}`);
  }
  const size = entries.reduce((sum, { length }, at) => sum + length + (heads[at]?.length ?? 0) + 2, 0);
  const bytes = Buffer.allocUnsafe(size);
  let end = 0;
  for (const [at, entry] of entries.entries()) {
    end += bytes.write(heads[at] ?? '', end, 'latin1');
    bytes.set(entry, end);
    end += entry.length;
    bytes[end] = LINE_FEED;
    bytes[end + 1] = LINE_FEED;
    end += 2;
  }
  return { bytes, count: entries.length };
}

/** A reset of a reader: it drops what it has from seq `from` on. */
export interface Reset {
  readonly reason: ResetReason;
  readonly from: number;
}

/**
 * The event that tells a reader to drop every entry from seq `from` on.
 *
 * Its id is the token of what the reader keeps, so that a reader that loses the connection now
 * resumes at `from` on any node. With `from` 1 it is a token with seq 0, which, unlike an empty id,
 * also takes precedence over the `from` of the query. When the reader keeps an entry that this node
 * lacks, which can only follow a bare seq, the id is that seq.
 */
export function resetEvent({ reason, from }: Reset, reader: LogReader): string {
  const position = reader.position();
  const kept = from - 1 > position.head ? null : tokenAt(from - 1, position, reader.outline);
  const id = kept === null ? `${from - 1}` : tokenText(kept);
  const head = Math.max(position.head, position.logHead ?? 0);
  return `event: reset\nid: ${id}\ndata: ${JSON.stringify({ reason, from, head })}\n\n`;
}

/** The last event of a tail that is cut off, with a problem as its data. */
export function errorEvent(problem: Problem): string {
  return `event: error\ndata: ${problemBody(problem)}\n\n`;
}

function restOf({ epoch, reign }: ReignRun, { commit, log }: ReaderPosition): string {
  return tokenRest({ epoch, reign, commit, log: log ?? '' });
}
