/**
 * PostgreSQL's frontend/backend protocol 3.0, as much of it as appending needs (PostgreSQL manual,
 * chapter "Frontend/Backend Protocol").
 */
import type { AnswerReader } from './peer-socket';

const VERSION_3_0 = 196_608;

/** What came before a ReadyForQuery; values as text, null for NULL. */
export interface QueryAnswer {
  readonly rows: readonly (readonly (string | null)[])[];
}

export function startup(user: string, database: string): Buffer {
  const body = Buffer.concat([int32(VERSION_3_0), ...['user', user, 'database', database, ''].map(cString)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export function simpleQuery(sql: string): Buffer {
  return message('Q', cString(sql));
}

/** Parses a statement once, under a name. */
export function prepare(name: string, sql: string): Buffer {
  return Buffer.concat([message('P', cString(name), cString(sql), int16(0)), SYNC]);
}

/** Executes a prepared statement with one parameter, as text. A transaction of its own. */
export function executePrepared(name: string, parameter: string): Buffer {
  const value = Buffer.from(parameter);
  const bind = message('B', cString(''), cString(name), int16(0), int16(1), int32(value.length), value, int16(0));
  return Buffer.concat([bind, message('E', cString(''), int32(0)), SYNC]);
}

/** A text[] as text. */
export function arrayLiteral(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/[\\"]/g, '\\$&')}"`).join(',')}}`;
}

const SYNC = message('S');

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const HEAD_BYTES = 5;

/** One answer for each ReadyForQuery. */
export class QueryReader implements AnswerReader<QueryAnswer> {
  private received: Buffer = Buffer.alloc(0);
  private rows: (readonly (string | null)[])[] = [];

  take(data: Buffer): QueryAnswer[] {
    this.received = this.received.length === 0 ? data : Buffer.concat([this.received, data]);
    const answers: QueryAnswer[] = [];
    let from = 0;
    while (this.received.length >= from + HEAD_BYTES) {
      const end = from + 1 + this.received.readInt32BE(from + 1);
      if (this.received.length < end) break;
      this.takeMessage(String.fromCharCode(this.received[from] ?? 0), from + HEAD_BYTES, end, answers);
      from = end;
    }
    this.received = this.received.subarray(from);
    return answers;
  }

  private takeMessage(type: string, from: number, end: number, answers: QueryAnswer[]): void {
    const body = this.received.subarray(from, end);
    if (type === 'E') throw new Error(`postgres answered: ${errorIn(body)}`);
    if (type === 'R' && body.readInt32BE(0) !== 0) throw new Error('postgres asks for a password');
    if (type === 'D') this.rows.push(rowIn(body));
    if (type !== 'Z') return;
    answers.push({ rows: this.rows });
    this.rows = [];
  }
}

/** Fields of a letter and a text each. */
function errorIn(body: Buffer): string {
  const fields = body.toString('utf8').split('\0');
  const of = (letter: string) => fields.find((field) => field.startsWith(letter))?.slice(1) ?? '';
  return `${of('S')} ${of('C')}: ${of('M')}`;
}

function rowIn(body: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let from = 2;
  for (let left = body.readInt16BE(0); left > 0; left -= 1) {
    const length = body.readInt32BE(from);
    from += 4;
    values.push(length < 0 ? null : body.toString('utf8', from, from + length));
    from += Math.max(length, 0);
  }
  return values;
}
