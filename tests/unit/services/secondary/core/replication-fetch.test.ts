/** What a secondary asks for, what it answers, and how it compares its log with the master's. */
import { BATCH_RECORDS_MAX } from '#protocol/limits';
import type { MessageOf } from '#protocol/wire/messages';
import { announce, batch, CHECKSUM, GAP_MS, LENGTH, NEXT, PartsHarness, SENDER, told } from './parts-harness';

type Act = (node: PartsHarness) => void;

/** A node that is up and knows its master, whose head is `ahead` records further. */
function follower(ahead = 0): PartsHarness {
  const node = new PartsHarness();
  node.parts.session.becomeUp();
  node.parts.master.record(0, announce(LENGTH + ahead));
  return node;
}

function uncheckedNode(): PartsHarness {
  const node = new PartsHarness({ ...NEXT });
  node.parts.session.becomeUp();
  node.parts.master.record(0, announce(LENGTH, NEXT));
  return node;
}

function repair(node: PartsHarness, now: number, random: number | null = 0): string[] {
  return told(node.do((replication, out) => replication.repair(now, random, out)));
}

const FETCHED = ['fetch', 'fetch.sent'];

describe('a node without some records', () => {
  test('waits for them, then fetches from behind its end, and counts one gap and each fetch', () => {
    const node = follower(2);
    expect([repair(node, 0), repair(node, GAP_MS - 1)]).toEqual([[], []]);
    const effects = node.do((replication, out) => replication.repair(GAP_MS, 0, out));
    expect(told(effects)).toEqual(FETCHED);
    const range = { from: LENGTH + 1, lastEpoch: 1, lastReign: 'r1', limit: BATCH_RECORDS_MAX };
    expect(effects[0]).toEqual({ do: 'send', to: null, message: { type: 'fetch', ...SENDER, node: 's1', ...range } });
    expect([repair(node, GAP_MS), repair(node, GAP_MS + 60_000)]).toEqual([[], FETCHED]);
    expect(node.view.counters).toMatchObject({ gaps: 1, fetches: 2 });
  });

  test('fetches at once while its log is not checked, which is no gap', () => {
    const node = uncheckedNode();
    expect(repair(node, 0)).toEqual(FETCHED);
    expect(node.view.counters).toMatchObject({ gaps: 0, fetches: 1 });
  });

  test('fetches on at once when an answer was appended, and not when a delivery was', () => {
    const node = follower(9);
    const answer = (prevIndex: number, tag: number | null) =>
      node.do((replication, out) => replication.entries(GAP_MS, batch(prevIndex, 1), { tag, fail: false }, out));
    repair(node, 0);
    repair(node, GAP_MS);
    answer(LENGTH, 7);
    expect(repair(node, GAP_MS)).toEqual([]);
    answer(LENGTH + 1, null);
    expect(repair(node, GAP_MS)).toEqual(FETCHED);
  });

  test('fetches what a buffered batch lacks, though no head was announced beyond the own one', () => {
    const node = follower();
    node.deliver(7, batch(LENGTH + 1, 1));
    repair(node, 0);
    expect(repair(node, GAP_MS)).toEqual(FETCHED);
  });

  test('fetches again after the middle of the backoff when no random number is at hand', () => {
    const dueAfter = (random: number | null) => {
      const node = uncheckedNode();
      repair(node, 0, random);
      return `${node.parts.gap}`;
    };
    expect(dueAfter(null)).toBe(dueAfter(0.5));
    expect(dueAfter(null)).not.toBe(dueAfter(0));
  });

  test.each<[what: string, act: Act]>([
    ['it is not connected', ({ parts }) => parts.session.becomeDown()],
    ['another process has its id', ({ parts }) => parts.session.becomeLockedOut()],
    ['no master is known', ({ parts }) => parts.master.forget()],
    ['the longer identity of its log is being saved', ({ parts }) => void parts.ballot.learnIdentity(LATER, [])],
    ['it was removed', ({ parts }) => parts.master.record(0, announce(LENGTH + 2, { removed: ['s1'] }))],
    ['an operator has paused it', ({ parts }) => void parts.session.pause(true, [])],
    ['its log differs', (node) => node.differ()],
    [
      'the driver holds batches back',
      (node) => {
        node.replication.inHand = 1;
      },
    ],
    ['it has the head that was announced', ({ parts }) => parts.master.record(0, announce(LENGTH))],
  ])('fetches nothing while %s', (_, act) => {
    const node = follower(2);
    act(node);
    expect([repair(node, 0), repair(node, GAP_MS)]).toEqual([[], []]);
    expect(node.view.counters.gaps).toBe(0);
  });
});

const LATER = { ...SENDER, log: 'r1/r2' };

