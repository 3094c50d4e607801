import { type HeardLog, HeardLogs } from '#master/core/election/heard-logs';
import type { Identity } from '#protocol/identity';
import type { Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

const KEPT_MS = 6_000;
const SELF: Voter = { node: 'master', store: 'M' };
const R = { epoch: 3, reign: 'r3' };

/** `node/store`. */
function voterOf(text: string): Voter {
  const [node = '', store = ''] = text.split('/');
  return { node, store };
}

interface Said {
  /** What it belongs to. */
  readonly log: Identity | null;
  /** What its records say; as `log` when left out. */
  readonly lastLog?: Identity | null;
  readonly index?: number;
  readonly epoch?: number;
  readonly reign?: string;
  readonly voters?: readonly string[];
}

function endIn({ log, lastLog = log, index = 5, epoch = 2, reign = `r${epoch}` }: Said) {
  return { lastIndex: index, lastEpoch: epoch, lastReign: reign, lastLog, lastSeq: index };
}

function vote(voter: string, said: Said): MessageOf<'vote'> {
  const voters = (said.voters ?? []).map(voterOf);
  const answer = { granted: false, claimed: 3, storeKind: 'disk', voters } as const;
  return { type: 'vote', ...R, log: said.log, ...voterOf(voter), ...endIn(said), ...answer, voters };
}

function join(voter: string, said: Said): MessageOf<'join'> {
  return { type: 'join', ...R, log: said.log, ...voterOf(voter), ...endIn(said), storeKind: 'disk', httpUrl: '' };
}

function beat(voter: string, log: Identity | null): MessageOf<'heartbeat'> {
  return { type: 'heartbeat', ...R, log, ...voterOf(voter), index: 0, applied: 7, buffered: 0, httpUrl: '' };
}

function heardFrom(...messages: (MessageOf<'vote'> | MessageOf<'join'> | MessageOf<'heartbeat'>)[]): HeardLogs {
  const heard = new HeardLogs(KEPT_MS);
  for (const message of messages) heard.record(0, message);
  return heard;
}

const nodesOf = (all: readonly HeardLog[]) => all.map(({ node }) => node);

describe('what a node says of its log', () => {
  test('is known by a vote, and by a join without its voters', () => {
    const said = { log: 'r1/r2', lastLog: 'r1', index: 9, epoch: 2, voters: ['s1/A', 's2/B'] };
    const end = { index: 9, epoch: 2, reign: 'r2', log: 'r1' };
    const expected = { node: 's1', store: 'A', log: 'r1/r2', end, lastSeq: 9 };
    expect(heardFrom(vote('s1/A', said)).all(0)).toEqual([{ ...expected, voters: said.voters.map(voterOf) }]);
    expect(heardFrom(join('s1/A', said)).all(0)).toEqual([{ ...expected, voters: [] }]);
  });

  test('is known by a sign of life alone, but not where its log ends: nothing is fetched from it, and no list is taken for its', () => {
    const heard = heardFrom(beat('s1/A', 'r1'));
    const end = { index: 0, epoch: 0, reign: '', log: null };
    expect(heard.all(0)).toEqual([{ node: 's1', store: 'A', log: 'r1', end, lastSeq: 7, voters: [] }]);
    expect(nodesOf(heard.holders(0, null))).toEqual(['s1']);
    expect(heard.best(0, null)).toBeNull();
    expect(heard.adoptable(0, null, SELF)).toBeNull();
  });

  test('is not made out of a goodbye or a fetch', () => {
    const heard = new HeardLogs(KEPT_MS);
    heard.record(0, { type: 'leave', ...R, log: 'r1', node: 's1' });
    heard.record(0, { type: 'fetch', ...R, log: 'r1', node: 's1', from: 1, lastEpoch: 0, lastReign: '', limit: 1 });
    expect(heard.all(0)).toEqual([]);
  });

  test('is replaced by what it says next', () => {
    const heard = heardFrom(vote('s1/A', { log: 'r1', index: 3 }), vote('s1/A', { log: 'r1', index: 8 }));
    expect(heard.all(0).map(({ end }) => end.index)).toEqual([8]);
  });

  test('keeps its voters over a join of the same store, and loses them with the store', () => {
    const first = vote('s1/A', { log: 'r1', voters: ['s1/A'] });
    expect(heardFrom(first, join('s1/A', { log: 'r1' })).all(0)[0]?.voters).toEqual([voterOf('s1/A')]);
    expect(heardFrom(first, join('s1/new', { log: 'r1' })).all(0)[0]?.voters).toEqual([]);
  });

  test('is forgotten when it was not said again for long; a sign of life in the same log says it again', () => {
    const heard = heardFrom(vote('s1/A', { log: 'r1' }), vote('s2/B', { log: 'r1' }));
    heard.record(KEPT_MS, beat('s2/B', 'r1'));
    expect(nodesOf(heard.all(KEPT_MS))).toEqual(['s1', 's2']);
    expect(nodesOf(heard.all(KEPT_MS + 1))).toEqual(['s2']);
    expect(nodesOf(heard.all(2 * KEPT_MS + 1))).toEqual([]);
  });

  test.each([
    ['in another log', 's1/A', 'r9'],
    ['with another store', 's1/new', 'r1'],
    ['as a blank node', 's1/A', null],
  ])('is over with a sign of life %s', (_, voter, log) => {
    const heard = heardFrom(vote('s1/A', { log: 'r1', voters: ['s1/A'] }), beat(voter, log));
    expect(heard.all(0)).toMatchObject([{ ...voterOf(voter), log, end: { index: 0, log: null }, voters: [] }]);
  });

  test('is forgotten with the connection', () => {
    const heard = heardFrom(vote('s1/A', { log: 'r1' }));
    heard.clear();
    expect(heard.all(0)).toEqual([]);
  });

  test('is kept of a bounded number of nodes, the latest', () => {
    const heard = new HeardLogs(KEPT_MS);
    for (let at = 0; at < 1_025; at += 1) heard.record(0, vote(`s${at}/A`, { log: 'r1' }));
    const names = nodesOf(heard.all(0));
    expect([names.length, names[0], names.at(-1)]).toEqual([1_024, 's1', 's1024']);
  });
});

test('holders are all who belong to a log that is not the own one, whether its records are there or not', () => {
  const heard = heardFrom(
    vote('blank/A', { log: null, index: 0 }),
    vote('own/A', { log: 'r1' }),
    vote('branch/A', { log: 'r1/r2' }),
    vote('foreign/A', { log: 'r9' }),
    vote('follower/A', { log: 'r9', lastLog: null, index: 0 }),
  );
  expect(nodesOf(heard.holders(0, 'r1'))).toEqual(['branch', 'foreign', 'follower']);
  expect(nodesOf(heard.holders(0, null))).toEqual(['own', 'branch', 'foreign', 'follower']);
});

test.each([
  ['two logs', null, ['r1', 'r9'], true],
  ['two branches of one log', 'r1', ['r1/a', 'r1/b'], true],
  ['a log and a later branch of it', null, ['r1', 'r1/a'], false],
  ['one log', null, ['r1', 'r1'], false],
  ['nothing', null, [], false],
] as const)('%s: which one could be taken is open or not', (_what, own, logs, expected) => {
  const heard = new HeardLogs(KEPT_MS);
  for (const [at, log] of logs.entries()) heard.record(0, vote(`n${at}/A`, { log }));
  expect(heard.isAmbiguous(0, own)).toBe(expected);
  if (expected) expect(heard.best(0, own)).toBeNull();
});

describe('a log is adopted', () => {
  const THREE = ['master/old', 's1/A', 's2/B'];

  test.each<[what: string, own: Identity | null, expected: Identity | null, messages: readonly MessageOf<'vote'>[]]>([
    [
      'when a majority of its voters is heard in it',
      null,
      'r1',
      [vote('s1/A', { log: 'r1', voters: THREE }), vote('s2/B', { log: 'r1', voters: THREE })],
    ],
    ['not when only a minority is: it may be a stray', null, null, [vote('s1/A', { log: 'r1', voters: THREE })]],
    [
      'not when one of them comes with another store',
      null,
      null,
      [vote('s1/A', { log: 'r1', voters: THREE }), vote('s2/new', { log: 'r1', voters: THREE })],
    ],
    [
      'not when the others are no voters of it',
      null,
      null,
      [vote('s1/A', { log: 'r1', voters: THREE }), vote('s8/A', { log: 'r1', voters: THREE })],
    ],
    [
      'by the list of one who said it, though another one that is ahead did not',
      null,
      'r1',
      [vote('s1/A', { log: 'r1', index: 3, voters: ['s1/A', 's2/B'] }), vote('s2/B', { log: 'r1', index: 9 })],
    ],
    ['not when its list was not heard', null, null, [vote('s1/A', { log: 'r1' }), vote('s2/B', { log: 'r1' })]],
    [
      'by the voters of the most up-to-date holder, not of one that lags',
      null,
      null,
      [
        vote('s1/A', { log: 'r1', index: 3, voters: ['s1/A'] }),
        vote('s2/B', { log: 'r1', index: 7, voters: ['s2/B', 's3/C', 's4/D', 's5/E'] }),
      ],
    ],
    [
      'with the own store as one of its voters',
      null,
      'r1',
      [vote('s1/A', { log: 'r1', voters: ['master/M', 's1/A'] })],
    ],
    ['when it is a later branch of the own log', 'r1', 'r1/r2', [vote('s1/A', { log: 'r1/r2', voters: ['s1/A'] })]],
    ['not when it is the own one already', 'r1', null, [vote('s1/A', { log: 'r1', voters: ['s1/A'] })]],
    ['not when it is an earlier branch', 'r1/r2', null, [vote('s1/A', { log: 'r1', voters: ['s1/A'] })]],
    ['not when it is foreign to the own one', 'r1', null, [vote('s1/A', { log: 'r9', voters: ['s1/A'] })]],
    ['not when it is another branch', 'r1/r2', null, [vote('s1/A', { log: 'r1/r9', voters: ['s1/A'] })]],
    [
      'not when there are two of them',
      null,
      null,
      [vote('s1/A', { log: 'r1', voters: ['s1/A'] }), vote('s2/B', { log: 'r9', voters: ['s2/B'] })],
    ],
    [
      'not when two branches of it have a majority each',
      null,
      null,
      [vote('s1/A', { log: 'r1/a', voters: ['s1/A'] }), vote('s2/B', { log: 'r1/b', voters: ['s2/B'] })],
    ],
    [
      'as far as its latest branch',
      null,
      'r1/r2',
      [vote('s1/A', { log: 'r1', voters: ['s1/A'] }), vote('s2/B', { log: 'r1/r2', voters: ['s2/B'] })],
    ],
  ])('%s', (_, own, expected, messages) => {
    expect(heardFrom(...messages).adoptable(0, own, SELF)).toBe(expected);
    expect(heardFrom(...[...messages].reverse()).adoptable(0, own, SELF)).toBe(expected);
  });

  test('not by what has been forgotten', () => {
    expect(heardFrom(vote('s1/A', { log: 'r1', voters: ['s1/A'] })).adoptable(KEPT_MS + 1, null, SELF)).toBeNull();
  });
});

describe('the best log for a force', () => {
  test.each<[what: string, own: Identity | null, expected: string | null, messages: readonly MessageOf<'vote'>[]]>([
    ['is nobody’s when nobody is heard', null, null, []],
    ['is nobody’s when all are blank', null, null, [vote('s1/A', { log: null, index: 0 })]],
    ['is nobody’s who only knows its name', null, null, [vote('s1/A', { log: 'r1', lastLog: null, index: 0 })]],
    [
      'is the one of the higher epoch',
      null,
      's2',
      [vote('s1/A', { log: 'r1', index: 9 }), vote('s2/B', { log: 'r1', epoch: 3 })],
    ],
    [
      'is the longer one of the same epoch',
      'r1',
      's1',
      [vote('s1/A', { log: 'r1', index: 9 }), vote('s2/B', { log: 'r1', index: 8 })],
    ],
    [
      'is the one of the later branch, whatever the epochs have come to',
      'r1',
      's2',
      [vote('s1/A', { log: 'r1', index: 90, epoch: 9 }), vote('s2/B', { log: 'r1/r2', index: 4 })],
    ],
    ['is nobody’s of another log', 'r1', null, [vote('s1/A', { log: 'r9' })]],
    ['is nobody’s of an earlier branch', 'r1/r2', null, [vote('s1/A', { log: 'r1' })]],
    ['is nobody’s when there are two logs', null, null, [vote('s1/A', { log: 'r1' }), vote('s2/B', { log: 'r9' })]],
    [
      'is the own one where another is heard, too',
      'r1',
      's1',
      [vote('s1/A', { log: 'r1' }), vote('s2/B', { log: 'r9' })],
    ],
  ])('%s', (_, own, expected, messages) => {
    expect(heardFrom(...messages).best(0, own)?.node ?? null).toBe(expected);
    expect(heardFrom(...[...messages].reverse()).best(0, own)?.node ?? null).toBe(expected);
  });
});
