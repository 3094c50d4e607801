import type { BirthSituation } from '#master/core/election/candidacy';
import type { MasterEffect } from '#master/core/events';
import type { MessageOf } from '#protocol/wire/messages';
import {
  BEHIND,
  behind,
  Candidate,
  CLAIM,
  entry,
  FOLLOWING,
  type Given,
  INTERVAL_MS,
  logOf,
  NOWHERE,
  S1,
  S2,
  SELF,
  SITUATION,
} from './candidate';

describe('a claim', () => {
  test('is not sent before its promise is durable, nor won, although nobody else votes', () => {
    const candidate = new Candidate({ records: logOf([SELF]) });
    const out = candidate.tick(0);
    candidate.candidacy.sendClaim(0, out);
    candidate.candidacy.sendClaimTo('q1', out);
    expect([out, candidate.verdict()]).toEqual([[], 'pending']);
    expect(candidate.promised().verdict()).toBe('won');
  });

  test('goes to all nodes once it is promised, with the end of the log and the store', () => {
    const { candidacy } = new Candidate({});
    const out: MasterEffect[] = [];
    candidacy.recordPromised(0, out);
    candidacy.recordPromised(0, out);
    const end = { lastIndex: 4, lastEpoch: 1, lastReign: 'r1', lastLog: 'r1', lastSeq: 2 };
    expect(out).toEqual([{ do: 'broadcast', message: { type: 'claim', ...CLAIM, ...SELF, ...end } }]);
  });

  test('is repeated every heartbeat interval', () => {
    const candidate = new Candidate({}).promised();
    const sent = [499, 500, 501, 999, 1_000].filter((now) => candidate.tick(now).length > 0);
    expect(sent).toEqual([500, 1_000]);
  });

  test('is sent at once to a node that has not received it', () => {
    const out: MasterEffect[] = [];
    new Candidate({}).promised().candidacy.sendClaimTo('q1', out);
    expect(out).toMatchObject([{ do: 'send', to: 'q1', message: { type: 'claim', epoch: 5 } }]);
  });

  test('is won with a majority of the voters', () => {
    const candidate = new Candidate({}).promised();
    expect(candidate.verdict()).toBe('pending');
    candidate.hear(S2);
    expect(candidate.verdict()).toBe('won');
  });

  test('is not won for a log that has changed since, as the votes are about the claimed one', () => {
    const candidate = new Candidate({}).promised();
    candidate.log.append(entry(5));
    candidate.hear(S2);
    expect(candidate.verdict()).toBe('pending');
  });

  test.each([
    ['an earlier branch than the claimed one', 'r1/r4'],
    ['another log than the claimed one', 'r9'],
  ])('is not won with the records of %s', (_, log) => {
    const candidate = new Candidate({ log }).promised();
    candidate.hear(S2, { log });
    expect(candidate.verdict()).toBe('pending');
  });
});

