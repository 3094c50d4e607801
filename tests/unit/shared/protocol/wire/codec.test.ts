import fc from 'fast-check';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';
import { decodeWire, encodeWire, WireError } from '#protocol/wire/codec';
import { type EntriesMessage, type WireMessage, wireSchemas } from '#protocol/wire/messages';
import { anyString, ODD_STRINGS } from '../odd-strings';

const sender = { epoch: 3, reign: 'r', log: 'r1/r2' };
const at = { node: 'a', store: 's' };
const end = { lastIndex: 4, lastEpoch: 2, lastReign: 'r2', lastLog: 'r1/r2', lastSeq: 2 };
const nothing = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0 };

const PLAIN: WireMessage[] = [
  { type: 'ack', ...sender, ...at, index: 5, applied: 4 },
  { type: 'heartbeat', ...sender, ...at, index: 5, applied: 4, buffered: 0, httpUrl: '', checksum: 7, differsAt: 0 },
  { type: 'join', ...sender, log: null, ...at, ...nothing, storeKind: 'memory', httpUrl: 'http://a:1' },
  { type: 'leave', ...sender, node: 'a' },
  { type: 'fetch', ...sender, node: 'a', from: 1, lastEpoch: 0, lastReign: '', limit: 10 },
  {
    type: 'fetch',
    ...sender,
    node: 'a',
    from: 5,
    lastEpoch: 2,
    lastReign: 'r2',
    limit: 1,
    expects: { store: 's', ...end },
    withChecksum: true,
  },
  { type: 'diverged', ...sender, endEpoch: 2, endReign: 'r2', endIndex: 7 },
  {
    type: 'announce',
    ...sender,
    node: 'a',
    headIndex: 5,
    head: 4,
    commit: 3,
    removed: ['b'],
    httpUrl: '',
    checksum: 1,
  },
  { type: 'claim', ...sender, ...at, ...end },
  { type: 'vote', ...sender, ...at, granted: true, claimed: 3, ...end, storeKind: 'disk', voters: [at] },
  { type: 'renew', ...sender, ...at },
];

test.each(PLAIN.map((message) => [message.type, message] as const))('%s comes back equal', (type, message) => {
  expect(decodeWire(type, encodeWire(message))).toEqual(message);
});

describe('a heartbeat of another build', () => {
  const recorded = (buffered: string) =>
    `{"epoch":3,"reign":"r","log":"r1/r2","node":"a","store":"s","index":5,"applied":4,${buffered}"httpUrl":"http://a:1"}`;

  test.each([
    ['an earlier one, which says how much it buffers', '"buffered":7,'],
    ['a later one, which does not', ''],
    ['one with a field that is not known here', '"later":{"a":1},'],
  ])('is taken: %s', (_, field) => {
    const heartbeat = { type: 'heartbeat', ...sender, ...at, index: 5, applied: 4, httpUrl: 'http://a:1' };
    expect(decodeWire('heartbeat', Buffer.from(recorded(field)))).toMatchObject(heartbeat);
  });
});

test('the kinds that are tried are all kinds there are', () => {
  const kinds: readonly string[] = PLAIN.map(({ type }) => type);
  expect([...new Set(kinds)].sort()).toEqual(Object.keys(wireSchemas).sort());
});

/** A batch of epoch 3 behind `prevIndex`, from kinds. */
function batch(
  prevIndex: number,
  parts: readonly { readonly message: string | null; readonly id: string }[],
): EntriesMessage {
  const records: LogRecord[] = [];
  let seq = prevIndex === 0 ? 0 : Math.floor(prevIndex / 2);
  for (const { message, id } of parts) {
    const index = prevIndex + records.length + 1;
    if (message === null) {
      records.push(controlRecord({ index, epoch: 3, seq }, { control: 'members', voters: [], members: ['b'] }));
    } else {
      seq += 1;
      records.push(entryRecord(index, { seq, epoch: 3, id, ts: 't', message }));
    }
  }
  const prev = prevIndex === 0 ? { prevEpoch: 0, prevReign: '' } : { prevEpoch: 2, prevReign: 'r2' };
  return { type: 'entries', ...sender, prevIndex, ...prev, commit: prevIndex, records };
}

