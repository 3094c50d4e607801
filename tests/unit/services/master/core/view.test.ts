import type { MasterEffect } from '#master/core/events';
import { Reign } from '#master/core/leadership/reign';
import { REIGN, SELF, SETTINGS } from './reign-harness';
import { ENTRIES, LOG, openMaster, ViewHarness } from './view-harness';

type Act = (master: ViewHarness) => void;

const LISTENED = SETTINGS.unhealthyAfterMs;
const TS = '2026-01-01T00:00:00.000Z';

/** A client appends an entry, which is on its way to the store then. */
function append({ state }: ViewHarness, message: string): MasterEffect[] {
  const out: MasterEffect[] = [];
  const entries = [{ message, id: null }];
  state.reigning?.append({ type: 'append', request: 1, entries, ts: TS, writeConcern: 'all' }, out);
  return out;
}

describe('an append', () => {
  /** What refuses it: the one that an operator wants to hear of first comes last. */
  const REFUSALS: readonly [problem: string, says: string, becomes: Act][] = [
    ['overloaded', 'bytes are in flight', (master) => void append(master, 'x'.repeat(SETTINGS.inFlightBytesMax))],
    ['no-quorum', '1 is alive', ({ state }) => state.membership.table.tick(LISTENED, [])],
    ['overloaded', 'alarm', ({ state }) => state.broker.setBlocked(true)],
    ['recovering', 'waiting for', (master) => void master.claim()],
    ['another-log', 's1 (log r9/r10, up to 8)', (master) => void master.meet('s1')],
    ['standby', 'other is the reigning master', ({ state }) => lockOut(state)],
    [
      'shutting-down',
      'stopping',
      ({ state }) => {
        state.isStopping = true;
      },
    ],
  ];

  function lockOut({ broker }: ViewHarness['state']): void {
    broker.becomeLockedOut();
    broker.recordOwner({ node: 'other', httpUrl: '', log: LOG });
  }

  test('is accepted while nothing is wrong', () => {
    expect(openMaster().view.refusal(0)).toBeNull();
  });

  test('is refused for the gravest of several reasons', () => {
    const master = openMaster();
    for (const [problem, says, becomes] of REFUSALS) {
      becomes(master);
      const refusal = master.view.refusal(0);
      expect(refusal?.problem).toBe(problem);
      expect(refusal?.detail).toContain(says);
    }
  });

  test('is refused while enough nodes are up, but not with the stores that have the vote', () => {
    const lost = [{ node: 'master', store: 'M' }, ...['s1', 's2'].map((node) => ({ node, store: 'lost' }))];
    const master = openMaster();
    const other = new ViewHarness({ voters: lost }).up().reign().hear('s1', 's2');
    expect([master.view.hasVoters, other.view.hasVoters, other.view.quorum.ok]).toEqual([true, false, true]);
    expect([master.view.canForce, other.view.canForce]).toEqual([false, true]);
  });
});

describe('the bytes in flight', () => {
  test('are those of entries on their way to the store, and then to the broker', () => {
    const master = openMaster();
    const { state, view } = master;
    state.publisher.window.clear();
    expect(view.inFlightBytes).toBe(0);
    const effects = append(master, 'm');
    const pending = view.inFlightBytes;
    expect(pending).toBeGreaterThan(0);
    expect([view.waiting, view.head]).toEqual([1, ENTRIES]);
    master.store(effects);
    expect([view.inFlightBytes, view.head]).toEqual([pending, ENTRIES + 1]);
    const batch = state.publisher.window.take();
    state.publisher.window.recordConfirm(batch?.id ?? -1);
    expect(view.inFlightBytes).toBe(0);
  });
});

describe('members with another log', () => {
  test.each<[what: string, act: Act, names: string | null]>([
    ['nobody has one', (master) => void master.hear(), null],
    ['one has, and nobody is up with this log', (master) => void master.meet('s1'), 's1 (log r9/r10, up to 8)'],
    ['both have', (master) => void master.meet('s1', 's2'), 's1 (log r9/r10, up to 8), s2 (log r9/r10, up to 8)'],
    ['one has, and enough are up with this log', (master) => void master.meet('s1').hear('s2'), null],
    ['only a stranger has', (master) => void master.meet('s9'), null],
  ])('keep a master silent unless enough hold its log: %s', (_, act, names) => {
    const master = new ViewHarness().up();
    act(master);
    const sentence = master.view.anotherLog(0);
    if (names === null) expect(sentence).toBeNull();
    else expect(sentence).toContain(`another log (${LOG}) than the members that were heard: ${names}.`);
    expect(master.view.isSilent(0)).toBe(names !== null);
  });

  test('keep a blank master silent, which has none itself', () => {
    const master = new ViewHarness({ voters: [] }).up().meet('s1');
    expect(master.view.anotherLog(0)).toContain('another log (none)');
  });

  test('count when only the settings name them', () => {
    const master = new ViewHarness({ settings: { secondaries: ['s1', 's2', 's3'] } }).up().meet('s3');
    expect(master.view.isOutnumbered(0)).toBe(true);
  });

  test('count no longer when they were not heard for a minute', () => {
    expect(new ViewHarness().up().meet('s1').view.isSilent(60_001)).toBe(false);
  });
});

test('a master is silent until the broker knows of the log', () => {
  const { state, view } = openMaster();
  state.declaration.recordReign(true);
  expect(view.isSilent(0)).toBe(true);
  state.declaration.recordConfirmed();
  expect(view.isSilent(0)).toBe(false);
});

