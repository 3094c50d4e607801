import { type ForceFacts, type ForceRefusal, planForce, planNew } from '#master/core/election/force';
import type { HeardLog } from '#master/core/election/heard-logs';
import type { LogEnd } from '#protocol/log/outline';

const LOG = '60c249b35917a53d';
const OTHER = 'ffffffffffffffff';
const EMPTY: LogEnd = { index: 0, epoch: 0, reign: '', log: null };
const endAt = (index: number, epoch = 2, log: string | null = LOG): LogEnd => ({
  index,
  epoch,
  reign: `r${epoch}`,
  log,
});

function heard(node: string, end: LogEnd, log = end.log): HeardLog {
  return { node, store: `${node}-disk`, log, end, lastSeq: end.index, voters: [] };
}

/** A master with a log, stuck without its majority, that has listened and heard nobody. */
const STUCK: ForceFacts = {
  self: 'master',
  isStuck: true,
  isLockedOut: false,
  isReigning: false,
  hasListened: true,
  identity: LOG,
  own: endAt(9),
  ownSeq: 7,
  hasList: true,
  heard: [],
  best: null,
  isAmbiguous: false,
  foreign: [],
  missing: ['s1', 's2'],
};

/** A master without a log, which waits for one. */
const WAITING: ForceFacts = { ...STUCK, identity: null, own: EMPTY, ownSeq: 0, hasList: false, missing: [] };

describe('an operator who gives a lost majority up', () => {
  test('begins with the own log, and is told what is given up', () => {
    const plan = planForce(STUCK);
    expect(plan).toMatchObject({ state: 'ready', from: 'master', lastSeq: 7 });
    expect(plan.detail).toContain('entries 1 to 7');
    expect(plan.detail).toContain('s1, s2');
  });

  test('is told when every voter was heard', () => {
    expect(planForce({ ...STUCK, missing: [] }).detail).toContain('Every voter was heard');
  });

  test('names the nodes in one order, whichever was heard last', () => {
    const [s1, s2] = [heard('s1', EMPTY), heard('s2', EMPTY)];
    const { detail } = planForce({ ...STUCK, hasListened: false, heard: [s1, s2] });
    expect(planForce({ ...STUCK, hasListened: false, heard: [s2, s1] }).detail).toBe(detail);
  });

  const blanks = [heard('s1', EMPTY), heard('s2', EMPTY)];
  const two = [heard('s1', endAt(3)), heard('s2', endAt(3, 2, OTHER))];
  test.each<[what: string, problem: ForceRefusal, facts: ForceFacts]>([
    ['while nothing is missing', 'not-recovering', { ...STUCK, isStuck: false }],
    ['while another process has the lock', 'standby', { ...STUCK, isLockedOut: true }],
    ['when several logs were heard, and none is its own', 'ambiguous', { ...WAITING, heard: two, isAmbiguous: true }],
    [
      'when several were heard, though it still listens',
      'ambiguous',
      { ...WAITING, heard: two, isAmbiguous: true, hasListened: false },
    ],
    ['when nobody was heard, and it has no log itself', 'nothing-to-force', WAITING],
    ['when all who were heard are blank as itself', 'nothing-to-force', { ...WAITING, heard: blanks }],
    ['when the log it belongs to is nowhere', 'nothing-to-force', { ...WAITING, identity: LOG }],
    [
      'when the log it belongs to is nowhere, though others are',
      'nothing-to-force',
      { ...WAITING, identity: LOG, heard: two },
    ],
  ])('is refused %s', (_, problem, facts) => {
    expect(planForce(facts)).toMatchObject({ state: 'refused', problem });
  });

  test('is told which logs there are to choose from', () => {
    const plan = planForce({ ...WAITING, heard: two, isAmbiguous: true });
    expect(plan.detail).toContain(`s1 (log ${LOG}, up to 3)`);
    expect(plan.detail).toContain(`s2 (log ${OTHER}, up to 3)`);
    expect(plan.detail).toContain('LOG_ID');
  });

  test.each<[what: string, facts: ForceFacts]>([
    ['a torn first write', { ...WAITING, identity: LOG, own: endAt(1) }],
    ['a later branch that is known by name only', { ...STUCK, identity: `${LOG}/later` }],
    ['records without a list at somebody else', { ...WAITING, best: heard('s1', endAt(1)) }],
  ])('never begins from %s', (_, facts) => {
    expect(planForce(facts)).toMatchObject({ state: 'refused', problem: 'nothing-to-force' });
  });

  test('waits until everybody who is up had the time to be heard', () => {
    const plan = planForce({ ...STUCK, hasListened: false, heard: [heard('s1', EMPTY)] });
    expect(plan).toMatchObject({ state: 'listening', from: null });
    expect(plan.detail).toContain('s1 (blank)');
    expect(planForce({ ...WAITING, hasListened: false })).toMatchObject({ state: 'listening' });
  });

  test('fetches nothing when the master reigns: its log has all that is committed, once nobody was heard of a later reign', () => {
    const facts = { ...STUCK, isReigning: true, best: heard('s1', endAt(99)) };
    expect(planForce(facts)).toMatchObject({ state: 'ready', from: 'master', lastSeq: 7 });
    expect(planForce({ ...facts, hasListened: false })).toMatchObject({ state: 'listening' });
  });

  test.each<[what: string, best: LogEnd]>([
    ['longer', endAt(10)],
    ['of a higher epoch, though shorter', endAt(3, 3)],
    ['of a later branch, though its epoch is lower', endAt(3, 1, `${LOG}/${OTHER}`)],
  ])('waits until the best log is fetched when it is %s', (_, end) => {
    const best = heard('s1', end);
    const plan = planForce({ ...STUCK, heard: [best], best });
    expect(plan).toMatchObject({ state: 'fetching', from: 's1' });
    expect(plan.detail).toContain(`up to ${end.index}; this master has entries up to 7`);
  });

  test('waits for the fetch when the master has no log at all', () => {
    const best = { ...heard('s1', endAt(3)), voters: [{ node: 's1', store: 's1-disk' }] };
    expect(planForce({ ...WAITING, heard: [best], best })).toMatchObject({ state: 'fetching', from: 's1' });
  });

  test.each<[what: string, best: LogEnd]>([
    ['as long as the own one', endAt(9)],
    ['shorter', endAt(8)],
    ['of a lower epoch, though longer', endAt(99, 1)],
  ])('need not fetch the best log of the others when it is %s', (_, end) => {
    const best = heard('s1', end);
    expect(planForce({ ...STUCK, heard: [best], best })).toMatchObject({ state: 'ready', from: 'master', lastSeq: 7 });
  });
});

