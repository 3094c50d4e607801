/** What a master's view says before a reign: what it waits for, and what a force would begin with. */
import { SETTINGS } from './reign-harness';
import { ENTRIES, endAhead, openMaster, ViewHarness, VOTERS } from './view-harness';

const LISTENED = SETTINGS.unhealthyAfterMs;

describe('a recovery waits for', () => {
  test.each<[what: string, create: () => ViewHarness]>([
    ['the broker', () => new ViewHarness()],
    ['the lock of this log', () => new ViewHarness().up()],
    ['1 more vote from s1, s2', () => new ViewHarness().up().claim()],
    ['answers from s1, s2, which may hold the log', () => new ViewHarness({ voters: [] }).up().claim()],
    ['a majority to hold the first record of epoch 2', () => new ViewHarness().up().reign()],
    ['a majority of the voters (master, s1, s2) to hold the newest record', openMaster],
  ])('%s', (what, create) => {
    expect(create().view.waitingFor(0)).toBe(what);
  });

  test('what is said first: the trouble with the broker, then an operator, then the votes', () => {
    const { state, view } = new ViewHarness().up().claim();
    state.contradictedBy = 's1';
    expect(view.waitingFor(0)).toContain('an operator: entries that are committed here are missing from the log of s1');
    state.broker.setTrouble('ACCESS_REFUSED');
    expect(view.waitingFor(0)).toBe('the broker (ACCESS_REFUSED)');
    expect(view.link).toEqual({ connected: true, blocked: false, trouble: 'ACCESS_REFUSED' });
    state.broker.setTrouble(null);
    expect(view.link).toEqual({ connected: true, blocked: false });
  });
});

describe('a master without a log', () => {
  const blank = (settings: Partial<typeof SETTINGS> = {}) => new ViewHarness({ voters: [], settings }).up().claim();
  const onFreshBroker = (master: ViewHarness): ViewHarness => {
    master.state.declaration.recordSession(true, false);
    return master;
  };

  test.each<[what: string, isBeginning: boolean, create: () => ViewHarness]>([
    ['the broker knows of none', true, () => onFreshBroker(blank())],
    ['the broker knows of one', false, blank],
    ['a node was heard to hold one', false, () => onFreshBroker(blank()).report('s1')],
    ['a node has another one', false, () => onFreshBroker(blank()).meet('s9')],
    ['it is told that there is none', true, () => blank({ birth: 'new' })],
    ['it may begin none', false, () => onFreshBroker(blank({ birth: 'never' }))],
    ['it has one', false, () => onFreshBroker(new ViewHarness().up().claim())],
    ['it claims none', false, () => onFreshBroker(new ViewHarness({ voters: [] }).up())],
  ])('waits to begin one when %s: %s', (_, isBeginning, create) => {
    expect(create().view.isBeginning(0)).toBe(isBeginning);
  });

  test('has no evidence of a fresh broker once a node has reported a log', () => {
    const master = blank();
    onFreshBroker(master);
    master.state.listening.hasHeardOfALog = true;
    expect(master.view.birth(0).freshBroker).toBe(false);
  });
});

describe('a master whose own vote is enough', () => {
  const alone = () => new ViewHarness({ voters: VOTERS.slice(0, 1) }).up().claim();

  test('listens until it has heard as many members as an append needs, or for long enough', () => {
    const master = alone();
    expect([0, LISTENED - 1, LISTENED].map((now) => master.view.listensAlone(now))).toEqual([true, true, false]);
    expect(master.view.isBeginning(0)).toBe(true);
    master.hear('s1');
    expect(master.view.listensAlone(0)).toBe(false);
  });

  test('does not listen alone when others have a vote', () => {
    expect(new ViewHarness().up().claim().view.listensAlone(0)).toBe(false);
  });

  test.each([
    [-1, false],
    [0, false],
    [1, true],
  ])('has lost records when a node reports %i entries more: %s', (more, isRolledBack) => {
    expect(alone().report('s1', endAhead(more)).view.isRolledBack(0)).toBe(isRolledBack);
  });
});

describe('a force', () => {
  const plan = (master: ViewHarness, now = LISTENED) => master.view.forcePlan(now, 'best');

  test('begins with the own log, and names the voters that were not heard', () => {
    const ready = plan(new ViewHarness().up().claim());
    expect(ready).toMatchObject({ state: 'ready', from: 'master', lastSeq: ENTRIES });
    expect(ready.detail).toContain('Entries that only s1, s2 may hold are lost');
  });

  test('names a node that came back with another store by its former store', () => {
    const master = new ViewHarness().up().claim().report('s1').report('s2', { store: 'new' });
    expect(plan(master).detail).toContain("Entries that only s2's former store may hold are lost");
  });

  test('names its own former store, if that one has the vote', () => {
    const voters = [{ node: 'master', store: 'lost' }, ...VOTERS.slice(1)];
    const master = new ViewHarness({ voters }).up().claim().report('s1').report('s2');
    expect(plan(master).detail).toContain("Entries that only master's former store may hold are lost");
  });

  test('fetches the best log that was heard first', () => {
    const master = new ViewHarness().up().claim().report('s1', endAhead(2)).report('s2', endAhead(1));
    expect(plan(master)).toMatchObject({ state: 'fetching', from: 's1' });
  });

  test('of a master that reigns without its voters begins with its log, whatever was heard', () => {
    const master = new ViewHarness()
      .up()
      .reign()
      .report('s1', { ...endAhead(2), lastEpoch: 3, lastReign: 'r3' });
    expect(plan(master)).toMatchObject({ state: 'ready', from: 'master', lastSeq: ENTRIES });
  });

  test('listens as long as a node that is up may be silent', () => {
    const master = new ViewHarness().up().claim();
    expect([plan(master, LISTENED - 1).state, plan(master).state]).toEqual(['listening', 'ready']);
  });

  test.each<[problem: string, create: () => ViewHarness]>([
    ['not-recovering', openMaster],
    ['standby', () => lockedOut()],
    ['nothing-to-force', () => new ViewHarness({ voters: [] }).up().claim()],
    ['ambiguous', () => heardTwo()],
  ])('is refused: %s', (problem, create) => {
    expect(plan(create())).toMatchObject({ state: 'refused', problem });
  });

  test('that is to begin a new log is planned as such', () => {
    const master = new ViewHarness({ voters: [] }).up().claim();
    expect(master.view.forcePlan(LISTENED, 'new')).toMatchObject({ state: 'ready', from: 'master', lastSeq: 0 });
    master.meet('s9');
    expect(master.view.forcePlan(LISTENED, 'new')).toMatchObject({ state: 'refused', problem: 'log-exists' });
  });

  function lockedOut(): ViewHarness {
    const master = new ViewHarness().up().claim();
    master.state.broker.becomeLockedOut();
    return master;
  }

  function heardTwo(): ViewHarness {
    const other = { ...endAhead(0), log: 'r9', lastLog: 'r9' };
    return new ViewHarness({ voters: [] }).up().claim().report('s1', endAhead(0)).report('s2', other);
  }
});
