/**
 * Encodes and decodes records, the elements of the stored log (Raft: log entries), which are
 * numbered by index. A record is an entry or a control record: *epoch*, the first record of a
 * master's reign (Raft: no-op), or *members*, a new list (Raft: configuration entry). Control
 * records take no seq and are not shown to readers.
 *
 * A record is encoded once, as one line of JSON that begins with its seq and epoch. The store keeps
 * these bytes, a batch carries them and a reader gets them, so no step has to parse a message in
 * order to pass it on. JSON escapes line feeds and lone surrogates, so a line never contains a byte
 * 0x0A, and every string is read back equal.
 */
import { type Entry, generatedId, parseGeneratedId } from './entry';

/**
 * A node with its store (KIP-853: id and directory id). A node that lost its store gets another
 * store id, and so is another voter.
 */
export interface Voter {
  readonly node: string;
  readonly store: string;
}

/** Opens a reign. */
interface EpochControl {
  readonly control: 'epoch';
  readonly reign: string;
  readonly node: string;
  readonly store: string;
  /**
   * An operator forced this reign: it begins a branch. The mark is here as well as in the list that
   * follows, because a write may be torn between the two.
   */
  readonly forced?: true;
}

/**
 * From this record on, these are the voters and the members (Raft: the newest configuration in the
 * log applies, committed or not).
 */
export interface MembersControl {
  readonly control: 'members';
  readonly voters: readonly Voter[];
  /** The secondaries that the master replicates to; n is their number + 1. */
  readonly members: readonly string[];
  /** An operator began this list because a majority of the former one was lost for good. */
  readonly forced?: true;
  /**
   * Nodes that an operator has removed, the newest last: neither the settings nor a join adds them
   * again. Omitted for none.
   */
  readonly removed?: readonly string[];
}

/** Removed nodes in a list; the oldest beyond it are forgotten. */
export const REMOVED_MAX = 1_024;

/** The content of a control record. */
export type Control = EpochControl | MembersControl;

/** A record with its position. `bytes` is the authority; the other fields are decoded from it. */
export interface LogRecord {
  /** Position in the log: 1, 2, 3 … without gaps. */
  readonly index: number;
  readonly epoch: number;
  /** The entry's seq; for a control record the seq of the last entry before it, 0 for none. */
  readonly seq: number;
  /** The entry's id; null for a control record. */
  readonly id: string | null;
  readonly control: Control | null;
  /** The record's JSON line in UTF-8, without a line feed. */
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
// A byte order mark is kept, so that it is refused: otherwise two byte sequences of one record
// would have two checksums.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The record of an entry at `index`. */
export function entryRecord(index: number, entry: Entry): LogRecord {
  const { seq, epoch, id } = entry;
  return { index, epoch, seq, id, control: null, bytes: encoder.encode(JSON.stringify(inOrder(entry))) };
}

/**
 * Separates two entries of a JSON array. A quote within a string is escaped, so the separator
 * occurs nowhere else.
 */
const BETWEEN = '},{"seq":';

/**
 * The records of consecutive entries, the first at `index`, each equal to what `entryRecord` makes.
 * They are encoded as one JSON array that is then cut, at half the cost: serializer and encoder are
 * called once, and one buffer holds all lines.
 */
export function entryRecords(index: number, entries: readonly Entry[]): LogRecord[] {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return [entryRecord(index, only)];
  const text = JSON.stringify(entries.map(inOrder));
  const bytes = new Uint8Array(text.length);
  // For non-ASCII text, string offsets are not byte offsets, so each record is encoded alone.
  if (encoder.encodeInto(text, bytes).read !== text.length) {
    return entries.map((entry, at) => entryRecord(index + at, entry));
  }
  let start = 1;
  return entries.map(({ epoch, seq, id }, at) => {
    const between = text.indexOf(BETWEEN, start);
    const end = between < 0 ? bytes.length - 1 : between + 1;
    const line = bytes.subarray(start, end);
    start = end + 1;
    return { index: index + at, epoch, seq, id, control: null, bytes: line };
  });
}

function inOrder({ seq, epoch, id, ts, message }: Entry): Entry {
  return { seq, epoch, id, ts, message };
}

/** The record of a control at `position`, whose `seq` is that of the last entry before it. */
export function controlRecord(position: { index: number; epoch: number; seq: number }, control: Control): LogRecord {
  const bytes = encoder.encode(JSON.stringify({ seq: position.seq, epoch: position.epoch, ...control }));
  return { ...position, id: null, control, bytes };
}

/**
 * Decodes a record's line; the record keeps `bytes` without copying them. Throws a `RecordError`.
 */
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

/** The entry in a record's line. The line must come from a record that has been decoded. */
export function entryOf(bytes: Uint8Array): Entry {
  return JSON.parse(decoder.decode(bytes)) as Entry;
}

const NOTHING = new Uint8Array(0);

/** Numbers above it cannot be told apart; the parser refuses them. */
const SEQ_MAX = Number.MAX_SAFE_INTEGER - 1;

/**
 * Decodes consecutive records of a log. Fast path: if the line begins with the predicted prefix
 * (the next seq, the same epoch and reign, the generated id) and its message needs no escapes,
 * comparing bytes replaces JSON.parse. Both ways give the same result for the same line, because
 * `entryRecord` writes such an entry in this form only.
 */
export class RecordDecoder {
  /**
   * Predicted beginning of the next line, up to its `ts`:
   * `{"seq":8,"epoch":3,"id":"<reign>-8","ts":"`. Empty when nothing is predicted.
   */
  private head = NOTHING;
  /** Offsets where the two seqs in `head` end. */
  private seqEnds: readonly [number, number] = [0, 0];
  private prefix = '';
  private epoch = 0;
  private seq = 0;