describe('an operator who wants a new log', () => {
  test('begins one where nobody was heard to hold any', () => {
    expect(planNew(WAITING)).toMatchObject({ state: 'ready', from: 'master', lastSeq: 0 });
    expect(planNew({ ...WAITING, heard: [heard('s1', EMPTY)] })).toMatchObject({ state: 'ready', lastSeq: 0 });
  });

  test('begins again what was torn behind its first record', () => {
    const torn = { ...WAITING, identity: LOG, own: endAt(1, 1) };
    expect(planNew(torn)).toMatchObject({ state: 'ready', from: 'master' });
  });

  test('begins again what was torn where others have only followed that', () => {
    const torn = { ...WAITING, identity: LOG, own: endAt(1, 1), heard: [heard('s1', EMPTY, LOG)] };
    expect(planNew(torn)).toMatchObject({ state: 'ready', from: 'master' });
    expect(planNew({ ...torn, heard: [heard('s1', EMPTY, OTHER)] })).toMatchObject({ problem: 'log-exists' });
  });

  test('is refused a new log while a node with another log was heard', () => {
    const foreign = [{ id: 's9', log: OTHER, lastSeq: 4 }];
    expect(planNew({ ...WAITING, foreign })).toMatchObject({ state: 'refused', problem: 'log-exists' });
  });

  test('waits until everybody who is up had the time to be heard', () => {
    expect(planNew({ ...WAITING, hasListened: false })).toMatchObject({ state: 'listening', from: null });
  });

  test.each<[what: string, problem: ForceRefusal, facts: ForceFacts]>([
    ['where the master has a log', 'log-exists', STUCK],
    ['where it belongs to one that it does not hold', 'log-exists', { ...WAITING, identity: LOG }],
    ['where it belongs to a later branch', 'log-exists', { ...WAITING, identity: `${LOG}/${OTHER}`, own: endAt(1, 1) }],
    ['where somebody holds one', 'log-exists', { ...WAITING, heard: [heard('s9', endAt(4))] }],
    ['where somebody has followed one', 'log-exists', { ...WAITING, heard: [heard('s9', EMPTY, LOG)] }],
    [
      'where somebody holds one, though it still listens',
      'log-exists',
      { ...WAITING, heard: [heard('s9', endAt(4))], hasListened: false },
    ],
    ['while the master waits for none', 'not-recovering', { ...WAITING, isStuck: false }],
    ['while another process has the lock', 'standby', { ...WAITING, isLockedOut: true }],
  ])('is refused %s', (_, problem, facts) => {
    expect(planNew(facts)).toMatchObject({ state: 'refused', problem });
  });

  test('is told who holds the log that there is, and up to where', () => {
    const { detail } = planNew({ ...WAITING, heard: [heard('s8', EMPTY), heard('s9', endAt(4))] });
    expect(detail).toContain(`s9 (log ${LOG}, up to 4)`);
    expect(detail).not.toContain('s8');
  });
});
