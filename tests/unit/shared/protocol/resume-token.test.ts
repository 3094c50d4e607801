import fc from 'fast-check';
import { LogOutline } from '#protocol/log/outline';
import {
  judge,
  judgeSeq,
  parseResumePoint,
  type ResumePlace,
  type ResumeToken,
  reignRunAt,
  tokenAt,
  tokenText,
} from '#protocol/resume-token';
import { type ModelNode, RaftModel } from '#tests/support/fakes/raft-model';

/**
 * A log in short: `a:3 b:2` are three entries of reign a and two of reign b, each reign an epoch;
 * `b!` is a forced one; `b@7` names the epoch.
 */
function logOf(text: string): LogOutline {
  const outline = new LogOutline();
  let epoch = 0;
  for (const part of text.split(' ').filter((each) => each !== '')) {
    const [, reign = '', forced, named, count = '0'] = /^([a-z]+)(!)?(?:@([0-9]+))?:([0-9]+)$/.exec(part) ?? [];
    epoch = named === undefined ? epoch + 1 : Number(named);
    const push = (seq: number, control: Parameters<LogOutline['append']>[0]['control']) =>
      outline.append({ index: outline.lastIndex + 1, epoch, seq, control });
    push(outline.lastSeq, { control: 'epoch', reign, node: 'n', store: 's' });
    if (forced !== undefined) push(outline.lastSeq, { control: 'members', voters: [], members: [], forced: true });
    for (let entry = 0; entry < Number(count); entry += 1) push(outline.lastSeq + 1, null);
  }
  return outline;
}

function placeOf(outline: LogOutline, commit: number, head = outline.lastSeq): ResumePlace {
  return { log: outline.identity, head, commit, logHead: null };
}

/** The token of a reader that has all of this log, of which it knows `commit` to be committed. */
function seen(text: string, commit: number): ResumeToken {
  const outline = logOf(text);
  const token = tokenAt(outline.lastSeq, placeOf(outline, commit), outline);
  if (token === null) throw new Error('no token for a blank log');
  return token;
}

const goOn = (from: number) => ({ verdict: 'goOn', from });
const cut = (from: number) => ({ verdict: 'reset', reason: 'cut', from });
const wait = { verdict: 'wait' };

