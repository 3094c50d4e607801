import type { Identity } from '#protocol/identity';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { controlRecord } from '#protocol/record';
import type { MessageOf, Sender } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { Ballot, type BallotParts } from '#secondary/core/voting/ballot';

const SELF = { node: 's1', store: 'A' };
const VOTERS = [{ node: 'master', store: 'M' }, SELF];

/**
 * Control records of these epochs, each written by its own reign `r<epoch>`: the log is `r<first>`,
 * a list follows its first record.
 */
function outlineOf(epochs: readonly number[]): LogOutline {
  const outline = new LogOutline();
  const write = (epoch: number, control: Parameters<typeof controlRecord>[1]) =>
    outline.append(controlRecord({ index: outline.lastIndex + 1, epoch, seq: 0 }, control));
  for (const [at, epoch] of epochs.entries()) {
    write(epoch, { control: 'epoch', reign: `r${epoch}`, node: 'master', store: 'M' });
    if (at === 0) write(epoch, { control: 'members', voters: VOTERS, members: ['s1'] });
  }
  return outline;
}

interface Given extends Partial<Omit<BallotParts, 'log'>> {
  readonly epochs?: readonly number[];
  readonly commit?: number;
  readonly promised?: Partial<Promised>;
}

function ballotOf({ epochs = [], commit = 0, promised = {}, ...parts }: Given = {}): Ballot {
  const outline = outlineOf(epochs);
  const log = { outline, commitIndex: commit, durableCommitIndex: commit };
  const given = { self: SELF, inMemory: false, logId: null, log, ...parts };
  return new Ballot(given, { ...NO_PROMISE, commit, ...promised });
}

interface Claimed {
  readonly epoch?: number;
  readonly log?: Identity | null;
  readonly lastLog?: Identity | null;
  readonly lastIndex?: number;
  readonly lastEpoch?: number;
  readonly lastReign?: string;
  readonly node?: string;
}

/** Of one whose log ends at index 3, in epoch 2, of the log r1. */
function claim({ epoch = 9, log = 'r1', lastLog = log, ...end }: Claimed = {}): MessageOf<'claim'> {
  const said = { lastIndex: 3, lastEpoch: 2, lastReign: 'r2', lastLog, lastSeq: 0 };
  return { type: 'claim', epoch, reign: `r${epoch}`, log, node: 'master', store: 'M', ...said, ...end };
}

const BLANK_CLAIM = { log: null, lastIndex: 0, lastEpoch: 0, lastReign: '' } as const;

/** What is made durable when the claim is promised. */
function promiseTo(ballot: Ballot, asked: MessageOf<'claim'>): Promised {
  const out: SecondaryEffect[] = [];
  ballot.promiseTo({ claim: asked, replyTo: 'q' }, out);
  const [effect] = out;
  if (out.length !== 1 || effect?.do !== 'savePromise') throw new Error(`unexpected: ${JSON.stringify(out)}`);
  return effect.promised;
}

function grants(ballot: Ballot, asked: MessageOf<'claim'>): boolean {
  promiseTo(ballot, asked);
  return ballot.grants(asked);
}

const sender = (epoch: number, log: Identity | null): Sender => ({ epoch, reign: `r${epoch}`, log });

describe('a node can follow', () => {
  test.each<[what: string, given: Given, log: Identity | null, expected: boolean]>([
    ['any log while it is blank', {}, 'r9', true],
    ['its own log', { epochs: [1, 2] }, 'r1', true],
    ['a later branch of it', { epochs: [1, 2] }, 'r1/r7', true],
    ['no other log', { epochs: [1, 2] }, 'r9', false],
    ['no earlier branch', { epochs: [1], promised: { identity: 'r1/r7' } }, 'r1', false],
    ['no other branch', { epochs: [1], promised: { identity: 'r1/r7' } }, 'r1/r8', false],
    ['one who looks for a log, and may find it here', { epochs: [1, 2] }, null, true],
    [
      'no other log than it once followed, though none of its records is here',
      { promised: { identity: 'r1' } },
      'r9',
      false,
    ],
    ['no other log than the settings name, though it is blank', { logId: 'r1' }, 'r9', false],
    ['the log that the settings name', { logId: 'r1' }, 'r1', true],
    ['a later branch of the log that the settings name', { logId: 'r1' }, 'r1/r7', true],
  ])('%s', (_, given, log, expected) => {
    expect(ballotOf(given).accepts({ log })).toBe(expected);
  });
});

