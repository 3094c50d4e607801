/**
 * What the log holds: records, numbered by index. A record is an entry or a control record (*epoch*: the first of a
 * master's reign, Raft's no-op; *members*: a new list). Control records take no seq and no reader sees them.
 *
 * A record is encoded once, as one line of JSON that begins with its seq and epoch. These bytes are what the store keeps, what
 * travels in a batch and what a reader gets, so nothing on the way has to parse a message to pass it on. JSON escapes line
 * feeds and lone surrogates, so a line never holds a 0x0A byte and any string comes back equal.
 */
import type { Entry } from './entry';

/** Who may vote: a node *with its store*. A node that lost its store has another store id and is another voter. */
export interface Voter {
  readonly node: string;
  readonly store: string;
}

/** Opens a reign. */
export interface EpochControl {
  readonly control: 'epoch';
  readonly reign: string;
  readonly node: string;
  readonly store: string;
}

/** From this record on, these are the voters and the members. */
export interface MembersControl {
  readonly control: 'members';
  readonly voters: readonly Voter[];
  /** The secondaries that the master replicates to; n is their number + 1. */
  readonly members: readonly string[];
  /** An operator began this list because a majority of the former one was lost for good. */
  readonly forced?: true;
}

export type Control = EpochControl | MembersControl;

export interface LogRecord {
  /** Place in the log, 1 or more, without gaps. */
  readonly index: number;
  readonly epoch: number;
  /** The entry's seq; of a control record: the seq of the last entry before it, 0 for none. */
  readonly seq: number;
  /** The entry's id; null for a control record. */
  readonly id: string | null;
  readonly control: Control | null;
  /** The record's JSON line in UTF-8, without a line feed. */
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
// A byte order mark is kept, so that it is refused: two byte forms of one record would have two checksums.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The record of an entry at `index`. */
export function entryRecord(index: number, entry: Entry): LogRecord {
  const { seq, epoch, id, ts, message } = entry;
  const bytes = encoder.encode(JSON.stringify({ seq, epoch, id, ts, message }));
  return { index, epoch, seq, id, control: null, bytes };
}

/** The record of a control at `index`; `seq` is that of the last entry before it. */
export function controlRecord(position: { index: number; epoch: number; seq: number }, control: Control): LogRecord {
  const bytes = encoder.encode(JSON.stringify({ seq: position.seq, epoch: position.epoch, ...control }));
  return { ...position, id: null, control, bytes };
}

/** Reads a record's line back. Throws a `RecordError` that says what is wrong with it. */
export function decodeRecord(index: number, bytes: Uint8Array): LogRecord {
  const value = parseLine(index, bytes);
  const { seq, epoch } = value;
  if (!isCount(epoch) || epoch < 1) throw new RecordError(index, 'epoch is not a whole number of 1 or more');
  if (!isCount(seq)) throw new RecordError(index, 'seq is not a whole number of 0 or more');
  if (value.control !== undefined) {
    return { index, epoch, seq, id: null, control: decodeControl(index, value), bytes };
  }
  const { id, ts, message } = value;
  if (seq < 1) throw new RecordError(index, 'the seq of an entry is below 1');
  if (typeof id !== 'string' || typeof ts !== 'string' || typeof message !== 'string') {
    throw new RecordError(index, 'id, ts or message is not a string');
  }
  return { index, epoch, seq, id, control: null, bytes };
}

/** The entry in a record's line; the line must come from a record that decoded. */
export function entryOf(bytes: Uint8Array): Entry {
  return JSON.parse(decoder.decode(bytes)) as Entry;
}

/** A line that is not a record. */
export class RecordError extends Error {
  constructor(index: number, what: string, options?: ErrorOptions) {
    super(`record ${index}: ${what}`, options);
    this.name = 'RecordError';
  }
}

type Fields = {
  readonly [key: string]: unknown;
  readonly seq?: unknown;
  readonly epoch?: unknown;
  readonly id?: unknown;
} & {
  readonly ts?: unknown;
  readonly message?: unknown;
  readonly control?: unknown;
};

function parseLine(index: number, bytes: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new RecordError(index, 'not JSON in UTF-8', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RecordError(index, 'not a JSON object');
  return value as Fields;
}

function decodeControl(index: number, value: Fields): Control {
  const { control, reign, node, store, voters, members, forced } = value as Record<string, unknown>;
  if (control === 'epoch' && typeof reign === 'string' && typeof node === 'string' && typeof store === 'string') {
    return { control, reign, node, store };
  }
  if (control === 'members' && isList(voters, isVoter) && isList(members, isString)) {
    const list: MembersControl = {
      control,
      voters: voters.map((voter) => ({ node: voter.node, store: voter.store })),
      members: [...members],
    };
    return forced === true ? { ...list, forced } : list;
  }
  throw new RecordError(index, `not a control record that this version knows: ${JSON.stringify(control)}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isVoter(value: unknown): value is Voter {
  if (typeof value !== 'object' || value === null) return false;
  const { node, store } = value as Record<string, unknown>;
  return isString(node) && isString(store);
}

function isList<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isItem);
}
