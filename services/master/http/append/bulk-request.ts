/**
 * Parses the NDJSON body of a bulk append: each line is `{"message", "id"?}` or a JSON string. All
 * faults are reported at once, each with the number of its line. Empty lines are skipped.
 *
 * The body is not parsed by a generic parser, because most of the time of a request of 100 entries
 * is spent here. A good line costs its `JSON.parse` and two checks; only a bad line costs more.
 */
import { isUtf8 } from 'node:buffer';
import { textOf } from '#http/body/json';
import type { RequestFault } from '#http/problem';
import { unknownRule } from '#http/request-faults';
import type { BulkRequest } from '#master/core/append';
import { idFault } from '#protocol/entry';

/** Largest number of entries in one request. Other requests wait while it is parsed and stored. */
export const BULK_LINES_MAX = 100_000;

/** A fault in one line. */
export interface LineFault extends RequestFault {
  /** From 1. */
  readonly line: number;
}

/** The fault of a body without a line. */
export const NO_LINE: RequestFault = { path: '', message: 'the body is empty: it must have a line' };

type BulkEntry = BulkRequest['entries'][number];

/** The entries, and the line of each, from 1. Empty lines have no entry. */
export interface BulkLines {
  readonly entries: readonly BulkEntry[];
  readonly lines: readonly number[];
}

/** The result of parsing a body. */
export type BulkBody =
  | BulkLines
  | { readonly faults: readonly RequestFault[] }
  /** Lines, from 1, with messages that are too large. */
  | { readonly largeLines: readonly number[] }
  /** The body has more lines than this maximum. */
  | { readonly tooMany: number };

/** Parses a body. `messageBytesMax`: largest message, in UTF-8 bytes. */
export function parseBulkBody(body: Buffer, messageBytesMax: number): BulkBody {
  if (!isUtf8(body)) return { faults: [{ path: '', message: 'the body is not UTF-8' }] };
  const reader = new LineReader();
  let line = 0;
  for (const text of textOf(body).split('\n')) {
    line += 1;
    if (text.length > 0 && !reader.read(line, text)) return { tooMany: BULK_LINES_MAX };
  }
  const { entries, lines, faults } = reader;
  faults.push(...repeatedIds(reader));
  if (faults.length > 0) return { faults: faults.sort((a, b) => a.line - b.line) };
  if (entries.length === 0) return { faults: [NO_LINE] };
  const largeLines = lines.filter((_, at) => isLarger(entries[at]?.message ?? '', messageBytesMax));
  return largeLines.length > 0 ? { largeLines } : { entries, lines };
}

class LineReader implements BulkLines {
  readonly entries: BulkEntry[] = [];
  readonly lines: number[] = [];
  readonly faults: LineFault[] = [];
  hasIds = false;

  /** @returns false when the body has too many lines */
  read(line: number, text: string): boolean {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      if (/^\s*$/.test(text)) return true;
      this.fault(line, '', `is not JSON: ${error instanceof Error ? error.message : String(error)}`);
      return this.hasRoom;
    }
    if (typeof value === 'string') this.take(line, value, null);
    else this.readObject(line, value);
    return this.hasRoom;
  }

  private get hasRoom(): boolean {
    return this.entries.length + this.faults.length <= BULK_LINES_MAX;
  }

  private readObject(line: number, value: unknown): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.fault(line, '', 'must be a JSON object with a message, or a JSON string');
      return;
    }
    const { message, id } = value as { readonly message?: unknown; readonly id?: unknown };
    const isKnown = this.knowsMembers(line, value);
    const wrongId = id === undefined ? null : typeof id === 'string' ? idFault(id) : 'must be a string';
    if (wrongId !== null) this.fault(line, 'id', wrongId);
    if (typeof message !== 'string') this.fault(line, 'message', message === undefined ? 'must be given' : STRING_RULE);
    else if (wrongId === null && isKnown) this.take(line, message, typeof id === 'string' ? id : null);
  }

  private knowsMembers(line: number, value: object): boolean {
    let isKnown = true;
    for (const name in value) {
      if (name === 'message' || name === 'id') continue;
      isKnown = false;
      this.fault(line, name, unknownRule(name, LINE_MEMBERS));
    }
    return isKnown;
  }

  private take(line: number, message: string, id: string | null): void {
    this.entries.push({ message, id });
    this.lines.push(line);
    this.hasIds ||= id !== null;
  }

  private fault(line: number, path: string, message: string): void {
    this.faults.push({ path: path === '' ? `line ${line}` : `line ${line}: ${path}`, message, line });
  }
}

/** Of an object on a line; `w` and `timeoutMs` are those of all lines, and stand in the query. */
const LINE_MEMBERS = ['message', 'id'];
const STRING_RULE = 'must be a string';

function repeatedIds({ entries, lines, hasIds }: BulkLines & { readonly hasIds: boolean }): LineFault[] {
  if (!hasIds) return [];
  const faults: LineFault[] = [];
  const firstLines = new Map<string, number>();
  for (const [at, { id }] of entries.entries()) {
    if (id === null) continue;
    const line = lines[at] ?? 0;
    const first = firstLines.get(id);
    if (first === undefined) firstLines.set(id, line);
    else faults.push({ path: `line ${line}: id`, message: `is the id of line ${first} too`, line });
  }
  return faults;
}

/**
 * Has the message more bytes in UTF-8? A character has at most three for each unit of the string.
 */
export function isLarger(message: string, bytesMax: number): boolean {
  return message.length * 3 > bytesMax && Buffer.byteLength(message) > bytesMax;
}