test.each<[what: string, given: Given, expected: Identity | null]>([
  ['nothing', {}, null],
  ['its records', { epochs: [1, 2] }, 'r1'],
  ['what it has followed', { promised: { identity: 'r1' } }, 'r1'],
  ['the longer one of both', { epochs: [1], promised: { identity: 'r1/r7' } }, 'r1/r7'],
  ['its records where they go farther', { epochs: [1], promised: { identity: null } }, 'r1'],
  ['its records before the settings', { epochs: [1], logId: 'r5' }, 'r1'],
  ['the settings where there is nothing else', { logId: 'r5' }, 'r5'],
])('a node knows its log by %s', (_, given, expected) => {
  expect(ballotOf(given).identity).toBe(expected);
  expect(ballotOf(given).id.log).toBe(expected);
});

describe('an epoch is above the promised one', () => {
  const own: Given = { epochs: [1, 2], promised: { epoch: 5, reign: 'r5', log: 'r1', identity: 'r1' } };
  const blank: Given = { promised: { epoch: 50, reign: 'r50', log: 'r9' } };
  test.each<[what: string, given: Given, epoch: number, log: Identity | null, expected: boolean]>([
    ['by its number', own, 6, 'r1', true],
    ['not when it is the same number', own, 5, 'r1', false],
    ['not when it is lower', own, 4, 'r1', false],
    ['by its number for one who looks for a log', own, 6, null, true],
    ['not when who looks for a log has a lower one', own, 5, null, false],
    ['in a later branch of the log, whatever its number', own, 1, 'r1/r7', true],
    ['for a blank node in any other log than it promised to last: nobody else binds it', blank, 1, 'r1', true],
    ['for a blank node in no log at all', blank, 1, null, true],
    ['for a blank node by its number in the log that it promised to last', blank, 51, 'r9', true],
    ['not for a blank node by a lower one in that log', blank, 49, 'r9', false],
    ['not for a blank node by the same one in that log', blank, 50, 'r9', false],
  ])('%s', (_, given, epoch, log, expected) => {
    expect(ballotOf(given).isAbove({ epoch, log })).toBe(expected);
  });
});

describe('a claim gets the vote', () => {
  // Index 1 and 2 of r1, index 3 of r2: where the claims below end.
  const own: Given = { epochs: [1, 2] };
  test.each<[what: string, given: Given, claimed: Claimed, expected: boolean]>([
    ['when its log is the own one, and ends where that does', own, {}, true],
    ['when it goes farther', own, { lastIndex: 4 }, true],
    ['when its last epoch is higher', own, { lastEpoch: 3, lastReign: 'r3', lastIndex: 2 }, true],
    ['not when it is shorter', own, { lastIndex: 2 }, false],
    ['not when its last epoch is lower', own, { lastEpoch: 1, lastReign: 'r1', lastIndex: 99 }, false],
    ['not when its last epoch is the own one under another reign', own, { lastReign: 'rx', lastIndex: 99 }, false],
    ['not when it has no log', own, BLANK_CLAIM, false],
    [
      'not when its records are of another log',
      own,
      { lastLog: 'r9', lastIndex: 99, lastEpoch: 8, lastReign: 'r8' },
      false,
    ],
    [
      'when it is of a later branch, whatever it ends with',
      own,
      { log: 'r1/r7', lastIndex: 1, lastEpoch: 1, lastReign: 'r1' },
      true,
    ],
    [
      'not when its records do not reach the branch that it claims',
      own,
      { log: 'r1/r7', lastLog: 'r1', lastIndex: 9 },
      false,
    ],
    [
      'not when its records do not reach the branch that this node has followed',
      { ...own, promised: { identity: 'r1/r7' } },
      { log: 'r1/r7', lastLog: 'r1', lastIndex: 9 },
      false,
    ],
    ['of a blank node when it has no log either', {}, BLANK_CLAIM, true],
    ['of a blank node when it has a log', {}, {}, true],
  ])('%s', (_, given, claimed, expected) => {
    expect(grants(ballotOf(given), claim(claimed))).toBe(expected);
  });

  test('not when it ends below what is known here to be committed, though its epoch is higher', () => {
    const higher = { lastEpoch: 3, lastReign: 'r3', lastIndex: 2 };
    expect(grants(ballotOf({ ...own, commit: 3 }), claim(higher))).toBe(false);
    expect(grants(ballotOf({ ...own, commit: 2 }), claim(higher))).toBe(true);
  });

  test('not when it is of a later branch that ends below what is known here to be committed', () => {
    const branch = { log: 'r1/r7', lastIndex: 2, lastEpoch: 1, lastReign: 'r1' };
    expect(grants(ballotOf({ ...own, commit: 3 }), claim(branch))).toBe(false);
  });

  test('of a blank node, not below what it knew to be committed when it still had its log', () => {
    expect(grants(ballotOf({ commit: 3 }), claim({ lastIndex: 2 }))).toBe(false);
    expect(grants(ballotOf({ commit: 3 }), claim({ lastIndex: 3 }))).toBe(true);
  });

  test('once: another claimant of the same epoch, or of the same node with another store, has it not', () => {
    const ballot = ballotOf(own);
    expect(grants(ballot, claim())).toBe(true);
    expect(ballot.grants({ ...claim(), node: 'standby' })).toBe(false);
    expect(ballot.grants({ ...claim(), store: 'wiped' })).toBe(false);
    expect(ballot.grants({ ...claim(), reign: 'rx' })).toBe(false);
    expect(ballot.isAbove({ ...claim(), node: 'standby' } as Sender)).toBe(false);
  });
});

