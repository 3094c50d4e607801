import fc from 'fast-check';
import { type Entry, generatedId } from '#protocol/entry';
import {
  controlRecord,
  decodeRecord,
  entryRecord,
  entryRecords,
  type LogRecord,
  RecordDecoder,
} from '#protocol/record';
import { anyString, ODD_STRINGS } from './odd-strings';

const REIGN = '0123456789abcdef';
const TS = '2026-01-01T00:00:00.000Z';

/** What a decoder makes of lines, one after the other: records, or the words of its refusals. */
function told(lines: readonly Uint8Array[], decode: (index: number, bytes: Uint8Array) => LogRecord): unknown[] {
  return lines.map((line, at) => {
    try {
      return decode(at + 1, line);
    } catch (error) {
      return String(error);
    }
  });
}

function expectTheSame(lines: readonly Uint8Array[]): void {
  const decoder = new RecordDecoder();
  expect(told(lines, (index, bytes) => decoder.decode(index, bytes))).toEqual(told(lines, decodeRecord));
}

function entriesFrom(seq: number, messages: readonly string[], idOf = (at: number) => generatedId(REIGN, at)): Entry[] {
  return messages.map((message, at) => ({ seq: seq + at, epoch: 3, id: idOf(seq + at), ts: TS, message }));
}

const encode = (text: string) => new TextEncoder().encode(text);

describe('a decoder of one stretch', () => {
  it('says of any entries what the parser says', () => {
    const entries = fc
      .tuple(fc.integer({ min: 1, max: 1e6 }), fc.array(fc.oneof(fc.string(), anyString), { maxLength: 12 }))
      .map(([seq, messages]) => entriesFrom(seq, messages).map((entry) => entryRecord(1, entry).bytes));
    fc.assert(fc.property(entries, expectTheSame));
  });

  it('says of lines with any byte changed what the parser says', () => {
    const change = fc.tuple(fc.nat(4), fc.nat(120), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const lines = entriesFrom(8, ['a', 'bc', '', 'd', 'e']).map((entry) => entryRecord(1, entry).bytes);
        for (const [at, place, byte] of changes) {
          const line = lines[at];
          if (line !== undefined) line[place % line.length] = byte;
        }
        expectTheSame(lines);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([1, 8, 9, 98, 99, 999, 999_999, Number.MAX_SAFE_INTEGER - 4])('counts on from %d', (seq) => {
    expectTheSame(entriesFrom(seq, Array(9).fill('m')).map((entry) => entryRecord(1, entry).bytes));
  });

  it('goes on behind ids of clients, control records, another reign and another epoch', () => {
    const [first, second, third] = entriesFrom(4, ['a', 'b', 'c']);
    const lines = [
      first,
      second && { ...second, id: 'mine' },
      third && { ...third, id: generatedId('fedcba9876543210', 6) },
      { seq: 7, epoch: 4, id: generatedId('fedcba9876543210', 7), ts: TS, message: 'd' },
      { seq: 8, epoch: 4, id: generatedId('fedcba9876543210', 7), ts: TS, message: 'd' },
    ].flatMap((entry) => (entry === undefined ? [] : [entryRecord(1, entry).bytes]));
    const control = controlRecord({ index: 1, epoch: 3, seq: 4 }, { control: 'members', voters: [], members: [] });
    expectTheSame(lines);
    expectTheSame(lines.flatMap((line) => [line, control.bytes]));
  });

  it.each([
    ['', 0],
    ['{"seq":2,', 9],
    [' {"seq":2', 9],
    ['{"seq":2', 0],
  ])('is not misled by what is near the form: %j', (start, cut) => {
    const [first, second] = entriesFrom(1, ['a', 'b']).map((entry) => entryRecord(1, entry).bytes);
    const text = Buffer.from(second ?? []).toString();
    expectTheSame([first ?? encode(''), encode(`${start}${text.slice(cut)}`), encode(text.replace('Z"', 'Z1"'))]);
  });
});

describe('entries encoded together', () => {
  const alone = (index: number, entries: readonly Entry[]) =>
    entries.map((entry, at) => entryRecord(index + at, entry));

  it('are the records that each would be alone', () => {
    const entry = fc.record({ seq: fc.nat(), epoch: fc.nat(), id: anyString, ts: anyString, message: anyString });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        expect(entryRecords(5, entries).map(plain)).toEqual(alone(5, entries).map(plain));
      }),
    );
  });

  it.each([['},{"seq":'], ['"},{"seq":1}'], ...ODD_STRINGS.map((text) => [text])])(
    'are cut where they end: %j',
    (text) => {
      const entries = entriesFrom(1, [text, 'plain', text, text]);
      expect(entryRecords(1, entries).map(plain)).toEqual(alone(1, entries).map(plain));
    },
  );
});

/** Views of one piece of memory and pieces of their own count as equal. */
function plain({ bytes, ...record }: LogRecord) {
  return { ...record, text: Buffer.from(bytes).toString() };
}
