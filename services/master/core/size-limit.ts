/**
 * Which entries are refused before they get a seq, because the broker would take no message with
 * them: in the log they would keep everything after them from the other nodes.
 */
import { MESSAGE_BYTES_MAX } from '#protocol/limits';
import { entryRecord } from '#protocol/record';
import { messageBytesOf } from '#protocol/wire/batch-size';
import type { NewEntry } from './events';

/** Bytes that JSON takes for one UTF-16 unit, at most: \u and four digits. */
const UNIT_BYTES_MAX = 6;
/** Of the other fields of an entry, at most: an id has 128 characters. */
const FIELDS_BYTES_MAX = 1024;

/** The size limit of the broker, as last learned. */
export class SizeLimit {
  /** Bytes of the largest message that the broker takes. */
  bytesMax = MESSAGE_BYTES_MAX;

  /** Numbers, from 1, of the entries that no message could carry. */
  tooLarge(entries: readonly NewEntry[]): readonly number[] {
    const lines: number[] = [];
    for (const [at, entry] of entries.entries())
      if (entryMessageBytes(entry, this.bytesMax) > this.bytesMax) lines.push(at + 1);
    return lines;
  }
}

/**
 * Bytes of the message that carries this entry alone, at most; an upper bound where that is not above
 * `enough`, as to encode the entry costs more.
 */
export function entryMessageBytes({ message, id }: NewEntry, enough: number): number {
  const bound = messageBytesOf(UNIT_BYTES_MAX * message.length + FIELDS_BYTES_MAX);
  if (bound <= enough) return bound;
  const longest = { seq: Number.MAX_SAFE_INTEGER, epoch: Number.MAX_SAFE_INTEGER, ts: '0000-00-00T00:00:00.000Z' };
  return messageBytesOf(entryRecord(1, { ...longest, id: id ?? '0'.repeat(40), message }).bytes.length);
}