describe('what is promised to a claim', () => {
  test('is its epoch, the vote, the log and how far it is committed', () => {
    const expected = { epoch: 9, reign: 'r9', votedFor: 'master/M', log: 'r1', identity: 'r1', commit: 2 };
    expect(promiseTo(ballotOf({ epochs: [1, 2], commit: 2 }), claim())).toEqual(expected);
  });

  test('teaches a blank node nothing of which log it belongs to', () => {
    const ballot = ballotOf();
    expect(promiseTo(ballot, claim())).toMatchObject({ epoch: 9, log: 'r1', identity: null });
    expect(ballot.identity).toBeNull();
    expect(ballot.accepts({ log: 'r5' })).toBe(true);
  });

  test('of a later branch makes this node one of it', () => {
    const ballot = ballotOf({ epochs: [1, 2] });
    expect(promiseTo(ballot, claim({ log: 'r1/r7' }))).toMatchObject({ log: 'r1/r7', identity: 'r1/r7' });
    expect(ballot.accepts({ log: 'r1' })).toBe(false);
  });

  test('of one who looks for a log is promised in the own one', () => {
    const promised = promiseTo(ballotOf({ epochs: [1, 2] }), claim(BLANK_CLAIM));
    expect(promised).toMatchObject({ epoch: 9, votedFor: null, log: 'r1', identity: 'r1' });
  });
});

describe('a promise', () => {
  test('is nothing to go by before it is durable, and a higher one replaces it', () => {
    const ballot = ballotOf();
    const first = promiseTo(ballot, claim({ epoch: 9 }));
    expect(ballot.isDurable).toBe(false);
    const second = promiseTo(ballot, claim({ epoch: 10 }));
    expect(ballot.recordSaved(first)).toBe(false);
    expect(ballot.isDurable).toBe(false);
    expect(ballot.recordSaved(second)).toBe(true);
    expect(ballot.isDurable).toBe(true);
    expect(ballot.recordSaved(second)).toBe(false);
    expect(ballot.takeWaiting()?.claim.epoch).toBe(10);
    expect(ballot.takeWaiting()).toBeNull();
  });

  test.each([49, 50, 51])(
    'to a claimant binds a blank node to no reign of that log that is announced (epoch %i)',
    (epoch) => {
      const ballot = ballotOf({ promised: { epoch: 50, reign: 'r50', log: 'r1' } });
      expect(ballot.isToFollow({ epoch, reign: 'other', log: 'r1' })).toBe(true);
      expect(
        ballotOf({ epochs: [1], promised: { epoch: 50, reign: 'r50', log: 'r1', identity: 'r1' } }).isToFollow({
          epoch,
          reign: 'other',
          log: 'r1',
        }),
      ).toBe(epoch > 50);
    },
  );

  test('to a reign makes a blank node one of its log, and gives nobody the vote', () => {
    const ballot = ballotOf();
    const out: SecondaryEffect[] = [];
    ballot.promiseReign(sender(4, 'r1'), out);
    const promised = { epoch: 4, reign: 'r4', votedFor: null, log: 'r1', identity: 'r1', commit: 0 };
    expect(out).toEqual([{ do: 'savePromise', promised }]);
    expect(ballot.accepts({ log: 'r5' })).toBe(false);
    expect(ballot.takeWaiting()).toBeNull();
  });
});

