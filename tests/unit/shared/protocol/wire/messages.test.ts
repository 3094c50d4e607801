import fc from 'fast-check';
import { IDENTITY_LENGTH_MAX } from '#protocol/identity';
import type { LogEnd } from '#protocol/log/outline';
import { REMOVED_MAX } from '#protocol/record';
import { endOf, isSameEpoch, saidEnd, wireSchemas } from '#protocol/wire/messages';

type Kind = keyof typeof wireSchemas;

const SENDER = { epoch: 3, reign: 'r3', log: 'r1/r3' };
const AT = { node: 'a', store: 'disk-a' };
const END = { lastIndex: 4, lastEpoch: 2, lastReign: 'r2', lastLog: 'r1', lastSeq: 2 };

/** One message of each kind, with its optional fields. */
const VALID: { readonly [Each in Kind]: Readonly<Record<string, unknown>> } = {
  ack: { ...SENDER, ...AT, index: 5, applied: 4 },
  heartbeat: { ...SENDER, ...AT, index: 5, applied: 4, buffered: 0, httpUrl: '', checksum: 7, differsAt: 0 },
  join: { ...SENDER, ...AT, ...END, storeKind: 'disk', httpUrl: '' },
  leave: { ...SENDER, node: 'a' },
  fetch: {
    ...SENDER,
    node: 'a',
    from: 1,
    lastEpoch: 0,
    lastReign: '',
    limit: 1,
    expects: { ...END, store: 'disk-b' },
    withChecksum: true,
  },
  diverged: { ...SENDER, endEpoch: 2, endReign: 'r2', endIndex: 7 },
  announce: { ...SENDER, node: 'a', headIndex: 5, head: 4, commit: 3, removed: ['b'], httpUrl: '', checksum: 1 },
  claim: { ...SENDER, ...AT, ...END },
  vote: { ...SENDER, ...AT, granted: true, claimed: 3, ...END, storeKind: 'memory', voters: [AT] },
  renew: { ...SENDER, ...AT },
};
const KINDS = Object.keys(wireSchemas) as Kind[];

function isTaken(kind: Kind, changes: Readonly<Record<string, unknown>>): boolean {
  return wireSchemas[kind].safeParse({ ...VALID[kind], ...changes }).success;
}

interface Limit {
  readonly taken: readonly unknown[];
  readonly refused: readonly unknown[];
}

const POSITION: Limit = {
  taken: [0, 1, Number.MAX_SAFE_INTEGER],
  refused: [-1, 0.5, Number.MAX_SAFE_INTEGER + 1, '1', null],
};
const COUNT: Limit = { taken: [1, Number.MAX_SAFE_INTEGER], refused: [0, ...POSITION.refused] };
const NODE: Limit = { taken: ['a', 'x'.repeat(64), 'A-z_0'], refused: ['', 'x'.repeat(65), 'a.b', 'a b', 'a\n', 7] };
const STORE: Limit = { taken: ['s', 'a.b c', 'x'.repeat(64)], refused: ['', 'x'.repeat(65), 7] };
const REIGN: Limit = { taken: ['', 'x'.repeat(64)], refused: ['x'.repeat(65), 7, null] };
const LOG: Limit = {
  taken: [null, 'x', 'x'.repeat(IDENTITY_LENGTH_MAX)],
  refused: ['', 'x'.repeat(IDENTITY_LENGTH_MAX + 1), 7],
};
const URL: Limit = { taken: ['', 'x'.repeat(2_048)], refused: ['x'.repeat(2_049), 7, null] };
const STORE_KIND: Limit = { taken: ['disk', 'memory'], refused: ['', 'tape', null] };
const VOTERS: Limit = {
  taken: [[], Array(1_024).fill(AT)],
  refused: [Array(1_025).fill(AT), [{ node: 'a' }], [{ ...AT, node: '' }], [{ ...AT, store: '' }]],
};
const REMOVED: Limit = {
  taken: [[], Array(REMOVED_MAX).fill('a')],
  refused: [Array(REMOVED_MAX + 1).fill('a'), [''], [7]],
};