describe('how a reader goes on', () => {
  test.each([
    // What it saw, committed of that; what the node has, committed of that; the verdict.
    ['the entry is there', 'a:3', 1, 'a:5', 0, goOn(4)],
    ['the entry is the last one', 'a:3 b:2', 1, 'a:3 b:2', 0, goOn(6)],
    ['the entry is there, later reigns follow', 'a:3', 3, 'a:3 b:2', 0, goOn(4)],
    ['the node lags', 'a:5', 2, 'a:3', 2, wait],
    ['the node lags by a reign', 'a:3 b:2', 2, 'a:3', 2, wait],
    ['the node is blank', 'a:3', 1, '', 0, wait],
    ['another entry has the seq', 'a:5', 2, 'a:3 b:4', 0, cut(4)],
    ['another entry has the seq, all of the reign is gone', 'a:2 b:2', 2, 'a:2 c@3:4', 2, cut(3)],
    ['... of a node that knows less to be committed', 'a:2 b:2', 2, 'a:2 c@3:4', 1, wait],
    ['... of a node that lost that election', 'a:2 b:2', 3, 'a:7', 2, wait],
    ['... that knows of no commit, nor does the reader', 'a:2 b:2', 0, 'a:2 c@3:4', 0, cut(1)],
    ['a later epoch has begun below the seq', 'a:5', 2, 'a:3 b:0', 0, cut(4)],
    ['a later epoch has begun right at it', 'a:5', 2, 'a:4 b:0', 0, cut(5)],
    ['a later epoch, nothing of the reign is left', 'a:2 b:3', 2, 'a:2 c@3:1', 2, cut(3)],
    ['what is committed is missing: the node will be cut itself', 'a:5', 5, 'a:3 b:4', 3, wait],
    ['another log', 'a:3', 1, 'b:5', 5, { verdict: 'reset', reason: 'other-log', from: 1 }],
    ['a branch of it has the entry', 'a:3', 1, 'a:4 f!:2', 0, goOn(4)],
    ['a branch of it parts before', 'a:6', 6, 'a:4 f!:3', 0, cut(5)],
    ['a branch of it parts before, and is shorter', 'a:6', 6, 'a:4 f!:1', 0, cut(5)],
    ['a branch that gave up a whole reign', 'a:2 b:4', 6, 'a:5 f!@3:3', 8, cut(1)],
    ['a node that has not heard of the force has the entry', 'a:3 f!:0', 2, 'a:4', 0, goOn(4)],
    ['a node that has not heard of the force', 'a:3 f!:1', 2, 'a:5', 5, wait],
    ['two branches of one log', 'a:3 f!:1', 2, 'a:3 g!:1', 2, { verdict: 'reset', reason: 'other-log', from: 1 }],
  ])('%s', (_, had, hadCommitted, has, hasCommitted, verdict) => {
    const outline = logOf(has);
    expect(judge(seen(had, hadCommitted), placeOf(outline, hasCommitted), outline)).toEqual(verdict);
  });

  test('equal epochs of different reigns are different entries', () => {
    const outline = logOf('a:2 c@2:3');
    expect(judge(seen('a:2 b@2:3', 2), placeOf(outline, 2), outline)).toEqual(cut(3));
  });

  test('what is not visible yet is waited for, also when it is what was seen', () => {
    const outline = logOf('a:3 b:2');
    expect(judge(seen('a:3', 0), placeOf(outline, 0, 2), outline)).toEqual(wait);
    expect(judge(seen('a:5', 0), placeOf(outline, 0, 2), outline)).toEqual(wait);
    expect(judge(seen('a:5', 0), placeOf(outline, 0, 3), outline)).toEqual(cut(4));
  });

  test('a reader that has nothing of the log begins it, and is told of another one', () => {
    const token = { seq: 0, epoch: 0, reign: '', commit: 2, log: 'a' };
    expect(judge(token, placeOf(logOf('a:3'), 0), logOf('a:3'))).toEqual(goOn(1));
    expect(judge(token, placeOf(logOf('b:3'), 0), logOf('b:3'))).toMatchObject({ reason: 'other-log' });
    expect(judge(token, placeOf(logOf(''), 0), logOf(''))).toEqual(wait);
  });

  test.each([
    [5, 7, 9, goOn(6)],
    [7, 7, null, goOn(8)],
    [8, 7, null, wait],
    [8, 7, 9, goOn(9)],
    [10, 7, 9, cut(10)],
    [12, 7, 9, cut(10)],
    [12, 7, 5, cut(8)],
    [0, 0, null, goOn(1)],
  ])('the bare seq %i, where %i is visible and the head of the log is %j', (seq, head, logHead, verdict) => {
    expect(judgeSeq(seq, { log: 'a', head, commit: 0, logHead })).toEqual(verdict);
  });
});

describe('the text of a token', () => {
  const token = { seq: 7, epoch: 40, reign: '60c249b35917a53d', commit: 5, log: '60c249b35917a53d/0b1f' };

  test('begins with the seq and needs no quoting anywhere', () => {
    expect(tokenText(token)).toBe('7-14.5.60c249b35917a53d.60c249b35917a53d_0b1f');
  });

  test('comes back as it was', () => {
    const reign = fc.oneof(fc.stringMatching(/^[0-9a-f]{0,16}$/), fc.string({ unit: 'binary', maxLength: 10 }));
    const segment = reign.filter((text) => !text.includes('/'));
    const number = fc.nat({ max: 10 ** 15 - 1 });
    const log = fc.array(segment, { minLength: 1, maxLength: 5 }).map((path) => path.join('/'));
    fc.assert(
      fc.property(fc.record({ seq: number, epoch: number, reign, commit: number, log }), (made) => {
        const text = tokenText(made);
        expect(text).toMatch(/^[0-9A-Za-z._~-]+$/);
        expect(parseResumePoint(text)).toEqual({ kind: 'token', token: made });
      }),
    );
  });

  test.each(['7', '0', '007'])('%s is a seq', (text) => {
    expect(parseResumePoint(text)).toEqual({ kind: 'seq', seq: Number(text) });
  });

  test.each([
    '',
    'x',
    '-1',
    '7-',
    '7-1.2.a',
    '7-1.2.a.b.c',
    '7-1.2.a.b ',
    '7-1.2.a.b~12',
    '7-1.2.a_b.c',
    '7-A.2.a.b',
    '7-.2.a.b',
    '7-zzzzzzzzzzzz.2.a.b',
    '1234567890123456',
    '1234567890123456-1.2.a.b',
    `7-1.2.a.${'x'.repeat(1025)}`,
    ' 7',
    '1e3',
  ])('%j is neither', (text) => {
    expect(parseResumePoint(text)).toBeNull();
  });
});