describe('when who was promised to is elected', () => {
  test('a blank node belongs to its log from then on, once that is durable, and keeps its vote', () => {
    const ballot = ballotOf();
    const before = promiseTo(ballot, claim());
    ballot.recordSaved(before);
    const out: SecondaryEffect[] = [];
    expect(ballot.learnIdentity(sender(9, 'r1'), out)).toBe(true);
    const learnt = { ...before, identity: 'r1' };
    expect(out).toEqual([{ do: 'savePromise', promised: learnt }]);
    expect(ballot.recordSaved(before)).toBe(false);
    expect(ballot.recordSaved(learnt)).toBe(true);
    expect(ballot.grants(claim())).toBe(true);
    expect(ballot.identity).toBe('r1');
  });

  test('nothing is learnt of a log that is known, of none, or of another one', () => {
    const ballot = ballotOf({ promised: { epoch: 9, reign: 'r9', log: 'r1', identity: 'r1' } });
    const out: SecondaryEffect[] = [];
    for (const log of ['r1', null, 'r5']) expect(ballot.learnIdentity(sender(9, log), out)).toBe(false);
    expect(out).toEqual([]);
    expect(ballot.learnIdentity(sender(9, 'r1/r7'), out)).toBe(true);
  });
});

test('the commit index is saved when it has risen, and nothing else is on its way', () => {
  const log = { outline: outlineOf([1, 2]), commitIndex: 1, durableCommitIndex: 1 };
  const parts = { self: SELF, inMemory: false, logId: null, log };
  const ballot = new Ballot(parts, { ...NO_PROMISE, commit: 1 });
  const saved = (): number[] => {
    const out: SecondaryEffect[] = [];
    ballot.saveCommit(out);
    return out.map((effect) => (effect.do === 'savePromise' ? effect.promised.commit : -1));
  };
  expect(saved()).toEqual([]);
  log.durableCommitIndex = 2;
  expect(saved()).toEqual([2]);
  expect(saved()).toEqual([]);
  log.durableCommitIndex = 3;
  const promised = promiseTo(ballot, claim());
  expect(promised.commit).toBe(3);
  expect(saved()).toEqual([]);
  log.durableCommitIndex = 4;
  expect(saved()).toEqual([]);
  ballot.recordSaved(promised);
  expect(saved()).toEqual([4]);
});

describe('the answer to a claim', () => {
  function voteOf(ballot: Ballot, asked: MessageOf<'claim'>) {
    const out: SecondaryEffect[] = [];
    ballot.sendVote(asked, 'q', out);
    return out[0];
  }

  test('says whether it has the vote, what this node belongs to, what it holds and how, and who has a vote', () => {
    const ballot = ballotOf({ epochs: [1, 2], inMemory: true });
    promiseTo(ballot, claim());
    const end = { lastIndex: 3, lastEpoch: 2, lastReign: 'r2', lastLog: 'r1', lastSeq: 0 };
    const told = { granted: true, claimed: 9, ...end, storeKind: 'memory', voters: VOTERS };
    const message = { type: 'vote', epoch: 9, reign: 'r9', log: 'r1', ...SELF, ...told };
    expect(voteOf(ballot, claim())).toEqual({ do: 'send', to: 'q', message });
  });

  test('of a blank node says so, even in the epoch of a claimant that has a log', () => {
    const ballot = ballotOf();
    promiseTo(ballot, claim());
    const empty = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0, voters: [] };
    const message = { epoch: 9, reign: 'r9', log: null, granted: true, storeKind: 'disk', ...empty };
    expect(voteOf(ballot, claim())).toMatchObject({ message });
  });

  test('to a claim of another log is a refusal that names the log held here, and changes nothing', () => {
    const ballot = ballotOf({ epochs: [1, 2], promised: { epoch: 5, reign: 'r5', log: 'r1', identity: 'r1' } });
    const refusal = { granted: false, claimed: 9, epoch: 5, reign: 'r5', log: 'r1', lastIndex: 3, voters: VOTERS };
    expect(voteOf(ballot, claim({ log: 'r9' }))).toMatchObject({ message: refusal });
    expect(ballot.id).toEqual({ epoch: 5, reign: 'r5', log: 'r1' });
    expect(ballot.isDurable).toBe(true);
  });
});
