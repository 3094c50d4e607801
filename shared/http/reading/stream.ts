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
  /** The byte behind the last entry. */
  readonly close: number;
  /** The whole answer when there is no entry. */
  readonly empty: Buffer;
}

/** A JSON array of entries. */
export const JSON_ARRAY: EntryFormat = {
  mediaType: 'application/json',
  open: Buffer.from('['),
  separator: 0x2c,
  close: 0x5d,
  empty: Buffer.from('[]'),
};

/** One entry a line (https://github.com/ndjson/ndjson-spec). */
export const JSON_LINES: EntryFormat = {
  mediaType: 'application/x-ndjson',
  open: Buffer.alloc(0),
  separator: 0x0a,
  close: 0x0a,
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
  const { bytes, next } = await chunkOf(reader, { from, to }, format, read);
  if (next === from) return format.empty;
  const first = Buffer.concat([format.open, bytes]);
  read.hold(first.length);
  if (next > to) return first;
  const chunks = chunksAfter(first, { reader, range: { from: next, to }, format, read });
  return Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
}

async function* chunksAfter(
  first: Buffer,
  {
    reader,
    range: { from, to },
    format,
    read,
  }: { readonly reader: LogReader; readonly range: SeqRange; readonly format: EntryFormat; readonly read: Read },
): AsyncGenerator<Uint8Array> {
  yield first;
  let before = first.length;
  for (let next = from; next <= to; ) {
    const chunk = await chunkOf(reader, { from: next, to }, format, read);
    if (chunk.next === next) throw new Error(`entry ${next} of ${from}…${to} is not visible any more`);
    next = chunk.next;
    read.hold(before + chunk.bytes.length);
    before = chunk.bytes.length;
    yield chunk.bytes;
  }
}

/** The first entries of the range that fit into a chunk, and the seq that follows them. */
async function chunkOf(
  reader: LogReader,
  { from, to }: SeqRange,
  { separator, close }: EntryFormat,
  { chunkBytes: maxBytes }: Read,
): Promise<{ readonly bytes: Uint8Array; readonly next: number }> {
  const { bytes, count } = await reader.readJoined({ from, to, maxBytes, separator });
  const next = from + count;
  if (next > to) bytes[bytes.length - 1] = close;
  return { bytes, next };
}