describe('a candidate that is behind', () => {
  test('fetches from the node that refused, stores, and claims anew', () => {
    const candidate = new Candidate({}).promised();
    const asked = candidate.hear(S1, BEHIND);
    expect(asked).toMatchObject([
      { do: 'trace', event: 'log.catching-up', facts: { from: 's1', index: 6 } },
      { do: 'send', to: 'q-s1', message: { type: 'fetch', ...CLAIM, node: 'master', from: 5 } },
    ]);
    expect([candidate.candidacy.isCatchingUp, candidate.candidacy.source]).toEqual([true, 's1']);
    const stored = candidate.receive(FOLLOWING);
    expect([candidate.verdict(), candidate.candidacy.progress]).toEqual(['pending', 1]);
    candidate.store(stored);
    expect(candidate.verdict()).toBe('retry');
  });

  test('fetches on while the source has more', () => {
    const candidate = behind();
    const stored = candidate.receive({ ...FOLLOWING, records: [entry(5)] });
    expect(candidate.store(stored)).toMatchObject([{ do: 'send', to: 'q-s1', message: { type: 'fetch', from: 6 } }]);
    expect(candidate.verdict()).toBe('pending');
  });

  test('claims anew when the source stays silent for three seconds', () => {
    const candidate = behind();
    candidate.tick(2_999);
    expect(candidate.verdict(2_999)).toBe('pending');
    candidate.tick(3_000);
    expect(candidate.verdict(3_000)).toBe('retry');
  });

  test('stops where the source lacks a record that is committed here', () => {
    const candidate = behind({ commit: 4 });
    candidate.receive({ type: 'diverged', ...CLAIM, endEpoch: 1, endReign: 'r1', endIndex: 3 });
    expect([candidate.verdict(), candidate.log.outline.lastIndex]).toEqual(['contradicted', 4]);
  });

  test('truncates what is not committed where the logs part, and fetches from there', () => {
    const candidate = behind({ commit: 3 });
    const out = candidate.receive({ type: 'diverged', ...CLAIM, endEpoch: 1, endReign: 'r1', endIndex: 3 });
    expect(out).toContainEqual({ do: 'truncate', index: 3 });
    expect(out.at(-1)).toMatchObject({ do: 'send', message: { type: 'fetch', from: 4 } });
  });

  test('is elected by a majority after all, as long as nothing was fetched', () => {
    const candidate = behind();
    candidate.hear(S2);
    expect(candidate.verdict()).toBe('won');
    candidate.store(candidate.receive({ ...FOLLOWING, records: [entry(5)] }));
    expect(candidate.verdict()).toBe('pending');
  });

  test('stays with its first source, whoever refuses later', () => {
    const candidate = behind();
    expect(candidate.hear(S2, { ...BEHIND, lastIndex: 90 })).toEqual([]);
    expect(candidate.candidacy.source).toBe('s1');
  });

  test.each([
    ['epoch', { epoch: 4 }],
    ['reign', { reign: 'other' }],
  ])('ignores an answer to the claim of another %s', (_, other) => {
    const candidate = behind();
    expect(candidate.receive({ ...FOLLOWING, ...other })).toEqual([]);
    expect([candidate.log.outline.lastIndex, candidate.candidacy.progress]).toEqual([4, 0]);
  });
});

test.each<[what: string, said: Partial<MessageOf<'vote'>>, replyTo: string | null]>([
  ['whose queue is not known', BEHIND, null],
  ['which refuses another claim', { ...BEHIND, epoch: 4, reign: 'r4' }, 'q-s1'],
  ['which is not ahead', { granted: false }, 'q-s1'],
  ['of another log', { ...BEHIND, log: 'r9', lastLog: 'r9' }, 'q-s1'],
])('nothing is fetched from a node %s', (_, said, replyTo) => {
  const candidate = new Candidate({}).promised();
  expect(candidate.hear(S1, said, replyTo)).toEqual([]);
  expect([candidate.candidacy.isCatchingUp, candidate.receive(FOLLOWING)]).toEqual([false, []]);
});

test('a candidate that is elected fetches nothing from a node that is ahead', () => {
  const candidate = new Candidate({}).promised();
  candidate.hear(S2);
  expect(candidate.hear(S1, BEHIND)).toEqual([]);
  expect(candidate.verdict()).toBe('won');
});

describe('an operator’s force', () => {
  test('reigns without votes, after two intervals in which a node that is ahead can answer', () => {
    const candidate = new Candidate({ forced: true }).promised();
    expect(candidate.verdict(2 * INTERVAL_MS - 1)).toBe('pending');
    expect(candidate.verdict(2 * INTERVAL_MS)).toBe('won');
  });

  test('may come during the claim', () => {
    const candidate = new Candidate({}).promised();
    expect(candidate.verdict(60_000)).toBe('pending');
    candidate.candidacy.force();
    expect(candidate.verdict(60_000)).toBe('won');
  });

  test.each<[what: string, candidate: () => Candidate]>([
    ['a candidate that is fetching a log that is ahead', () => behind({ forced: true })],
    ['records of an earlier branch', () => new Candidate({ forced: true, log: 'r1/r4' }).promised()],
    ['a claim that is not promised', () => new Candidate({ forced: true })],
  ])('does not help %s', (_, candidate) => {
    expect(candidate().verdict(60_000)).toBe('pending');
  });
});