  /** Like `decodeRecord`. Throws a `RecordError`. */
  decode(index: number, bytes: Uint8Array): LogRecord {
    if (this.head.length === 0 || !goesOnWith(this.head, bytes)) {
      const record = decodeRecord(index, bytes);
      this.learn(record);
      return record;
    }
    const { epoch, seq, prefix } = this;
    this.countOn();
    return { index, epoch, seq, id: prefix + seq, control: null, bytes };
  }

  private learn({ id, seq, epoch }: LogRecord): void {
    const parsed = id === null ? null : parseGeneratedId(id);
    if (parsed === null || parsed.seq !== seq) return;
    this.epoch = epoch;
    this.prefix = generatedId(parsed.reign, seq).slice(0, -String(seq).length);
    this.expect(seq + 1);
  }

  private expect(seq: number): void {
    this.head = NOTHING;
    if (seq > SEQ_MAX) return;
    const first = `{"seq":${seq}`;
    const both = `${first},"epoch":${this.epoch},"id":"${this.prefix}${seq}`;
    this.seq = seq;
    this.seqEnds = [first.length, both.length];
    this.head = encoder.encode(`${both}","ts":"`);
  }

  /** Adds one to both seqs in place; when that takes one more digit, `head` is built anew. */
  private countOn(): void {
    const [first, second] = this.seqEnds;
    const fits = this.seq < SEQ_MAX && addOne(this.head, first) && addOne(this.head, second);
    if (fits) this.seq += 1;
    else this.expect(this.seq + 1);
  }
}

const ZERO = 0x30;
const NINE = 0x39;

/**
 * Adds one to the decimal number that ends before `end`. Returns false when all digits were nines.
 */
function addOne(digits: Uint8Array, end: number): boolean {
  let at = end - 1;
  for (; digits[at] === NINE; at -= 1) digits[at] = ZERO;
  const digit = digits[at] ?? 0;
  if (digit < ZERO || digit > NINE) return false;
  digits[at] = digit + 1;
  return true;
}

const TS_LENGTH = 24;
const MESSAGE_KEY = encoder.encode('","message":"');
const CLOSE = encoder.encode('"}');

/**
 * 1 for each byte that stands for itself in a JSON string: ASCII without control characters, quote
 * and backslash.
 */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);

/** Whether the line is `head`, a time and a message of plain characters, and nothing else. */
function goesOnWith(head: Uint8Array, bytes: Uint8Array): boolean {
  const tsEnd = head.length + TS_LENGTH;
  const messageAt = tsEnd + MESSAGE_KEY.length;
  const end = bytes.length - CLOSE.length;
  return (
    end >= messageAt &&
    holdsAt(bytes, 0, head) &&
    holdsAt(bytes, tsEnd, MESSAGE_KEY) &&
    holdsAt(bytes, end, CLOSE) &&
    isPlain(bytes, head.length, tsEnd) &&
    isPlain(bytes, messageAt, end)
  );
}

function holdsAt(bytes: Uint8Array, start: number, part: Uint8Array): boolean {
  for (let at = 0; at < part.length; at += 1) if (bytes[start + at] !== part[at]) return false;
  return true;
}

function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (PLAIN[bytes[at] as number] === 0) return false;
  return true;
}

/** A line is not a valid record; the message names the index. */
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
  const { control, reign, node, store, voters, members, forced, removed = [] } = value as Record<string, unknown>;
  if (control === 'epoch' && typeof reign === 'string' && typeof node === 'string' && typeof store === 'string') {
    const opened = { control, reign, node, store } as const;
    return forced === true ? { ...opened, forced } : opened;
  }
  if (control === 'members' && isList(voters, isVoter) && isList(members, isString) && isList(removed, isString)) {
    return {
      control,
      voters: voters.map((voter) => ({ node: voter.node, store: voter.store })),
      members: [...members],
      ...(forced === true ? { forced } : {}),
      ...(removed.length > 0 ? { removed: [...removed] } : {}),
    };
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
