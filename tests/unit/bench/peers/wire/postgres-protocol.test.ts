import {
  arrayLiteral,
  executePrepared,
  prepare,
  QueryReader,
  simpleQuery,
  startup,
} from '#bench/peers/wire/postgres-protocol';
import { takenInPieces } from './cut';

/** A message of the server. */
function said(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length + 4);
  return Buffer.concat([Buffer.from(type), length, bytes]);
}

const READY = said('Z', 'I');

describe('the protocol of PostgreSQL', () => {
  it('starts with its version, the user and the database', () => {
    const bytes = startup('me', 'log');
    expect(bytes.readInt32BE(0)).toBe(bytes.length);
    expect(bytes.readInt32BE(4)).toBe(3 << 16);
    expect(bytes.toString('latin1', 8)).toBe('user\0me\0database\0log\0\0');
  });

  it('gives each message its own length', () => {
    const query = simpleQuery('SELECT 1');
    expect(query.toString('latin1')).toBe(`Q\0\0\0\x0dSELECT 1\0`);
    expect(prepare('s', 'x').toString('latin1')).toBe('P\0\0\0\x0as\0x\0\0\0S\0\0\0\x04');
  });

  it('binds one parameter as text, executes, and ends the transaction', () => {
    const bind = 'B\0\0\0\x14\0s\0\0\0\0\x01\0\0\0\x03ä!\0\0';
    const sent = executePrepared('s', 'ä!');
    expect(sent.toString('utf8')).toBe(`${bind}E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04`);
  });

  it('quotes what an array holds', () => {
    expect(arrayLiteral(['a', 'b"c', 'd\\e', ''])).toBe('{"a","b\\"c","d\\\\e",""}');
  });

  const row = said('D', Buffer.from('\0\x03\0\0\0\x0212\xff\xff\xff\xff\0\0\0\0', 'latin1'));
  const bytes = Buffer.concat([said('R', '\0\0\0\0'), said('S', 'a\0b\0'), READY, said('2', ''), row, row, READY]);

  it.each([1, 3, 6, 1_000])('finds the answers in pieces of %i bytes', (length) => {
    const rows = [
      ['12', null, ''],
      ['12', null, ''],
    ];
    expect(takenInPieces(new QueryReader(), bytes, length)).toEqual([{ rows: [] }, { rows }]);
  });

  it('throws for an error with its code, and when a password is asked for', () => {
    const refusal = said('E', 'SERROR\0C42P01\0Mno such table\0\0');
    expect(() => new QueryReader().take(refusal)).toThrow('postgres answered: ERROR 42P01: no such table');
    expect(() => new QueryReader().take(said('R', '\0\0\0\x0a'))).toThrow('password');
  });
});