describe('a master that needs no votes', () => {
  test('reigns at once over the log that it has', () => {
    expect(new Candidate({ needsVotes: false }).promised().verdict()).toBe('won');
  });

  test('does not begin a log by that where the broker knows of one', () => {
    const blank = new Candidate({ needsVotes: false, records: [], log: null }).promised();
    expect(blank.verdict(60_000, NOWHERE)).toBe('pending');
  });

  test('does not reign over a log without a configuration while another node holds one', () => {
    const torn = new Candidate({ needsVotes: false, records: logOf([SELF]).slice(0, 1) }).promised();
    expect(torn.verdict(60_000)).toBe('pending');
  });

  test('fetches from a node that is ahead first', () => {
    expect(behind({ needsVotes: false }).verdict()).toBe('pending');
  });
});

test.each<[what: string, expected: boolean, given: Given]>([
  ['the only voter', true, { records: logOf([SELF]) }],
  ['one of three voters', false, {}],
  ['the only voter, by an operator’s force', false, { records: logOf([SELF]), forced: true }],
  ['the only voter, without a need of votes', false, { records: logOf([SELF]), needsVotes: false }],
  ['blank', false, { records: [], log: null }],
])('is its own vote enough for a candidate that is %s: %s', (_, expected, given) => {
  expect(new Candidate(given).candidacy.needsNobody).toBe(expected);
});

describe('what is missing, in words', () => {
  const blank = (given: Given = {}) => new Candidate({ records: [], log: null, ...given }).promised();

  test.each<[words: string, candidate: Candidate, birth: BirthSituation]>([
    ['1 more vote from s1, s2', new Candidate({}).promised(), SITUATION],
    [
      "2 more votes from master's former store, s1, s2",
      new Candidate({ records: logOf([{ ...SELF, store: 'old' }, S1, S2]) }),
      SITUATION,
    ],
    ['answers from its members', new Candidate({ records: logOf([SELF]) }), SITUATION],
    ['the log of s1, which is ahead (index 6 of epoch 1; here 4)', behind(), SITUATION],
    ['the log r1, which this node belongs to and does not hold; no answer yet: s1, s2', blank({ log: 'r1' }), NOWHERE],
    ['a majority of the voters of a log that another node holds; no answer yet: s1, s2', blank(), SITUATION],
    [
      'a master that may begin the log: this one may not; no answer yet: s1, s2',
      blank(),
      { ...NOWHERE, mode: 'never' },
    ],
    ['answers from s1, s2, which may hold the log', blank(), NOWHERE],
  ])('%s', (words, { candidacy }, birth) => {
    expect(candidacy.waitingFor(birth)).toBe(words);
  });

  test('only the nodes that have not answered are named as silent', () => {
    const candidate = blank();
    candidate.hear(S1, { log: null, granted: true });
    expect(candidate.candidacy.waitingFor(NOWHERE)).toBe('answers from s2, which may hold the log');
    expect(candidate.candidacy.waitingFor(SITUATION)).toMatch(/; no answer yet: s2$/);
  });

  test('when all have answered, and the broker knows of a log, it is an operator', () => {
    const candidate = blank();
    for (const voter of [S1, S2]) candidate.hear(voter, { log: null });
    expect(candidate.candidacy.waitingFor(NOWHERE)).toMatch(/^an operator: .*npm run force -- --new$/);
    expect(candidate.candidacy.waitingFor({ ...NOWHERE, freshBroker: true })).toBe('answers from its secondaries');
  });

  test('its line for logs names the votes, and the source of a catch-up', () => {
    expect(`${new Candidate({}).candidacy}`).toBe('claim 5 granted 1/3');
    expect(`${behind().candidacy}`).toBe('claim 5 granted 1/3 catching up from s1');
  });
});
