import fc from 'fast-check';
import { type Answer, type BirthFacts, type BirthMode, blanksNeeded, mayBegin } from '#master/core/election/birth';
import { type BirthSituation, Candidacy } from '#master/core/election/candidacy';
import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { controlRecord, type LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

const BLANK: Answer = { holdsLog: false, inMemory: false };
const BLANK_IN_MEMORY: Answer = { holdsLog: false, inMemory: true };
const HOLDER: Answer = { holdsLog: true, inMemory: false };
const HOLDER_IN_MEMORY: Answer = { holdsLog: true, inMemory: true };

/** A master on disk, on a broker that knows of no log, of whom nobody has heard anything yet. */
const ALONE: BirthFacts = {
  mode: 'auto',
  isBlank: true,
  inMemory: false,
  freshBroker: true,
  hasSettled: true,
  secondaries: ['s1', 's2'],
  answered: new Map(),
  someoneHoldsALog: false,
  hasListened: false,
  isForced: false,
  needsVotes: true,
};

type Given = Partial<Omit<BirthFacts, 'answered'>> & { readonly answers?: Readonly<Record<string, Answer>> };

function factsOf({ answers = {}, ...changes }: Given): BirthFacts {
  return { ...ALONE, ...changes, answered: new Map(Object.entries(answers)) };
}

/** Each of these begins a log. */
const BIRTHS: Readonly<Record<string, Given>> = {
  auto: { answers: { s1: BLANK, s2: BLANK } },
  new: { mode: 'new', hasListened: true },
  'auto, forced': { freshBroker: false, isForced: true, hasListened: true },
  'a standby, forced': { mode: 'never', isForced: true, hasListened: true },
  'in memory': { inMemory: true, freshBroker: false, answers: { s1: BLANK_IN_MEMORY, s2: BLANK_IN_MEMORY } },
  'QUORUM_APPEND=false': { needsVotes: false },
};

describe.each(Object.entries(BIRTHS))('where a log begins (%s)', (_, given) => {
  test('it does', () => {
    expect(mayBegin(factsOf(given))).toBe(true);
  });

  test('none begins beside one that anybody was heard to hold', () => {
    expect(mayBegin(factsOf({ ...given, someoneHoldsALog: true }))).toBe(false);
  });

  test('none begins where the own log has a list', () => {
    expect(mayBegin(factsOf({ ...given, isBlank: false }))).toBe(false);
  });
});

test.each<[what: string, expected: boolean, given: Given]>([
  ['nobody has answered', false, {}],
  ['m − 1 of two secondaries have answered, and are blank', true, { answers: { s2: BLANK } }],
  ['the only one that answered holds a log', false, { answers: { s1: HOLDER } }],
  ['m − 1 are blank beside one that holds a log under this very claim', true, { answers: { s1: HOLDER, s2: BLANK } }],
  ['only nodes have answered that the settings do not name', false, { answers: { s8: BLANK, s9: BLANK } }],
  ['everybody has been silent for long', false, { hasListened: true }],
  ['there are no secondaries', true, { secondaries: [] }],
  ['the only secondary is silent', false, { secondaries: ['s1'] }],
  ['the only secondary is blank', true, { secondaries: ['s1'], answers: { s1: BLANK } }],
  ['one of four is blank', false, { secondaries: ['s1', 's2', 's3', 's4'], answers: { s1: BLANK } }],
  ['two of four are blank', true, { secondaries: ['s1', 's2', 's3', 's4'], answers: { s1: BLANK, s4: BLANK } }],
  ['the broker knows of a log, and all are blank', false, { freshBroker: false, answers: { s1: BLANK, s2: BLANK } }],
  ['the broker knows of a log, and there is no secondary', false, { freshBroker: false, secondaries: [] }],
  [
    'the broker knows of a log, and all are blank and were listened to',
    false,
    { freshBroker: false, hasListened: true, answers: { s1: BLANK, s2: BLANK } },
  ],
])('`auto`, when %s: %s', (_, expected, given) => {
  expect(mayBegin(factsOf(given))).toBe(expected);
});

test.each<[what: string, expected: boolean, given: Given]>([
  ['it has not listened yet, whoever has answered', false, { answers: { s1: BLANK, s2: BLANK } }],
  ['it has listened, and nobody has answered', true, { hasListened: true }],
  ['it has listened, and the broker knows of a log', true, { hasListened: true, freshBroker: false }],
])('`new`, when %s: %s', (_, expected, given) => {
  expect(mayBegin(factsOf({ mode: 'new', ...given }))).toBe(expected);
});

test.each<[what: string, given: Given]>([
  ['all are blank and were listened to', { hasListened: true, answers: { s1: BLANK, s2: BLANK } }],
  ['there are no secondaries', { hasListened: true, secondaries: [] }],
  ['no votes are needed', { hasListened: true, needsVotes: false }],
])('`never` begins nothing, though %s', (_, given) => {
  expect(mayBegin(factsOf({ mode: 'never', ...given }))).toBe(false);
});

test.each<BirthMode>(['auto', 'never'])('a force waits until everybody had the time to be heard: %s', (mode) => {
  const forced = { mode, freshBroker: false, isForced: true };
  expect(mayBegin(factsOf(forced))).toBe(false);
  expect(mayBegin(factsOf({ ...forced, hasListened: true }))).toBe(true);
});

test.each<[what: string, expected: boolean, given: Given]>([
  ['all are blank, and in memory', true, { answers: { s1: BLANK_IN_MEMORY, s2: BLANK_IN_MEMORY } }],
  ['one of them is silent', false, { answers: { s1: BLANK_IN_MEMORY } }],
  ['one of them is on disk, and could have lost it', false, { answers: { s1: BLANK_IN_MEMORY, s2: BLANK } }],
  ['one of them holds a log', false, { answers: { s1: BLANK_IN_MEMORY, s2: HOLDER_IN_MEMORY } }],
  ['the settings name nobody', true, { secondaries: [] }],
  ['it is `never` to begin', false, { mode: 'never', answers: { s1: BLANK_IN_MEMORY, s2: BLANK_IN_MEMORY } }],
])('in memory, on a broker that knows of a log, when %s: %s', (_, expected, given) => {
  expect(mayBegin(factsOf({ inMemory: true, freshBroker: false, ...given }))).toBe(expected);
});

test('in memory, on a broker that knows of none, m − 1 are enough, on disk or not', () => {
  expect(mayBegin(factsOf({ inMemory: true, answers: { s1: BLANK } }))).toBe(true);
  expect(mayBegin(factsOf({ inMemory: true }))).toBe(false);
});

test('with QUORUM_APPEND=false one node is enough, but only on a broker that knows of no log', () => {
  expect(mayBegin(factsOf({ needsVotes: false }))).toBe(true);
  expect(mayBegin(factsOf({ needsVotes: false, freshBroker: false }))).toBe(false);
  expect(mayBegin(factsOf({ needsVotes: false, freshBroker: false, answers: { s1: BLANK, s2: BLANK } }))).toBe(false);
});

test.each([
  [0, 0],
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 2],
])('beside %d secondaries it takes %d blank ones', (count, expected) => {
  const secondaries = Array.from({ length: count }, (_, at) => `s${at}`);
  expect(blanksNeeded({ secondaries, needsVotes: true })).toBe(expected);
  expect(blanksNeeded({ secondaries, needsVotes: false })).toBe(0);
});