const asText = (message: WireMessage) => ({
  ...message,
  ...('records' in message
    ? { records: message.records.map((r) => ({ ...r, bytes: Buffer.from(r.bytes).toString() })) }
    : {}),
});

test('a batch comes back equal, whatever its messages hold', () => {
  const part = fc.record({ message: fc.option(anyString), id: anyString });
  fc.assert(
    fc.property(fc.nat(1000), fc.array(part, { maxLength: 5 }), (prevIndex, parts) => {
      const message = batch(prevIndex, parts);
      expect(asText(decodeWire('entries', encodeWire(message)))).toEqual(asText(message));
    }),
    { numRuns: 60 },
  );
});

test('a body is JSON that any parser understands, and that holds the entries', () => {
  const message = batch(
    0,
    ODD_STRINGS.map((text) => ({ message: text, id: 'i' })),
  );
  const body = JSON.parse(Buffer.from(encodeWire(message)).toString()) as { records: { message: string }[] };
  expect(body.records.map((record) => record.message)).toEqual(ODD_STRINGS);
});

test('an empty batch is carried', () => {
  const message = batch(4, []);
  expect(decodeWire('entries', encodeWire(message))).toEqual(message);
});

test('a batch cut at any byte, or with a line feed more, is refused', () => {
  const body = Buffer.from(
    encodeWire(
      batch(0, [
        { message: 'one', id: 'a' },
        { message: 'two', id: 'b' },
      ]),
    ),
  );
  for (let length = 0; length < body.length; length += 1) {
    expect(() => decodeWire('entries', body.subarray(0, length))).toThrow(WireError);
    const broken = Buffer.concat([body.subarray(0, length), Buffer.from('\n'), body.subarray(length)]);
    const decoded = outcome('entries', broken);
    if (decoded !== 'refused') expect(asText(decoded)).toEqual(asText(decodeWire('entries', body)));
  }
});

test('whatever bytes come, decoding gives a message or a WireError', () => {
  const body = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    anyString.map((text) => Buffer.from(text)),
  );
  const type = fc.oneof(
    fc.constantFrom('entries', 'ack', 'claim', 'vote', '__proto__', 'constructor', ''),
    fc.anything(),
  );
  fc.assert(
    fc.property(type, body, (kind, bytes) => {
      outcome(kind, bytes);
    }),
  );
});

test('a batch with any one byte changed is refused or is a batch that follows its own header', () => {
  const body = Buffer.from(
    encodeWire(
      batch(2, [
        { message: 'one', id: 'a' },
        { message: null, id: '' },
      ]),
    ),
  );
  for (let byte = 0; byte < body.length; byte += 1) {
    for (const value of [0x0a, 0x22, 0x30, 0x7d, 0xff]) {
      const changed = Buffer.from(body);
      changed[byte] = value;
      const decoded = outcome('entries', changed);
      if (decoded === 'refused' || decoded.type !== 'entries') continue;
      expect(decoded.records.map(({ index }) => index)).toEqual(
        decoded.records.map((_, place) => decoded.prevIndex + place + 1),
      );
    }
  }
});

function outcome(type: unknown, body: Uint8Array): WireMessage | 'refused' {
  try {
    return decodeWire(type, body);
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
    return 'refused';
  }
}

const LINE = (seq: number, epoch: number) => `{"seq":${seq},"epoch":${epoch},"id":"a","ts":"t","message":"m"}`;
const entries = (header: object, ...lines: string[]) => {
  const prev = { prevIndex: 0, prevEpoch: 0, prevReign: '' };
  const start = JSON.stringify({ ...sender, ...prev, commit: 0, ...header }).slice(0, -1);
  return Buffer.from(`${start},"records":[\n${lines.join(',\n')}${lines.length > 0 ? '\n' : ''}]}`);
};

