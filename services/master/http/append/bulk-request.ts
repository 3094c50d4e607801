/**
 * What a client may say in a bulk append: an NDJSON body, one `{"message", "id"?}` or a bare JSON
 * string a line, and `w` and `timeoutMs` in the query. All faults are found at once, each with the
 * number of its line; empty lines are passed over.
 *
 * Lines are cut and parsed here and not by a body parser: at 100 entries a request this is where a
 * request's time goes, so a good line costs its `JSON.parse` and two checks, and only a bad one is
 * looked at more closely.
 */
import { isUtf8 } from 'node:buffer';
import type { RequestFault } from '#http/problem';
import type { BulkRequest } from '#master/core/append';
import { idFault } from '#protocol/entry';

/**
 * Entries of one request: they are parsed, stored and answered together, and everybody else waits
 * meanwhile.
 */
export const BULK_LINES_MAX = 100_000;

export interface LineFault extends RequestFault {
  /** From 1. */
  readonly line: number;
}

type BulkEntry = BulkRequest['entries'][number];

/** Entries with the lines that they were on, from 1; the two differ where lines are empty. */
export interface BulkLines {
  readonly entries: readonly BulkEntry[];
  readonly lines: readonly number[];
}

export type BulkBody =
  | BulkLines
  | { readonly faults: readonly RequestFault[] }
  /** Their messages are too large. */
  | { readonly largeLines: readonly number[] }
  | { readonly tooMany: number };

export function parseBulkBody(body: Buffer, messageBytesMax: number): BulkBody {
  if (!isUtf8(body)) return { faults: [{ path: '', message: 'the body is not UTF-8' }] };
  const reader = new LineReader();
  let line = 0;
  for (const text of body.toString('utf8').split('\n')) {
    line += 1;
    if (text.length > 0 && !reader.read(line, text)) return { tooMany: BULK_LINES_MAX };
  }
  const { entries, lines, faults } = reader;
  faults.push(...repeatedIds(reader));
  if (faults.length > 0) return { faults: faults.sort((a, b) => a.line - b.line) };
  if (entries.length === 0) return { faults: [{ path: '', message: 'the body is empty: it must have a line' }] };
  const largeLines = lines.filter((_, at) => isLarger(entries[at]?.message ?? '', messageBytesMax));
  return largeLines.length > 0 ? { largeLines } : { entries, lines };
}

class LineReader implements BulkLines {
  readonly entries: BulkEntry[] = [];
  readonly lines: number[] = [];
  readonly faults: LineFault[] = [];
  hasIds = false;

  /** False: one too many. */
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
    const wrongId = id === undefined ? null : typeof id === 'string' ? idFault(id) : 'must be a string';
    if (wrongId !== null) this.fault(line, 'id', wrongId);
    if (typeof message !== 'string') this.fault(line, 'message', message === undefined ? 'must be given' : STRING_RULE);
    else if (wrongId === null) this.take(line, message, typeof id === 'string' ? id : null);
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

/** A character has at most three bytes in UTF-8 for each unit of the string. */
function isLarger(message: string, bytesMax: number): boolean {
  return message.length * 3 > bytesMax && Buffer.byteLength(message) > bytesMax;
}
