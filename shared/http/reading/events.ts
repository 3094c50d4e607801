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
  const { bytes, count } = await reader.readJoined({ from, to, maxBytes: CHUNK_BYTES, separator: LINE_FEED });
  const position = reader.position();
  const heads: string[] = [];
  for (let next = from; next < from + count; ) {
    const run = reignRunAt(reader.outline, next);
    if (run === null) return NOTHING;
    const end = Math.min(run.last + 1, from + count);
    const rest = `${restOf(run, position)}\ndata: `;
    for (; next < end; next += 1) heads.push(`id: ${next}${rest}`);
  }
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { bytes: interleaved(heads, lines), count };
}

/** Each head with its line behind it, and an empty line. */
function interleaved(heads: readonly string[], lines: Buffer): Buffer {
  const size = heads.reduce((sum, { length }) => sum + length + 1, lines.length);
  const events = Buffer.allocUnsafe(size);
  let [end, start] = [0, 0];
  for (const head of heads) {
    const behind = lines.indexOf(LINE_FEED, start) + 1;
    end += events.write(head, end, 'latin1');
    end += lines.copy(events, end, start, behind);
    events[end++] = LINE_FEED;
    start = behind;
  }
  return events;
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
