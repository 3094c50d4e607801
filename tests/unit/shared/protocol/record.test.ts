import fc from 'fast-check';
import { type Control, controlRecord, decodeRecord, entryOf, entryRecord, RecordError } from '#protocol/record';
import { anyString, ODD_STRINGS } from './odd-strings';

const encode = (text: string) => new TextEncoder().encode(text);

const ENTRY = { seq: 3, epoch: 2, id: 'id', ts: '2026-01-01T00:00:00.000Z', message: 'm' };

test.each(ODD_STRINGS.map((text) => [JSON.stringify(text).slice(0, 20), text]))(
  'message %s comes back equal',
  (_, message) => {
    const record = entryRecord(9, { ...ENTRY, message });
    expect(decodeRecord(9, record.bytes)).toEqual(record);
    expect(entryOf(record.bytes)).toEqual({ ...ENTRY, message });
  },
);

test('any entry comes back equal, on one line', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1 }),
      fc.integer({ min: 1 }),
      anyString,
      anyString,
      anyString,
      (seq, epoch, id, ts, message) => {
        const record = entryRecord(seq + 1, { seq, epoch, id, ts, message });
        expect(record.bytes.includes(0x0a)).toBe(false);
        expect(decodeRecord(seq + 1, record.bytes)).toEqual(record);
        expect(entryOf(record.bytes)).toEqual({ seq, epoch, id, ts, message });
      },
    ),
  );
});

test('a line begins with its seq and epoch', () => {
  expect(Buffer.from(entryRecord(1, ENTRY).bytes).toString()).toMatch(/^\{"seq":3,"epoch":2,/);
});

const CONTROLS: Control[] = [
  { control: 'epoch', reign: 'r', node: 'a', store: 's' },
  { control: 'members', voters: [{ node: 'a', store: 's' }], members: ['b', 'c'] },
  { control: 'members', voters: [], members: [] },
];

test.each(CONTROLS)('control %j comes back equal', (control) => {
  const record = controlRecord({ index: 4, epoch: 2, seq: 0 }, control);
  expect(decodeRecord(4, record.bytes)).toEqual(record);
  expect(record).toMatchObject({ index: 4, epoch: 2, seq: 0, id: null });
});

test.each([
  ['', 'not JSON'],
  ['{', 'not JSON'],
  ['null', 'not a JSON object'],
  ['[]', 'not a JSON object'],
  ['7', 'not a JSON object'],
  ['{}', 'epoch'],
  ['{"seq":1,"epoch":0,"id":"a","ts":"t","message":"m"}', 'epoch'],
  ['{"seq":1,"epoch":1.5,"id":"a","ts":"t","message":"m"}', 'epoch'],
  ['{"seq":-1,"epoch":1,"id":"a","ts":"t","message":"m"}', 'seq'],
  ['{"seq":0,"epoch":1,"id":"a","ts":"t","message":"m"}', 'below 1'],
  ['{"seq":1e300,"epoch":1,"id":"a","ts":"t","message":"m"}', 'seq'],
  ['{"seq":1,"epoch":1,"id":7,"ts":"t","message":"m"}', 'not a string'],
  ['{"seq":1,"epoch":1,"id":"a","ts":"t"}', 'not a string'],
  ['{"seq":1,"epoch":1,"control":"other"}', 'this version'],
  ['{"seq":1,"epoch":1,"control":null}', 'this version'],
  ['{"seq":1,"epoch":1,"control":"epoch","reign":"r","node":"a"}', 'this version'],
  ['{"seq":1,"epoch":1,"control":"members","voters":[{"node":"a"}],"members":[]}', 'this version'],
  ['{"seq":1,"epoch":1,"control":"members","voters":[],"members":[null]}', 'this version'],
])('the line %s is refused: %s', (line, what) => {
  expect(() => decodeRecord(5, encode(line))).toThrow(RecordError);
  expect(() => decodeRecord(5, encode(line))).toThrow(what);
});

test('every refusal names the index of the record', () => {
  for (const line of ['', '[]', '{}', '{"seq":1,"epoch":1}']) {
    expect(() => decodeRecord(5, encode(line))).toThrow('record 5: ');
  }
});

test('bytes that are not UTF-8 are refused', () => {
  const { bytes } = entryRecord(1, ENTRY);
  const broken = Uint8Array.from(bytes);
  broken[broken.length - 3] = 0xff;
  expect(() => decodeRecord(1, broken)).toThrow(RecordError);
});

test('a byte order mark is not swallowed', () => {
  const { bytes } = entryRecord(1, ENTRY);
  expect(() => decodeRecord(1, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]))).toThrow(RecordError);
});

test('whatever bytes come, decoding gives a record or a RecordError', () => {
  const line = fc.oneof(fc.uint8Array(), fc.json().map(encode), anyString.map(encode));
  fc.assert(
    fc.property(line, (bytes) => {
      try {
        expect(decodeRecord(1, bytes).bytes).toBe(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordError);
      }
    }),
  );
});

test('a property named __proto__ in a line is data, not a prototype', () => {
  const line = '{"__proto__":{"control":"epoch"},"seq":1,"epoch":1,"id":"a","ts":"t","message":"m"}';
  expect(decodeRecord(1, encode(line)).control).toBeNull();
});
