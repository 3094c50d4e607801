import fc from 'fast-check';
import { Election } from '#master/core/election/election';
import type { LogEnd } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

const CLAIM = { epoch: 5, reign: 'r5', log: 'r1' };
const voter = (node: string, store = `${node}-disk`): Voter => ({ node, store });
const MASTER = voter('master');
const S1 = voter('s1');
const S2 = voter('s2');
const OWN_END: LogEnd = { index: 10, epoch: 4, reign: 'r4', log: 'r1' };

function electionOf(voters: readonly Voter[], { self = MASTER, last = OWN_END } = {}): Election {
  return new Election(CLAIM, self, last, voters);
}

function vote(from: Voter, changes: Partial<MessageOf<'vote'>> = {}): MessageOf<'vote'> {
  const end = { lastIndex: 10, lastEpoch: 4, lastReign: 'r4', lastLog: 'r1', lastSeq: 8 };
  const store = { storeKind: 'disk', voters: [] as Voter[] } as const;
  return { type: 'vote', ...CLAIM, ...from, granted: true, claimed: CLAIM.epoch, ...end, ...store, ...changes };
}

test('a voter that claims has its own vote, and one more of three makes a majority', () => {
  const election = electionOf([MASTER, S1, S2]);
  expect(election.won).toBe(false);
  expect(election.missing).toEqual({ votes: 1, from: ['s1', 's2'] });
  election.recordVote(vote(S2), 's2');
  expect(election.won).toBe(true);
  expect(election.missing.votes).toBe(0);
});

test('alone in the list it has won at once', () => {
  expect(electionOf([MASTER]).won).toBe(true);
});

test('without a list nobody wins', () => {
  const election = electionOf([]);
  election.recordVote(vote(S1), null);
  expect(election.won).toBe(false);
});

test('with another store than the list names it has no vote of its own and needs a majority of the others', () => {
  const election = electionOf([MASTER, S1, S2], { self: voter('master', 'wiped') });
  election.recordVote(vote(S1), null);
  expect(election.won).toBe(false);
  expect(election.missing).toEqual({ votes: 1, from: ["master's former store", 's2'] });
  election.recordVote(vote(S2), null);
  expect(election.won).toBe(true);
});

const uncounted: [why: string, message: MessageOf<'vote'>][] = [
  ['a refusal', vote(S1, { granted: false })],
  ['a vote of a member with a new store', vote(voter('s1', 'new'))],
  ['a vote of one that is no voter', vote(voter('s9'))],
  ['a vote on an older claim', vote(S1, { claimed: 4 })],
  ['a vote on a claim of the same epoch by another reign', vote(S1, { reign: 'other' })],
];
test.each(uncounted)('%s does not count', (_, message) => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(message, null);
  expect(election.won).toBe(false);
});

test('a vote that comes twice counts once', () => {
  const election = electionOf([MASTER, S1, S2, voter('s3'), voter('s4')]);
  election.recordVote(vote(S1), null);
  election.recordVote(vote(S1), null);
  expect(election.won).toBe(false);
  election.recordVote(vote(S2), null);
  expect(election.won).toBe(true);
});

test('of those who refuse because their log is ahead the farthest is remembered, with its queue', () => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(vote(S1, { granted: false, lastIndex: 12 }), 'q1');
  election.recordVote(vote(S2, { granted: false, lastIndex: 3, lastEpoch: 5, lastReign: 'r5', lastSeq: 1 }), 'q2');
  election.recordVote(vote(voter('s3'), { granted: false, lastIndex: 900 }), 'q3');
  const last = { index: 3, epoch: 5, reign: 'r5', log: 'r1' };
  expect(election.mostUpToDate).toEqual({ node: 's2', store: 's2-disk', last, lastSeq: 1, replyTo: 'q2' });
});

test('one that refuses with a log no farther than the own one is not worth a fetch', () => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(vote(S1, { granted: false, lastIndex: 10 }), 'q1');
  election.recordVote(vote(S2, { granted: false, lastIndex: 99, lastEpoch: 3, lastReign: 'r3' }), 'q2');
  expect(election.mostUpToDate).toBeNull();
});

test.each([
  ['of another log', { log: 'r9', lastLog: 'r9' }],
  ['of a later branch, which is no part of the claimed log', { log: 'r1/r4', lastLog: 'r1/r4' }],
  ['that is blank', { log: null, lastLog: null }],
  ['whose last epoch is the own one under another reign', { lastReign: 'other' }],
])('a node %s is not ahead, however long its log is', (_, changes) => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(vote(S1, { granted: false, lastIndex: 900, ...changes }), 'q1');
  expect(election.mostUpToDate).toBeNull();
});

describe('who answers a claim', () => {
  const BLANK = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0 };

  test('is remembered with what it holds and how it keeps that', () => {
    const election = electionOf([], { last: { index: 0, epoch: 0, reign: '', log: null } });
    election.recordVote(vote(S1, { ...BLANK, log: null }), null);
    expect([election.hasHeard('s1'), election.hasHeard('s2')]).toEqual([true, false]);
    election.recordVote(vote(S2, { granted: false, storeKind: 'memory' }), null);
    expect([...election.answered]).toEqual([
      ['s1', { holdsLog: false, inMemory: false }],
      ['s2', { holdsLog: true, inMemory: true }],
    ]);
  });

  test('holds a log when it has followed one, though none of its records is there', () => {
    const election = electionOf([]);
    election.recordVote(vote(S1, { ...BLANK, log: 'r1', granted: false }), null);
    expect(election.answered.get('s1')?.holdsLog).toBe(true);
  });

  test('counts with the newest of its answers', () => {
    const election = electionOf([]);
    election.recordVote(vote(S1, { ...BLANK, log: null }), null);
    election.recordVote(vote(S1, { granted: false }), null);
    expect(election.answered.get('s1')?.holdsLog).toBe(true);
  });

  test.each([
    ['a higher epoch', { epoch: 9 }],
    ['a lower epoch', { epoch: 4 }],
    ['another reign of the same epoch', { reign: 'other' }],
  ])('has not answered it when it has promised %s', (_, changes) => {
    const election = electionOf([MASTER, S1, S2]);
    election.recordVote(vote(S1, { granted: false, ...changes }), null);
    expect(election.hasHeard('s1')).toBe(false);
    expect(election.answered.size).toBe(0);
  });
});

test('it is won exactly when more than half of the voters granted, whoever else answers and how often', () => {
  const nodes = ['master', 's1', 's2', 's3', 's4', 's5'];
  const answers = fc.array(
    fc.record({
      node: fc.constantFrom(...nodes.slice(1)),
      store: fc.constantFrom('disk', 'other'),
      granted: fc.boolean(),
      claimed: fc.constantFrom(CLAIM.epoch, CLAIM.epoch, 4),
    }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(fc.subarray(nodes, { minLength: 1 }), fc.boolean(), answers, (inList, wiped, all) => {
      const voters = inList.map((node) => voter(node, 'disk'));
      const election = electionOf(voters, { self: voter('master', wiped ? 'wiped' : 'disk') });
      const granted = new Set(inList.includes('master') && !wiped ? ['master'] : []);
      for (const { node, store, ...rest } of all) {
        election.recordVote(vote({ node, store }, rest), null);
        if (store === 'disk' && rest.granted && rest.claimed === CLAIM.epoch && inList.includes(node))
          granted.add(node);
      }
      expect(election.won).toBe(granted.size * 2 > voters.length);
      expect(election.missing.votes === 0).toBe(election.won);
    }),
  );
});
