/**
 * Entries as server-sent events, and what else a tail may say. An event's id is a resume token
 * (shared/protocol/resume-token.ts).
 */
import { type ReignRun, type ResetReason, reignRunAt, tokenAt, tokenRest, tokenText } from '#protocol/resume-token';
import { type Problem, problemBody } from '../problem';
import type { LogReader, ReaderPosition } from './log-reader';
import { CHUNK_BYTES } from './stream';

export const COMMENT = ':\n\n';
const LINE_FEED = 0x0a;

export interface EventChunk {
  readonly bytes: Buffer;
  /** Entries in it. */
  readonly count: number;
}

const NOTHING: EventChunk = { bytes: Buffer.alloc(0), count: 0 };

/**
 * A chunk of events that begins with entry `from`. Of a log that is cut while it is read the answer
 * may be anything: it is the caller's to drop it.
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

export interface Reset {
  readonly reason: ResetReason;
  readonly from: number;
}

/**
 * Tells a reader to drop what it has from seq `from` on. Its id is the token of what the reader
 * keeps, so that one who loses the connection here goes on at `from` wherever it comes back; with
 * `from` 1 that is a token with seq 0, which unlike an empty id also outdoes the `from` of the
 * query. Of an entry that this node lacks, which only a bare seq can lead to, it is the seq.
 */
export function resetEvent({ reason, from }: Reset, reader: LogReader): string {
  const position = reader.position();
  const kept = from - 1 > position.head ? null : tokenAt(from - 1, position, reader.outline);
  const id = kept === null ? `${from - 1}` : tokenText(kept);
  const head = Math.max(position.head, position.logHead ?? 0);
  return `event: reset\nid: ${id}\ndata: ${JSON.stringify({ reason, from, head })}\n\n`;
}

/** The last event of a tail that is cut off. */
export function errorEvent(problem: Problem): string {
  return `event: error\ndata: ${problemBody(problem)}\n\n`;
}

function restOf({ epoch, reign }: ReignRun, { commit, log }: ReaderPosition): string {
  return tokenRest({ epoch, reign, commit, log: log ?? '' });
}