/** The limit of each field, in whatever kind it occurs. */
const LIMITS: Readonly<Record<string, Limit>> = {
  epoch: POSITION,
  reign: REIGN,
  log: LOG,
  node: NODE,
  store: STORE,
  index: POSITION,
  applied: POSITION,
  buffered: POSITION,
  checksum: POSITION,
  differsAt: POSITION,
  httpUrl: URL,
  storeKind: STORE_KIND,
  lastIndex: POSITION,
  lastEpoch: POSITION,
  lastReign: REIGN,
  lastLog: LOG,
  lastSeq: POSITION,
  from: COUNT,
  limit: COUNT,
  expects: { taken: [], refused: [{ ...END }, { ...END, store: '' }, { store: 'b' }, null] },
  withChecksum: { taken: [true], refused: [false, 1, null] },
  endEpoch: POSITION,
  endReign: REIGN,
  endIndex: POSITION,
  headIndex: POSITION,
  head: POSITION,
  commit: POSITION,
  removed: REMOVED,
  granted: { taken: [true, false], refused: [1, 'true', null] },
  claimed: POSITION,
  voters: VOTERS,
};

const FIELDS = KINDS.flatMap((kind) => Object.keys(VALID[kind]).map((field) => [kind, field] as const));

describe('a message', () => {
  test.each(FIELDS)('%s: `%s` is taken up to its limit, and refused beyond', (kind, field) => {
    const limit = LIMITS[field];
    if (limit === undefined) throw new Error(`no limit is tried for ${field}`);
    for (const value of limit.taken) expect([value, isTaken(kind, { [field]: value })]).toEqual([value, true]);
    for (const value of limit.refused) expect([value, isTaken(kind, { [field]: value })]).toEqual([value, false]);
  });

  test.each(KINDS)('%s: every field that the schema has is tried above', (kind) => {
    expect(Object.keys(VALID[kind]).sort()).toEqual(Object.keys(wireSchemas[kind].shape).sort());
  });

  const OPTIONAL = ['heartbeat.buffered', 'heartbeat.checksum', 'heartbeat.differsAt', 'announce.checksum'];
  test.each(FIELDS)('%s: only an optional field may be left out: `%s`', (kind, field) => {
    const isOptional = [...OPTIONAL, 'fetch.expects', 'fetch.withChecksum'].includes(`${kind}.${field}`);
    expect(isTaken(kind, { [field]: undefined })).toBe(isOptional);
  });
});

test.each([
  ['the number and the reign', { epoch: 3, reign: 'r3' }, true],
  ['the number alone', { epoch: 3, reign: 'r4' }, false],
  ['the reign alone', { epoch: 4, reign: 'r3' }, false],
])('two names with %s in common: the same epoch is %s', (_, other, isSame) => {
  expect(isSameEpoch({ epoch: 3, reign: 'r3' }, other)).toBe(isSame);
  expect(isSameEpoch(other, { epoch: 3, reign: 'r3' })).toBe(isSame);
});

test('the end of a log is said in the fields that claims, votes and joins have', () => {
  const end: LogEnd = { index: 4, epoch: 2, reign: 'r2', log: 'r1' };
  expect(saidEnd(end, 2)).toEqual(END);
  expect(Object.keys(wireSchemas.claim.shape)).toEqual(expect.arrayContaining(Object.keys(saidEnd(end, 2))));
});

test('the end of any log comes back from what was said, whatever else the message says', () => {
  const end = fc.record({ index: fc.nat(), epoch: fc.nat(), reign: fc.string(), log: fc.option(fc.string()) });
  fc.assert(
    fc.property(end, fc.nat(), (said, lastSeq) => {
      expect(endOf({ ...VALID.claim, ...saidEnd(said, lastSeq) })).toEqual(said);
    }),
  );
});