test.each([
  ['a seq that is skipped', entries({}, LINE(1, 1), LINE(3, 1))],
  ['a seq that comes twice', entries({}, LINE(1, 1), LINE(1, 1))],
  ['a first seq that is not 1', entries({}, LINE(2, 1))],
  ['an epoch that falls', entries({}, LINE(1, 2), LINE(2, 1))],
  ["an epoch above the sender's", entries({}, LINE(1, 4))],
  ['an epoch below that of the record before', entries({ prevIndex: 5, prevEpoch: 2 }, LINE(4, 1))],
  ['a seq above its index', entries({ prevIndex: 5, prevEpoch: 2 }, LINE(9, 2))],
  ['a prevEpoch at index 0', entries({ prevEpoch: 1 }, LINE(1, 1))],
  ['no prevEpoch behind index 0', entries({ prevIndex: 5 }, LINE(5, 1))],
  ['a prevEpoch above the epoch', entries({ prevIndex: 5, prevEpoch: 4 }, LINE(5, 4))],
  ['an epoch 0', entries({ epoch: 0 })],
  ['a negative commit', entries({ commit: -1 })],
  ['a line without its comma', Buffer.from(entries({}, LINE(1, 1), LINE(2, 1)).toString().replace(',\n{', '\n{'))],
  ['a comma behind the last line', Buffer.from(entries({}, LINE(1, 1)).toString().replace('\n]}', ',\n]}'))],
])('a batch with %s is refused', (_, body) => {
  expect(() => decodeWire('entries', body)).toThrow(WireError);
});

test('the rows above are refused for what they say, not for their form', () => {
  expect(decodeWire('entries', entries({}, LINE(1, 1), LINE(2, 1)))).toMatchObject({ type: 'entries', log: 'r1/r2' });
  expect(decodeWire('entries', entries({ prevIndex: 5, prevEpoch: 2, prevReign: 'r2' }, LINE(5, 2)))).toBeDefined();
});

/** The body of a message, changed. */
function changedBody(message: WireMessage, change: (body: Record<string, unknown>) => unknown): Buffer {
  const [header = '', ...lines] = Buffer.from(encodeWire(message)).toString().split('\n');
  const isBatch = message.type === 'entries';
  const changed = JSON.stringify(change(JSON.parse(isBatch ? `${header}]}` : header) as Record<string, unknown>));
  return Buffer.from([isBatch ? changed.slice(0, -2) : changed, ...lines].join('\n'));
}

function faultOf(type: string, body: Uint8Array): WireError {
  try {
    decodeWire(type, body);
  } catch (error) {
    if (error instanceof WireError) return error;
  }
  throw new Error(`${type} is no WireError: ${Buffer.from(body)}`);
}

const EVERY_KIND = [...PLAIN, batch(2, [{ message: 'one', id: 'a' }])].map(
  (message) => [message.type, message] as const,
);

describe('a message that does not say which log its sender belongs to', () => {
  const withoutLog = ({ log: _, ...body }: Record<string, unknown>) => body;

  test.each(EVERY_KIND)('is of a release that has to be upgraded: %s', (type, message) => {
    expect(faultOf(type, changedBody(message, withoutLog)).isOutdated).toBe(true);
  });

  test.each(EVERY_KIND)('is not to be confused with one that says something else wrongly: %s', (type, message) => {
    for (const log of [7, '', 'x'.repeat(1_025)])
      expect(
        faultOf(
          type,
          changedBody(message, (body) => ({ ...body, log })),
        ).isOutdated,
      ).toBe(false);
    expect(
      faultOf(
        type,
        changedBody(message, (body) => ({ ...body, reign: 7 })),
      ).isOutdated,
    ).toBe(false);
  });

  test.each(['{}', '[]', 'null', '7', '{"epoch":'])('is not meant by %s, which says no epoch either', (text) => {
    expect(faultOf('ack', Buffer.from(text)).isOutdated).toBe(false);
  });

  test('is taken when it says that it is blank', () => {
    for (const [type, message] of EVERY_KIND)
      expect(
        decodeWire(
          type,
          changedBody(message, (body) => ({ ...body, log: null })),
        ).log,
      ).toBeNull();
  });
});

test('a kind that is not known is refused', () => {
  for (const type of [undefined, null, 7, '', 'other', '__proto__', 'toString']) {
    expect(() => decodeWire(type, Buffer.from('{}'))).toThrow(WireError);
  }
});