const answer = fc.record({ holdsLog: fc.boolean(), inMemory: fc.boolean() });
const facts: fc.Arbitrary<BirthFacts> = fc.record({
  mode: fc.constantFrom<BirthMode>('auto', 'new', 'never'),
  isBlank: fc.boolean(),
  inMemory: fc.boolean(),
  freshBroker: fc.boolean(),
  secondaries: fc.subarray(['s1', 's2', 's3', 's4']),
  answered: fc.dictionary(fc.constantFrom('s1', 's2', 's3', 's4'), answer).map((all) => new Map(Object.entries(all))),
  someoneHoldsALog: fc.boolean(),
  hasListened: fc.boolean(),
  hasSettled: fc.boolean(),
  isForced: fc.boolean(),
  needsVotes: fc.boolean(),
});

test('without an operator, votes needed and a disk, a log begins exactly beside a majority that is blank, and only where nothing speaks of one', () => {
  const drawn = facts.map((each): BirthFacts => {
    const mode = each.mode === 'new' ? 'auto' : each.mode;
    return { ...each, mode, isForced: false, needsVotes: true, inMemory: false };
  });
  fc.assert(
    fc.property(drawn, (given) => {
      const { freshBroker, secondaries, answered, mode, isBlank, someoneHoldsALog, hasSettled } = given;
      const blank = 1 + secondaries.filter((node) => answered.get(node)?.holdsLog === false).length;
      const isKnownNowhere = freshBroker && isBlank && !someoneHoldsALog && mode === 'auto';
      const isHeard = hasSettled || secondaries.length === 0;
      expect(mayBegin(given)).toBe(isKnownNowhere && isHeard && blank * 2 > secondaries.length + 1);
    }),
    { numRuns: 500 },
  );
});