test('runs of a reign are found by seq, beside control records and reigns without an entry', () => {
  const outline = logOf('a:2 b:0 c!:3');
  expect([0, 1, 2, 3, 5, 6].map((seq) => reignRunAt(outline, seq))).toEqual([
    null,
    { epoch: 1, reign: 'a', last: 2 },
    { epoch: 1, reign: 'a', last: 2 },
    { epoch: 3, reign: 'c', last: 5 },
    { epoch: 3, reign: 'c', last: 5 },
    null,
  ]);
});

type Step = readonly [
  kind: 'append' | 'replicate' | 'elect' | 'force' | 'restart' | 'connect' | 'take',
  a: number,
  b: number,
  count: number,
];

const NODES = 3;
const node = fc.nat({ max: NODES - 1 });
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant('append' as const) },
    { weight: 6, arbitrary: fc.constant('replicate' as const) },
    { weight: 3, arbitrary: fc.constant('elect' as const) },
    { weight: 1, arbitrary: fc.constantFrom('force' as const, 'restart' as const) },
    { weight: 4, arbitrary: fc.constant('connect' as const) },
    { weight: 6, arbitrary: fc.constant('take' as const) },
  ),
  node,
  node,
  fc.integer({ min: 1, max: 4 }),
);

function perform(model: RaftModel, [kind, a, b, count]: Step): void {
  const [one, other] = [model.nodes[a], model.nodes[b]];
  if (one === undefined || other === undefined) return;
  const leader = model.nodes.reduce((best, each) => (each.leads > best.leads ? each : best), one);
  switch (kind) {
    case 'append':
      // Now and then a leader that does not know that it was replaced.
      for (let more = 0; more < count; more += 1) {
        const writer = count === 1 && one.leads > 0 ? one : leader;
        if (writer.leads > 0) writer.append();
      }
      return;
    case 'replicate':
      return model.replicate(count === 1 ? one : leader, other, count);
    case 'elect':
      model.elect(one, [...new Set([one, other])]);
      return;
    case 'force':
      return model.force(one);
    case 'restart':
      [one.commit, one.leads] = [0, 0];
      return;
    case 'connect':
      return model.reader.connect(one);
    case 'take':
      return model.reader.take(count);
  }
}

/** Of the branch that was forced more often, or else of the better log. */
function endsBetter(one: ModelNode, other: ModelNode): boolean {
  const [ours, theirs] = [one, other].map(({ outline }) => outline.identity?.split('/').length ?? 0);
  return ours === theirs ? one.isAtLeast(other) : (ours ?? 0) > (theirs ?? 0);
}

/** Resets and reads, over all histories: a property that never sees any proves nothing. */
function followed(forces: boolean): { resets: number; read: number } {
  const tally = { resets: 0, read: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), node, (steps, end) => {
      const model = new RaftModel(NODES, forces);
      for (const each of steps) perform(model, each);
      const best = model.nodes.reduce((most, each) => (endsBetter(each, most) ? each : most));
      if (!forces) expect(model.elect(best, model.nodes)).toBe(true);
      else model.force(best);
      model.heal(best);
      const last = model.nodes[end];
      const isFollower = last !== undefined && last.log.at(-1) === best.log.at(-1);
      model.reader.connect(isFollower ? last : best);
      model.reader.take(Number.MAX_SAFE_INTEGER);
      expect(model.reader.held).toEqual(best.entries);
      tally.resets += model.reader.resets;
      tally.read += model.reader.held.length;
    }),
    { numRuns: 400 },
  );
  return tally;
}

test('whatever happens, a reader holds what its node has, drops nothing committed, and ends with the log', () => {
  const { resets, read } = followed(false);
  expect(resets).toBeGreaterThan(20);
  expect(read).toBeGreaterThan(1_000);
});

test('also when lists are forced, and with them what was committed is given up', () => {
  const { resets, read } = followed(true);
  expect(resets).toBeGreaterThan(20);
  expect(read).toBeGreaterThan(1_000);
});