describe('a fetch of a candidate or a master', () => {
  const asked: MessageOf<'fetch'> = {
    type: 'fetch',
    ...SENDER,
    node: 'master',
    from: 2,
    lastEpoch: 1,
    lastReign: 'r1',
    limit: 9,
  };
  const answer = (node: PartsHarness, said: Partial<MessageOf<'fetch'>> = {}, to: string | null = 'queue') =>
    node.do((replication, out) => replication.fetched({ ...asked, ...said }, to, out));

  test('is answered with what is durable, to the queue that it names', () => {
    const node = follower();
    node.deliver(7, batch(LENGTH, 2));
    expect(answer(node)).toMatchObject([
      { do: 'serve', to: 'queue', node: 'master', header: { ...SENDER, prevIndex: 1 }, lastIndex: LENGTH, limit: 9 },
    ]);
  });

  test('is answered with the position where the logs part', () => {
    const effects = answer(follower(), { from: LENGTH + 9 });
    expect(effects).toMatchObject([{ do: 'send', to: 'queue', message: { type: 'diverged', endIndex: LENGTH } }]);
  });

  test.each<[what: string, act: Act, said: Partial<MessageOf<'fetch'>>, to: string | null]>([
    ['names no queue', () => undefined, {}, null],
    ['is of another epoch', () => undefined, NEXT, 'queue'],
    ['comes before the promise is durable', (node) => node.promise(), NEXT, 'queue'],
    ['comes to a node whose log differs', (node) => node.differ(), {}, 'queue'],
    ['expects another store', () => undefined, { expects: { ...expectedEnd(), store: 'B' } }, 'queue'],
  ])('is not answered when it %s', (_, act, said, to) => {
    const node = follower();
    act(node);
    expect(answer(node, said, to)).toEqual([]);
  });
});

function expectedEnd() {
  return { lastIndex: LENGTH, lastEpoch: 1, lastReign: 'r1', lastLog: 'r1', lastSeq: LENGTH - 1 };
}

describe('the checksum of an announcement', () => {
  const compare = (node: PartsHarness, headIndex: number, checksum?: number) =>
    told(
      node.do((replication, out) =>
        replication.compare(0, announce(headIndex, checksum === undefined ? {} : { checksum }), out),
      ),
    );

  test('that is another one at the same index stops the appends, and the search begins', () => {
    const node = follower();
    const effects = ['stopConsuming', 'log.differs', 'lookUpChecksum', 'fetch'];
    expect(compare(node, LENGTH, CHECKSUM + 1)).toEqual(effects);
    expect([node.view.status, node.view.differsAt]).toEqual(['differs', 0]);
    expect(compare(node, LENGTH, CHECKSUM + 1)).toEqual([]);
  });

  test.each<[what: string, node: () => PartsHarness, headIndex: number, checksum: number | undefined]>([
    ['is equal', follower, LENGTH, CHECKSUM],
    ['is not named', follower, LENGTH, undefined],
    ['is of an index whose own checksum is not known', follower, LENGTH - 1, CHECKSUM + 1],
    ['is of a record that is not durable here', follower, LENGTH + 1, CHECKSUM + 1],
    ['comes before the log is checked', uncheckedNode, LENGTH, CHECKSUM + 1],
  ])('proves nothing when it %s', (_, create, headIndex, checksum) => {
    const node = create();
    expect(compare(node, headIndex, checksum)).toEqual([]);
    expect(node.view.differsAt).toBeNull();
  });
});

describe('the entries queue', () => {
  const consume = (node: PartsHarness) => told(node.do((replication, out) => replication.consume(out)));

  test('is consumed, and asked for once', () => {
    const node = follower();
    expect([consume(node), consume(node)]).toEqual([['consume'], []]);
  });

  test.each<[what: string, act: Act]>([
    ['the log is not checked', ({ parts }) => parts.placement.becomeUnchecked()],
    ['no master is known', ({ parts }) => parts.master.forget()],
    ['the log differs', (node) => node.differ()],
    ['this node was removed', ({ parts }) => parts.master.record(0, announce(LENGTH, { removed: ['s1'] }))],
  ])('is not consumed while %s', (_, act) => {
    const node = follower();
    act(node);
    expect(consume(node)).toEqual([]);
  });
});

test.each<[what: string, act: Act, said: Partial<MessageOf<'heartbeat'>>]>([
  ['up to where it holds the log', () => undefined, { index: LENGTH, checksum: CHECKSUM }],
  ['nothing of a log that is not checked', ({ parts }) => parts.placement.becomeUnchecked(), { index: 0 }],
  ['that its log differs', (node) => node.differ(), { index: 0, differsAt: 0 }],
])('a heartbeat says %s', (_, act, said) => {
  const node = follower();
  act(node);
  const [beat] = node.do((replication, out) => replication.heartbeat(out));
  expect(beat).toMatchObject({ do: 'send', to: null, message: { type: 'heartbeat', ...SENDER, ...said } });
});