describe('a claimant', () => {
  const SELF = { node: 'master', store: 'M' };
  const REIGN = 'ffffffffffffffff';
  const EPOCH = controlRecord({ index: 1, epoch: 1, seq: 0 }, { control: 'epoch', reign: REIGN, ...SELF });
  const LIST = controlRecord(
    { index: 2, epoch: 1, seq: 0 },
    { control: 'members', voters: [SELF, { node: 's1', store: 'A' }], members: ['s1', 's2'] },
  );
  /** By then whoever is connected has answered a claim of the moment 0. */
  const SETTLED_MS = 250;
  const SITUATION: BirthSituation = {
    mode: 'auto',
    inMemory: false,
    freshBroker: true,
    someoneHoldsALog: false,
    hasListened: false,
    isForced: false,
  };

  /** One that has promised its claim and got the answer of a blank secondary. */
  function answered(records: readonly LogRecord[], log: string | null): Candidacy {
    const outline = new LogOutline();
    for (const record of records) outline.append(record);
    const claim = { epoch: 2, reign: 'eeeeeeeeeeeeeeee', log };
    const options = { claim, self: SELF, secondaries: ['s1', 's2'], needsVotes: true, forced: false };
    const replica = new ReplicaLog({ outline, checksum: 0, commit: 0 });
    const candidacy = new Candidacy(replica, { ...options, heartbeatIntervalMs: 500 });
    candidacy.recordPromised(0, []);
    const end = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0 };
    const store = { storeKind: 'disk', voters: [] as MessageOf<'vote'>['voters'] } as const;
    const voter = { node: 's2', store: 'B', granted: true, claimed: 2 };
    candidacy.recordVote(0, { type: 'vote', ...claim, log: null, ...voter, ...end, ...store }, 's2', []);
    return candidacy;
  }

  test('waits with it until whoever is connected could answer', () => {
    expect(answered([], null).verdict(0, SITUATION)).toBe('pending');
  });

  test('without records begins a log', () => {
    expect(answered([], null).verdict(SETTLED_MS, SITUATION)).toBe('won');
  });

  test('of a first write that was torn behind its first record begins under the id that this record gave', () => {
    expect(answered([EPOCH], REIGN).verdict(SETTLED_MS, SITUATION)).toBe('won');
    expect(answered([EPOCH], REIGN).verdict(SETTLED_MS, { ...SITUATION, freshBroker: false })).toBe('pending');
    expect(answered([EPOCH], REIGN).verdict(SETTLED_MS, { ...SITUATION, someoneHoldsALog: true })).toBe('pending');
  });

  test('that has a list begins nothing: it is elected, or waits', () => {
    expect(answered([EPOCH, LIST], REIGN).verdict(SETTLED_MS, SITUATION)).toBe('pending');
  });

  test.each<[string, Partial<BirthSituation>]>([
    ['by itself', {}],
    ['by the word of an operator', { isForced: true, hasListened: true }],
    ['as `new`', { mode: 'new', hasListened: true }],
  ])('that belongs to a log which it does not hold begins none: %s', (_, changes) => {
    expect(answered([], 'aaaaaaaaaaaaaaaa').verdict(SETTLED_MS, { ...SITUATION, ...changes })).toBe('pending');
    expect(answered([EPOCH], `${REIGN}/aaaaaaaaaaaaaaaa`).verdict(SETTLED_MS, { ...SITUATION, ...changes })).toBe(
      'pending',
    );
  });

  test('says that it is beginning only while there is no word of a log, nor any list here', () => {
    const isBeginning = (records: readonly LogRecord[], changes: Partial<BirthSituation> = {}) =>
      answered(records, null).isBeginning({ ...SITUATION, ...changes });
    expect(isBeginning([])).toBe(true);
    expect(isBeginning([], { freshBroker: false })).toBe(false);
    expect(isBeginning([], { freshBroker: false, mode: 'new' })).toBe(true);
    expect(isBeginning([], { mode: 'never' })).toBe(false);
    expect(isBeginning([], { someoneHoldsALog: true })).toBe(false);
    expect(isBeginning([EPOCH, LIST])).toBe(false);
  });
});
