/**
 * Streams entries to a client in chunks, as bytes that are not parsed, however long the log is. The
 * next chunk is read when the client has taken the last one, so a slow reader costs two chunks of
 * memory, which reads.ts bounds, and a client that left costs nothing.
 */
import { Readable } from 'node:stream';
import type { LogReader } from './log-reader';
import { CHUNK_BYTES, type Read } from './reads';

/** A format of an answer with several entries. */
export interface EntryFormat {
  readonly mediaType: string;
  readonly open: Buffer;
  /** The byte between two entries. */
  readonly separator: number;
  /** Written after the last entry. */
  readonly close: Buffer;
  /** The whole answer when there is no entry. */
  readonly empty: Buffer;
}

/** A JSON array of entries. */
export const JSON_ARRAY: EntryFormat = {
  mediaType: 'application/json',
  open: Buffer.from('['),
  separator: 0x2c,
  close: Buffer.from(']'),
  empty: Buffer.from('[]'),
};

/** One entry a line (https://github.com/ndjson/ndjson-spec). */
export const JSON_LINES: EntryFormat = {
  mediaType: 'application/x-ndjson',
  open: Buffer.alloc(0),
  separator: 0x0a,
  close: Buffer.from('\n'),
  empty: Buffer.alloc(0),
};

/** Seqs, both inclusive; empty when `to` is below `from`. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The entries of a range: a buffer when they fit into one chunk, otherwise a stream. The stream
 * fails, which cuts the answer short, when entries of the range are truncated meanwhile: an array
 * that ended early would look complete. Rejects with a `StorageError`.
 */
export async function entriesBody(
  reader: LogReader,
  { from, to }: SeqRange,
  format: EntryFormat,
  read: Read,
): Promise<Buffer | Readable> {
  if (from > to) return format.empty;
  const { separator } = format;
  const { bytes, count } = await reader.readJoined({ from, to, maxBytes: read.chunkBytes, separator });
  if (count === 0) return format.empty;
  const next = from + count;
  const first = framed(bytes, format, { isFirst: true, isLast: next > to });
  read.hold(first.length);
  if (next > to) return first;
  const chunks = chunksAfter(first, { reader, range: { from: next, to }, format, read });
  return Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
}

async function* chunksAfter(
  first: Buffer,
  {
    reader,
    range,
    format,
    read,
  }: { readonly reader: LogReader; readonly range: SeqRange; readonly format: EntryFormat; readonly read: Read },
): AsyncGenerator<Buffer> {
  const { separator } = format;
  const { chunkBytes: maxBytes } = read;
  yield first;
  let next = range.from;
  let before = first.length;
  while (next <= range.to) {
    const { bytes, count } = await reader.readJoined({ from: next, to: range.to, maxBytes, separator });
    if (count === 0) throw new Error(`entry ${next} of ${range.from}…${range.to} is not visible any more`);
    next += count;
    const chunk = framed(bytes, format, { isFirst: false, isLast: next > range.to });
    read.hold(before + chunk.length);
    before = chunk.length;
    yield chunk;
  }
}

function framed(
  entries: Uint8Array,
  { open, separator, close }: EntryFormat,
  { isFirst, isLast }: { readonly isFirst: boolean; readonly isLast: boolean },
): Buffer {
  return Buffer.concat([isFirst ? open : Buffer.of(separator), entries, isLast ? close : NOTHING]);
}

const NOTHING = Buffer.alloc(0);