describe('a log that the broker may be told of', () => {
  test('is one whose first configuration is durable', () => {
    expect(new ViewHarness().view.holdsLog).toBe(true);
    expect(new ViewHarness({ voters: [] }).view.holdsLog).toBe(false);
  });

  test('is none while the records of its birth are on their way to the store', () => {
    const { state, view } = new ViewHarness({ voters: [] });
    const parts = { log: state.log, window: state.publisher.window, positions: state.membership.table.tracker };
    const start = { forced: false, withoutQuorum: false };
    const reign = new Reign({ epoch: 1, reign: REIGN }, SELF, { ...parts, pending: state.pendingIds }, start);
    reign.begin(['s1', 's2'], []);
    expect(view.outline.newestConfiguration().members).not.toBeNull();
    expect(view.holdsLog).toBe(false);
    state.log.recordStored(0, 0);
    expect(view.holdsLog).toBe(true);
  });
});

describe('a write concern', () => {
  test.each([
    [1, null],
    [3, null],
    [4, { w: 4, nodes: 3 }],
    ['majority' as const, null],
    ['all' as const, null],
  ])('of %p among three nodes exceeds them: %j', (writeConcern, exceeds) => {
    expect(openMaster().view.unsatisfiable(writeConcern)).toEqual(exceeds);
  });

  test('is not judged before the reign is open: the members may still change', () => {
    expect(new ViewHarness().up().reign().view.unsatisfiable(4)).toBeNull();
  });
});

describe('an entry', () => {
  test('is held by this node and those that acked it, and is committed by the majority', () => {
    const master = new ViewHarness().up().reign();
    expect(master.view.replication(ENTRIES)).toEqual({ acks: ['master'], committed: false });
    master.ack('s2');
    expect(master.view.replication(ENTRIES)).toEqual({ acks: ['master', 's2'], committed: true });
    expect(master.view.commit).toBe(ENTRIES);
  });

  test('is not shown before it is durable, nor when there is none', () => {
    const master = openMaster();
    append(master, 'm');
    expect([master.view.outline.lastSeq, master.view.replication(ENTRIES + 1)]).toEqual([ENTRIES + 1, null]);
    expect([0, ENTRIES + 2].map((seq) => master.view.replication(seq))).toEqual([null, null]);
  });
});

describe('the members', () => {
  test('are those of the settings while the log has none, and none of them is young', () => {
    const { view } = new ViewHarness({ voters: [], settings: { secondaries: ['s7'] } });
    expect([view.members, view.voters, view.young, view.votersUp]).toEqual([['s7'], [], [], null]);
  });

  test('are those of the log as soon as it has some', () => {
    const { view } = new ViewHarness({ settings: { secondaries: ['s1', 's7'] }, removed: ['s9'] })
      .up()
      .reign()
      .hear('s1');
    expect([view.members, view.voters]).toEqual([
      ['s1', 's2'],
      ['master', 's1', 's2'],
    ]);
    expect([view.young, view.removed, view.votersUp]).toEqual([['s2', 's7'], ['s9'], ['master', 's1']]);
  });

  test('show no more than this node has, whatever they have acked', () => {
    const master = openMaster();
    append(master, 'm');
    master.ack('s1');
    expect(master.view.member(0, 's1')).toMatchObject({ id: 's1', voter: true, acked: ENTRIES });
  });
});

test.each<[phase: string, create: () => ViewHarness, epoch: number]>([
  ['recovering', () => new ViewHarness({ promised: { epoch: 9 } }), 9],
  ['recovering', () => new ViewHarness({ promised: { epoch: 9 } }).up().reign(), 2],
  ['reigning', () => openMaster({ promised: { epoch: 9 } }), 2],
])('a master is %s, in the epoch of its reign or the one promised last', (phase, create, epoch) => {
  const { view } = create();
  expect([view.phaseName, view.epoch.epoch]).toEqual([phase, epoch]);
});

test('a master that another process locks out is a standby, though its reign goes on', () => {
  const { state, view } = openMaster();
  state.broker.recordOwner({ node: 'other', httpUrl: 'http://o:1', log: LOG });
  expect([view.phaseName, view.reigningElsewhere]).toEqual(['reigning', null]);
  state.broker.becomeLockedOut();
  expect([view.phaseName, view.reigningElsewhere?.node]).toEqual(['standby', 'other']);
  expect(view.reign).not.toBeNull();
});

test.each<[what: string, kept: ConstructorParameters<typeof ViewHarness>[0], identity: string | null]>([
  ['nothing at all', { voters: [] }, null],
  ['the settings', { voters: [], settings: { logId: 'r8' } }, 'r8'],
  ['its promise', { voters: [], promised: { identity: 'r7' }, settings: { logId: 'r8' } }, 'r7'],
  ['its records', { promised: {} }, LOG],
  ['a promise of a later branch', { promised: { identity: 'r1/r2' } }, 'r1/r2'],
])('a master knows its log by %s', (_, kept, identity) => {
  expect(new ViewHarness(kept).view.identity).toBe(identity);
});

test('one line says who it is, its phase and its epoch', () => {
  expect(`${new ViewHarness().view}`).toMatch(/^master standby e0 /);
  expect(`${new ViewHarness().up().claim().view}`).toMatch(/^master claiming \(.+\) e0 /);
  expect(`${openMaster().view}`).toMatch(/^master reigning e2 /);
});
