/**
 * Encodes and decodes wire messages as JSON, so that a person can read the content of a queue. The
 * AMQP `type` property names the kind.
 *
 * A batch has a line feed around each record, which JSON allows and no record contains. The
 * receiver cuts out the bytes of the records unchanged, and stores and serves these very bytes.
 *
 *     {"epoch":3,"reign":"…","prevIndex":4,"prevEpoch":3,"commit":4,"records":[
 *     {"seq":4,"epoch":3,"id":"…","ts":"…","message":"…"},
 *     {"seq":5,"epoch":3,"id":"…","ts":"…","message":"…"}
 *     ]}
 *
 * A body that does not parse, or contradicts itself, is a `WireError`: the receiver counts it and
 * drops it.
 */
import { z } from 'zod';
import { IDENTITY_LENGTH_MAX } from '../identity';
import { type LogRecord, RecordDecoder, RecordError } from '../record';
import { type EntriesMessage, type WireMessage, wireSchemas } from './messages';

/** A wire message that this version cannot accept. */
export class WireError extends Error {
  /**
   * The message does not name its sender's log: the sender runs release 0.1.0 and must be upgraded.
   */
  readonly isOutdated: boolean;

  constructor(what: string, options: ErrorOptions & { readonly isOutdated?: boolean } = {}) {
    super(what, options);
    this.name = 'WireError';
    this.isOutdated = options.isOutdated === true;
  }
}

const LINE_FEED = 0x0a;
const COMMA = 0x2c;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const OPEN = '"records":[\n';
const CLOSE = encoder.encode('\n]}');
const CLOSE_EMPTY = encoder.encode(']}');
const SEPARATOR = encoder.encode(',\n');

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entriesHeader = z.object({
  epoch: count.min(1),
  reign: z.string().max(64),
  log: z.string().min(1).max(IDENTITY_LENGTH_MAX).nullable(),
  prevIndex: count,
  prevEpoch: count,
  prevReign: z.string().max(64),
  commit: count,
  prevChecksum: count.optional(),
  records: z.array(z.never()),
});

/** The body of a wire message. */
export function encodeWire(message: WireMessage): Uint8Array {
  if (message.type === 'entries') return encodeEntries(message);
  const { type: _, ...body } = message;
  return encoder.encode(JSON.stringify(body));
}

/**
 * Decodes the body of a message of the kind that the AMQP `type` property names. Records share
 * memory with `body`. Throws a `WireError`.
 */
export function decodeWire(type: unknown, body: Uint8Array): WireMessage {
  if (type === 'entries') return decodeEntries(body);
  const schema =
    typeof type === 'string' && Object.hasOwn(wireSchemas, type) ? wireSchemas[type as keyof typeof wireSchemas] : null;
  if (schema === null) throw new WireError(`unknown type ${JSON.stringify(type)?.slice(0, 80)}`);
  const value = parseJson(body);
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw faultOf(value, parsed.error);
  return { type, ...parsed.data } as WireMessage;
}

/** A message of release 0.1.0 has an epoch and no log. */
function faultOf(value: unknown, error: z.ZodError): WireError {
  const isObject = typeof value === 'object' && value !== null;
  const isOutdated = isObject && 'epoch' in value && !('log' in value);
  return new WireError(z.prettifyError(error).replaceAll('\n', ' '), { isOutdated });
}

function encodeEntries({ type: _, records, ...fields }: EntriesMessage): Uint8Array {
  const header = JSON.stringify(fields);
  const parts: Uint8Array[] = [encoder.encode(`${header.slice(0, -1)},${OPEN}`)];
  records.forEach(({ bytes }, at) => {
    if (at > 0) parts.push(SEPARATOR);
    parts.push(bytes);
  });
  parts.push(records.length > 0 ? CLOSE : CLOSE_EMPTY);
  return concatenate(parts);
}

function decodeEntries(body: Uint8Array): EntriesMessage {
  const headerEnd = body.indexOf(LINE_FEED);
  if (headerEnd < 0) throw new WireError('entries without a line for each record');
  const value = parseJson(concatenate([body.subarray(0, headerEnd), CLOSE_EMPTY]));
  const parsed = entriesHeader.safeParse(value);
  if (!parsed.success) throw faultOf(value, parsed.error);
  const { prevChecksum, ...header } = parsed.data;
  const { prevIndex, prevEpoch } = header;
  const records = decodeLines(body, headerEnd + 1, prevIndex);
  checkSequence({ index: prevIndex, epoch: prevEpoch }, parsed.data.epoch, records);
  const message = { type: 'entries', ...header, records } as const;
  return prevChecksum === undefined ? message : { ...message, prevChecksum };
}

function decodeLines(body: Uint8Array, start: number, prevIndex: number): LogRecord[] {
  const records: LogRecord[] = [];
  const decoder = new RecordDecoder();
  const lastEnd = body.lastIndexOf(LINE_FEED);
  let from = start;
  for (let end = body.indexOf(LINE_FEED, from); end >= 0; end = body.indexOf(LINE_FEED, from)) {
    // There is a comma between two records and nowhere else; otherwise the body would not be JSON.
    const hasComma = body[end - 1] === COMMA;
    if (hasComma === (end === lastEnd))
      throw new WireError(`record ${prevIndex + records.length + 1} ends its line wrongly`);
    const line = body.subarray(from, hasComma ? end - 1 : end);
    records.push(decodeLine(decoder, prevIndex + records.length + 1, line));
    from = end + 1;
  }
  const rest = body.subarray(from);
  if (rest.length !== 2 || rest[0] !== CLOSE_EMPTY[0] || rest[1] !== CLOSE_EMPTY[1])
    throw new WireError('entries cut short');
  return records;
}

function decodeLine(decoder: RecordDecoder, index: number, bytes: Uint8Array): LogRecord {
  try {
    return decoder.decode(index, bytes);
  } catch (cause) {
    if (cause instanceof RecordError) throw new WireError(cause.message, { cause });
    throw cause;
  }
}

/**
 * Throws unless epochs never fall and never exceed the sender's, entries continue the seqs, and
 * control records take none.
 */
function checkSequence(prev: { index: number; epoch: number }, epoch: number, records: readonly LogRecord[]): void {
  let lastEpoch = prev.epoch;
  let lastSeq: number | null = prev.index === 0 ? 0 : null;
  if (lastEpoch > epoch || (prev.index === 0) !== (lastEpoch === 0))
    throw new WireError(`prevEpoch ${lastEpoch} at index ${prev.index}`);
  for (const record of records) {
    if (record.epoch < lastEpoch || record.epoch > epoch || record.epoch < 1) {
      throw new WireError(`record ${record.index} of epoch ${record.epoch} after ${lastEpoch}, sent in ${epoch}`);
    }
    const step = record.control === null ? 1 : 0;
    if (lastSeq !== null && record.seq !== lastSeq + step) {
      throw new WireError(`record ${record.index} has seq ${record.seq} after ${lastSeq}`);
    }
    if (record.seq > record.index) throw new WireError(`record ${record.index} has a seq above its index`);
    lastEpoch = record.epoch;
    lastSeq = record.seq;
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(body));
  } catch (cause) {
    throw new WireError('not JSON in UTF-8', { cause });
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
