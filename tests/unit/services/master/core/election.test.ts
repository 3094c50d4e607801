import fc from 'fast-check';
import { Election } from '../../../../../services/master/core/election';
import type { LogPosition } from '../../../../../shared/protocol/log-outline';
import type { Voter } from '../../../../../shared/protocol/record';
import type { MessageOf } from '../../../../../shared/protocol/wire';

const CLAIM = { epoch: 5, reign: 'r5' };
const voter = (node: string, store = `${node}-disk`): Voter => ({ node, store });
const MASTER = voter('master');
const S1 = voter('s1');
const S2 = voter('s2');
const OWN_END: LogPosition = { index: 10, epoch: 4 };

function electionOf(voters: readonly Voter[], { self = MASTER, last = OWN_END } = {}): Election {
  return new Election(CLAIM, self, last, voters);
}

function vote(from: Voter, changes: Partial<MessageOf<'vote'>> = {}): MessageOf<'vote'> {
  const position = { lastIndex: 10, lastEpoch: 4, voters: [] };
  return { type: 'vote', ...CLAIM, ...from, granted: true, claimed: CLAIM.epoch, ...position, ...changes };
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
  expect(election.missing).toEqual({ votes: 1, from: ['master', 's2'] });
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
  election.recordVote(vote(S2, { granted: false, lastIndex: 3, lastEpoch: 5 }), 'q2');
  election.recordVote(vote(voter('s3'), { granted: false, lastIndex: 900 }), 'q3');
  expect(election.mostUpToDate).toEqual({ node: 's2', store: 's2-disk', last: { index: 3, epoch: 5 }, replyTo: 'q2' });
});

test('one that refuses with a log no farther than the own one is not worth a fetch', () => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(vote(S1, { granted: false, lastIndex: 10 }), 'q1');
  election.recordVote(vote(S2, { granted: false, lastIndex: 99, lastEpoch: 3 }), 'q2');
  expect(election.mostUpToDate).toBeNull();
});

test('it is outbid by a promise of a higher epoch, not by one of its own', () => {
  const election = electionOf([MASTER, S1, S2]);
  election.recordVote(vote(S1, { granted: false, epoch: 5, reign: 'other' }), null);
  expect(election.outbidBy).toBe(0);
  election.recordVote(vote(S2, { granted: false, epoch: 9, reign: 'other' }), null);
  election.recordVote(vote(S1, { granted: false, epoch: 7, reign: 'other' }), null);
  expect(election.outbidBy).toBe(9);
});

describe('that nobody has a log is known only when', () => {
  const empty = { last: { index: 0, epoch: 0 } };
  const silent = (from: Voter): MessageOf<'vote'> => vote(from, { lastIndex: 0, lastEpoch: 0 });

  test('every member has answered so', () => {
    const election = electionOf([], empty);
    election.recordVote(silent(S1), null);
    expect(election.nobodyHasALog(['s1', 's2'])).toBe(false);
    expect([election.hasHeard('s1'), election.hasHeard('s2')]).toEqual([true, false]);
    election.recordVote(silent(S2), null);
    expect(election.nobodyHasALog(['s1', 's2'])).toBe(true);
  });

  test('no member knows voters; a torn first write leaves a record without', () => {
    const holding = electionOf([], empty);
    holding.recordVote(vote(S1, { lastIndex: 1, lastEpoch: 1, granted: false }), null);
    expect(holding.nobodyHasALog(['s1'])).toBe(true);
    const knowing = electionOf([], empty);
    knowing.recordVote(vote(S1, { lastIndex: 0, lastEpoch: 0, voters: [MASTER] }), null);
    expect(knowing.nobodyHasALog(['s1'])).toBe(false);
  });

  test('the own log has no list, too', () => {
    const election = electionOf([MASTER]);
    election.recordVote(silent(S1), null);
    expect(election.nobodyHasALog(['s1'])).toBe(false);
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
