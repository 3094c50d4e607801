/**
 * Decides from the ids of an append's entries whether the append is new. An id makes an append
 * idempotent for ever: one id and one text are one entry with one seq, however often a client
 * sends them (S5).
 *
 * Each entry has one of four places:
 *
 *     new        no id, or an id that this log does not hold
 *     pending    the record is in the log and not durable; the store may not have it yet, so the
 *                core keeps it
 *     stored     the store knows the id; the record is read to compare the texts
 *     reserved   the id has the form of this reign's generated ids, but was not given yet: a
 *                later append will get it
 *
 * If all entries are new, the append is new. If all are known with the same texts, the append is a
 * repeat: it waits for these entries and appends nothing. If only some are known, nothing is
 * appended, because an append is done as a whole or not at all. If an id belongs to another text
 * or is reserved, the answer is a conflict; the other ids do not matter.
 *
 * Records are read asynchronously, and the log may change meanwhile. So a verdict is valid only in
 * its own step: once the records are read, all ids are looked up again.
 *
 * An id in the generated form of a former reign may be new: its entry may have been truncated with
 * that reign, and the client sends it again.
 */
import { type Entry, parseGeneratedId } from '#protocol/entry';
import { entryOf, type LogRecord } from '#protocol/record';
import type { NewEntry } from '../events';

/**
 * Seq of the entry with this id among all entries that the store was given; null: none.
 * `unreadable`: the store cannot tell. For a generated id it is the seq that the id names, if the
 * id's reign wrote that entry. The entry itself may have another id.
 */
export type SeqOfId = (id: string) => number | null | 'unreadable';

/** The places where ids are looked up, synchronously. */
export interface KnownIds {
  readonly seqOfId: SeqOfId;
  /** The record with this id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null;
  /** Index of the entry with this seq; null: the log has no such entry. */
  indexOf(seq: number): number | null;
  /** Id of the reign that would give the next ids. */
  readonly reign: string;
}

/** What the ids of an append say about it. */
type Verdict =
  | { readonly is: 'new' }
  /** All entries are in the log; `first` and `last` by seq. */
  | { readonly is: 'repeat'; readonly first: Entry; readonly last: Entry }
  /** Records at these indexes are needed to tell. */
  | { readonly is: 'unread'; readonly indexes: readonly number[] }
  /** The store cannot tell whether an id is known. */
  | { readonly is: 'unreadable' }
  | Clash;

/** The append is refused, and nothing is appended. Lines count its entries from 1. */
type Clash =
  /** Ids of other texts, and reserved ids; `seq` of the first entry with another text. */
  | { readonly is: 'id-conflict'; readonly lines: readonly number[]; readonly seq: number }
  /** No text differs, but these ids are reserved. */
  | { readonly is: 'id-reserved'; readonly lines: readonly number[] }
  /** These ids are known with the same texts; the other ids are new. */
  | { readonly is: 'ids-known'; readonly lines: readonly number[] };

type Place =
  | { readonly at: 'new' | 'reserved' | 'unreadable' }
  | { readonly at: 'pending'; readonly record: LogRecord }
  | { readonly at: 'stored'; readonly index: number };

const NEW: Place = { at: 'new' };

/**
 * Decides an append. Changes nothing.
 * @param read records of this log that were read for this append, by index
 */
export function judge(entries: readonly NewEntry[], ids: KnownIds, read: ReadonlyMap<number, LogRecord>): Verdict {
  const places = entries.map(({ id }) => (id === null ? NEW : placeOf(id, ids)));
  if (places.every(({ at }) => at === 'new')) return { is: 'new' };
  if (places.some(({ at }) => at === 'unreadable')) return { is: 'unreadable' };
  const indexes = places.flatMap((place) => (place.at === 'stored' && !read.has(place.index) ? [place.index] : []));
  if (indexes.length > 0) return { is: 'unread', indexes };
  return compare(
    entries,
    places.map((place) => knownAt(place, read)),
  );
}

function placeOf(id: string, ids: KnownIds): Place {
  const record = ids.pendingRecord(id);
  if (record !== null) return { at: 'pending', record };
  const seq = ids.seqOfId(id);
  if (seq === 'unreadable') return { at: 'unreadable' };
  const index = seq === null ? null : ids.indexOf(seq);
  if (index !== null) return { at: 'stored', index };
  return parseGeneratedId(id)?.reign === ids.reign ? { at: 'reserved' } : NEW;
}

function knownAt(place: Place, read: ReadonlyMap<number, LogRecord>): Entry | 'new' | 'reserved' {
  if (place.at === 'pending') return entryOf(place.record.bytes);
  const record = place.at === 'stored' ? read.get(place.index) : undefined;
  if (record !== undefined) return entryOf(record.bytes);
  return place.at === 'new' ? 'new' : 'reserved';
}

/** Compares the texts, where some of the ids are known or reserved. */
function compare(entries: readonly NewEntry[], known: readonly (Entry | 'new' | 'reserved')[]): Verdict {
  const same: Entry[] = [];
  const sameLines: number[] = [];
  const clashLines: number[] = [];
  let seq: number | null = null;
  for (const [at, { id, message }] of entries.entries()) {
    const entry = known[at];
    if (entry === undefined || entry === 'new') continue;
    if (entry !== 'reserved' && isSameAppend(entry, { id, message })) {
      same.push(entry);
      sameLines.push(at + 1);
    } else {
      clashLines.push(at + 1);
      if (entry !== 'reserved' && entry.id === id) seq ??= entry.seq;
    }
  }
  if (seq !== null) return { is: 'id-conflict', lines: clashLines, seq };
  if (clashLines.length > 0) return { is: 'id-reserved', lines: clashLines };
  const [first] = same;
  if (first === undefined || same.length < entries.length) return { is: 'ids-known', lines: sameLines };
  return {
    is: 'repeat',
    first: same.reduce((least, entry) => (entry.seq < least.seq ? entry : least), first),
    last: same.reduce((newest, entry) => (entry.seq > newest.seq ? entry : newest), first),
  };
}

function isSameAppend(entry: Entry, asked: NewEntry): boolean {
  return entry.id === asked.id && entry.message === asked.message;
}
