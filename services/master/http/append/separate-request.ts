/**
 * Parses the NDJSON body of a request with `atomic=false`, where each line is an append of its own:
 * what a single append has in its body, or a JSON string. A fault in a line costs only that line.
 * Empty lines are skipped.
 *
 * Consecutive good lines are put into sections, which the master decides at the cost of one append
 * each. A line that says no more than a bulk append's costs no more to read. For all other lines
 * the rules of a single append are asked, so that both have the same faults.
 */
import { isUtf8 } from 'node:buffer';
import { textOf } from '#http/body/json';
import { invalidRequest, type Problem } from '#http/problem';
import type { Query } from '#http/query';
import { WAIT_MS_MAX } from '#http/wait-signal';
import type { AppendRequest, Section } from '#master/core/append';
import { idFault } from '#protocol/entry';
import type { WriteConcern } from '#protocol/write-concern';
import { messageTooLarge } from './answer';
import { BULK_LINES_MAX, isLarger } from './bulk-request';
import { parseAppendRequest } from './request';

/** Bounds of a section: what one outcome answers, and what one gate lets in, stay small. */
const SECTION_LINES_MAX = 1_024;
const SECTION_UNITS_MAX = 256 * 1024;

/** What the request says for all its lines. */
export interface LineDefaults {
  /** `w` and `timeoutMs` as the query has them. */
  readonly query: Query;
  /** The same, parsed; null: not given. */
  readonly writeConcern: WriteConcern | null;
  readonly timeoutMs: number | null;
  /** Of a line without `w`, when the query has none either. */
  readonly defaultWriteConcern: WriteConcern;
  /** Largest message, in UTF-8 bytes. */
  readonly messageBytesMax: number;
}

/** The lines of a body, numbered from 0; empty lines do not count. */
export interface SeparateLines {
  readonly count: number;
  /** All good lines, in order. */
  readonly sections: readonly Section[];
  /** The other lines. */
  readonly problems: ReadonlyMap<number, Problem>;
  /** The client's id of each line; null or nothing: none. */
  readonly ids: readonly (string | null)[];
}

/** @returns null when the body has more than `BULK_LINES_MAX` lines */
export function parseSeparateBody(body: Buffer, defaults: LineDefaults): SeparateLines | null {
  const reader = new SeparateReader(defaults);
  for (const text of linesOf(body)) {
    if (text !== '') reader.read(text);
    if (reader.count > BULK_LINES_MAX) return null;
  }
  return reader;
}

/** Null: the line is not UTF-8. */
function linesOf(body: Buffer): readonly (string | null)[] {
  if (isUtf8(body)) return textOf(body).split('\n');
  // No byte of a character in UTF-8 is a line feed, so a latin1 line has the bytes of its line.
  return body
    .toString('latin1')
    .split('\n')
    .map((line) => Buffer.from(line, 'latin1'))
    .map((bytes) => (isUtf8(bytes) ? textOf(bytes) : null));
}

interface OpenSection extends Section {
  readonly entries: { readonly message: string; readonly id: string | null }[];
  readonly seen: Set<string>;
  units: number;
}

class SeparateReader implements SeparateLines {
  count = 0;
  readonly sections: OpenSection[] = [];
  readonly problems = new Map<number, Problem>();
  readonly ids: (string | null)[] = [];
  private open: OpenSection | null = null;

  constructor(private readonly defaults: LineDefaults) {}

  read(text: string | null): void {
    if (text === null) return this.refuse(fault('the line is not UTF-8'));
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      if (/^\s*$/.test(text)) return undefined;
      return this.refuse(fault(`the line is not JSON: ${error instanceof Error ? error.message : String(error)}`));
    }
    if (typeof value === 'string')
      return this.take({ message: value, id: null, ...this.concern(undefined, undefined) });
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.refuse(fault('the line must be a JSON object with a message, or a JSON string'));
    return this.readObject(value);
  }

  private readObject(value: object): void {
    const plain = this.plainAppend(value);
    if (plain !== null) return this.take(plain);
    const { query, defaultWriteConcern } = this.defaults;
    const parsed = parseAppendRequest(value, query, { id: null, faults: [] }, defaultWriteConcern);
    if ('faults' in parsed) this.refuse(invalidRequest(parsed.faults));
    else this.take(parsed.request);
  }

  /** The append, if its members are known to be good without a look at the schema; null: ask it. */
  private plainAppend(value: object): AppendRequest | null {
    for (const name in value) if (!MEMBERS.has(name)) return null;
    const { message, id = null, w, timeoutMs } = value as Readonly<Record<string, unknown>>;
    if (typeof message !== 'string' || !isId(id) || !isConcern(w) || !isTimeout(timeoutMs)) return null;
    if (!agrees(w, this.defaults.writeConcern) || !agrees(timeoutMs, this.defaults.timeoutMs)) return null;
    return { message, id, ...this.concern(w, timeoutMs) };
  }

  private concern(w: WriteConcern | undefined, timeoutMs: number | undefined) {
    const { defaults } = this;
    const writeConcern = w ?? defaults.writeConcern ?? defaults.defaultWriteConcern;
    return { writeConcern, timeoutMs: timeoutMs ?? defaults.timeoutMs };
  }

  private take(append: AppendRequest): void {
    const { message, id } = append;
    const { messageBytesMax } = this.defaults;
    if (isLarger(message, messageBytesMax))
      return this.refuse(messageTooLarge(Buffer.byteLength(message), messageBytesMax));
    const section = this.open !== null && fits(append, this.open) ? this.open : this.begin(append);
    section.entries.push({ message, id });
    section.units += message.length;
    if (id !== null) {
      section.seen.add(id);
      this.ids[this.count] = id;
    }
    this.count += 1;
  }

  private begin({ writeConcern, timeoutMs }: AppendRequest): OpenSection {
    this.open = { at: this.count, entries: [], writeConcern, timeoutMs, seen: new Set(), units: 0 };
    this.sections.push(this.open);
    return this.open;
  }

  /** A line after it begins a section, whose numbers then follow on each other. */
  private refuse(problem: Problem): void {
    this.open = null;
    this.problems.set(this.count, problem);
    this.count += 1;
  }
}

/** An id that the section has already is looked up once the first entry with it is in the log. */
function fits({ message, id, writeConcern, timeoutMs }: AppendRequest, section: OpenSection): boolean {
  return (
    writeConcern === section.writeConcern &&
    timeoutMs === section.timeoutMs &&
    section.entries.length < SECTION_LINES_MAX &&
    section.units + message.length <= SECTION_UNITS_MAX &&
    (id === null ? section.seen.size === 0 : section.seen.size > 0 && !section.seen.has(id))
  );
}

const MEMBERS: ReadonlySet<string> = new Set(['message', 'id', 'w', 'timeoutMs']);

function isId(id: unknown): id is string | null {
  return id === null || (typeof id === 'string' && idFault(id) === null);
}

function isConcern(w: unknown): w is WriteConcern | undefined {
  return w === undefined || w === 'majority' || w === 'all' || (Number.isSafeInteger(w) && (w as number) >= 1);
}

function isTimeout(ms: unknown): ms is number | undefined {
  return ms === undefined || (Number.isSafeInteger(ms) && (ms as number) >= 0 && (ms as number) <= WAIT_MS_MAX);
}

function agrees(inLine: unknown, inQuery: unknown): boolean {
  return inLine === undefined || inQuery === null || inLine === inQuery;
}

function fault(message: string): Problem {
  return invalidRequest([{ path: '', message }]);
}
