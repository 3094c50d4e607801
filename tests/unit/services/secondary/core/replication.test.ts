/** What becomes of records on their way: appended, buffered, acked, fetched, cut or refused. */
import type { MessageOf } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { announce, batch, generationIn, INTERVAL_MS, LENGTH, NEXT, PartsHarness, SENDER, told } from './parts-harness';

type Act = (node: PartsHarness) => void;

/** A node that is up, and knows its master whose head it has. */
function follower(): PartsHarness {
  const node = new PartsHarness();
  node.parts.session.becomeUp();
  node.parts.master.record(0, announce(LENGTH));
  node.replication.becomeReady([]);
  return node;
}

/** A node that has promised the later epoch durably, and has not compared its log yet. */
function uncheckedNode(commit = 0): PartsHarness {
  const node = new PartsHarness({ ...NEXT, commit });
  node.parts.session.becomeUp();
  node.parts.master.record(0, announce(LENGTH, NEXT));
  return node;
}

function sentIn<Kind extends 'ack' | 'fetch' | 'heartbeat'>(effects: readonly SecondaryEffect[], kind: Kind) {
  return effects.flatMap((effect) =>
    effect.do === 'send' && effect.message.type === kind ? [effect.message as MessageOf<Kind>] : [],
  );
}

describe('a batch that follows the log', () => {
  test('is stored first, and settled and acked when it is durable', () => {
    const node = follower();
    const taken = node.deliver(7, batch(LENGTH, 2));
    expect(told(taken)).toEqual(['store']);
    const stored = node.store(generationIn(taken));
    expect(told(stored)).toEqual(['visible', 'settle 7', 'ack']);
    expect(sentIn(stored, 'ack')).toMatchObject([{ ...SENDER, index: LENGTH + 2, applied: LENGTH + 1 }]);
  });

  test('waits for the group under way, and is given to the store after it', () => {
    const node = follower();
    const first = node.deliver(7, batch(LENGTH, 1));
    expect(told(node.deliver(8, batch(LENGTH + 1, 1)))).toEqual([]);
    const stored = node.store(generationIn(first));
    expect(told(stored)).toEqual(['visible', 'settle 7', 'ack', 'store']);
    expect(told(node.store(generationIn(stored)))).toEqual(['visible', 'settle 8', 'ack']);
  });

  test('is durable once, whatever the store reports again', () => {
    const node = follower();
    const generation = generationIn(node.deliver(7, batch(LENGTH, 1)));
    node.store(generation);
    expect(node.store(generation)).toEqual([]);
  });

  test('is returned unacked when an error is injected, though it is durable and visible', () => {
    const node = follower();
    const taken = node.deliver(7, batch(LENGTH, 1), { fail: true });
    expect(told(node.store(generationIn(taken)))).toEqual(['visible', 'requeue 7']);
    expect(told(node.deliver(7, batch(LENGTH, 1)))).toEqual(['settle 7', 'ack']);
  });

  test.each<[what: string, act: Act]>([
    ['there is no connection', ({ parts }) => parts.session.becomeDown()],
    [
      'a longer identity is being saved',
      ({ parts }) => void parts.ballot.learnIdentity({ ...SENDER, log: 'r1/r2' }, []),
    ],
  ])('is stored and not acked while %s', (_, act) => {
    const node = follower();
    const taken = node.deliver(7, batch(LENGTH, 1));
    act(node);
    expect(told(node.store(generationIn(taken)))).toEqual(['visible', 'settle 7']);
  });

  test('makes a node ready when it reaches the head first announced, and once', () => {
    const node = new PartsHarness();
    node.parts.session.becomeUp();
    node.parts.master.record(0, announce(LENGTH + 2));
    const first = node.store(generationIn(node.deliver(7, batch(LENGTH, 1))));
    expect(told(first)).not.toContain('node.ready');
    const second = node.store(generationIn(node.deliver(8, batch(LENGTH + 1, 1))));
    expect(told(second)).toEqual(['visible', 'settle 8', 'ack', 'node.ready']);
    expect(told(node.do((replication, out) => replication.becomeReady(out)))).toEqual([]);
  });
});

describe('a delivery without records to append', () => {
  const none: Act = () => undefined;
  test.each<[what: string, act: Act, message: MessageOf<'entries'>, effects: string[]]>([
    ['with known records is acked again', none, batch(1, 2), ['settle 7', 'ack']],
    ['beyond the end is buffered, and acks what is durable', none, batch(LENGTH + 1, 1), ['settle 7', 'ack']],
    ['of another log', none, batch(LENGTH, 1, { log: 'r9' }), ['settle 7']],
    ['for a node that differs', (node) => node.differ(), batch(LENGTH, 1), ['settle 7']],
    ['of an epoch that was not announced', none, batch(LENGTH, 1, { ...NEXT }), ['settle 7', 'ack']],
    ['of a stale epoch tells its sender', (node) => node.promise(), batch(LENGTH, 1), ['heartbeat', 'settle 7']],
    [
      'that contradicts the log',
      none,
      batch(LENGTH, 1, { prevReign: 'r9' }),
      ['entries.contradiction', 'settle 7', 'ack'],
    ],
  ])('is settled: %s', (_, act, message, effects) => {
    const node = follower();
    act(node);
    expect(told(node.deliver(7, message))).toEqual(effects);
    expect(node.view.outline.lastIndex).toBe(LENGTH);
  });

  test('is settled and reported when it is no batch', () => {
    const message = announce(LENGTH);
    const delivery = { type: 'delivery', message, tag: 7, fail: false } as const;
    const effects = follower().do((replication, out) => replication.delivery(0, delivery, out));
    expect(told(effects)).toEqual(['settle 7', 'entries.unexpected-message']);
  });

  test('is not acked while records are on their way to the store', () => {
    const node = follower();
    node.deliver(7, batch(LENGTH, 1));
    expect(told(node.deliver(8, batch(1, 2)))).toEqual(['settle 8']);
  });

  test('is returned unacked when an error is injected', () => {
    expect(told(follower().deliver(7, batch(1, 2), { fail: true }))).toEqual(['requeue 7']);
  });

  test('of a stale epoch is counted each time, and its sender is told once an interval', () => {
    const node = follower();
    node.promise();
    const fenced = [0, INTERVAL_MS - 1, INTERVAL_MS].map(
      (now) => sentIn(node.deliver(7, batch(LENGTH, 1), { now }), 'heartbeat').length,
    );
    expect(fenced).toEqual([1, 0, 1]);
    expect(node.view.counters.staleEpoch).toBe(3);
  });
});

describe('a group that could not be stored', () => {
  const failure = (generation: number, fatal: boolean) =>
    ({ type: 'storeFailed', generation, fatal, what: 'the disk is full', random: 0 }) as const;

  test('is dropped and comes again, and nothing is fetched before it does', () => {
    const node = follower();
    const generation = generationIn(node.deliver(7, batch(LENGTH, 2)));
    const effects = node.do((replication, out) => replication.storeFailed(1_000, failure(generation, false), out));
    expect(told(effects)).toEqual(['store.failed', 'requeue 7']);
    expect(node.view.outline.lastIndex).toBe(LENGTH);
    const [, requeue] = effects;
    if (requeue?.do !== 'requeue') throw new Error('nothing comes again');
    node.parts.master.record(1_000, announce(LENGTH + 2));
    const fetchesAt = (now: number) =>
      sentIn(
        node.do((replication, out) => replication.repair(now, 0, out)),
        'fetch',
      ).length;
    expect([fetchesAt(1_000 + requeue.afterMs - 1), fetchesAt(1_000 + requeue.afterMs)]).toEqual([0, 1]);
  });

  test('ends the process when the store is broken, and leaves the deliveries to the broker', () => {
    const node = follower();
    const generation = generationIn(node.deliver(7, batch(LENGTH, 2)));
    const effects = node.do((replication, out) => replication.storeFailed(0, failure(generation, true), out));
    expect(told(effects)).toEqual(['store.failed', 'halt']);
  });

  test('is of no interest when it is not the one under way', () => {
    const node = follower();
    const generation = generationIn(node.deliver(7, batch(LENGTH, 2)));
    for (const fatal of [false, true]) {
      const late = failure(generation + 1, fatal);
      expect(node.do((replication, out) => replication.storeFailed(0, late, out))).toEqual([]);
    }
    expect(node.view.outline.lastIndex).toBe(LENGTH + 2);
  });
});

describe('a log that is not checked against the epoch followed', () => {
  test('takes what was buffered, acks and consumes, as soon as a batch fits its end', () => {
    const node = uncheckedNode();
    expect(told(node.deliver(7, batch(LENGTH + 1, 1, NEXT)))).toEqual(['settle 7']);
    expect([node.view.isSynced, node.view.outline.lastIndex]).toEqual([false, LENGTH]);
    const fitting = node.deliver(8, batch(LENGTH, 1, NEXT));
    expect(told(fitting)).toEqual(['log.synced', 'ack', 'consume', 'store']);
    expect(sentIn(fitting, 'ack')).toMatchObject([{ ...NEXT, index: LENGTH }]);
    expect([node.view.isSynced, node.view.outline.lastIndex]).toEqual([true, LENGTH + 2]);
  });

  test('is checked by an empty answer, too', () => {
    const node = uncheckedNode();
    const answer = batch(LENGTH, 0, NEXT);
    const effects = node.do((replication, out) => replication.entries(0, answer, { tag: null, fail: false }, out));
    expect(told(effects)).toEqual(['log.synced', 'ack', 'consume']);
  });

  test.each([
    ['overlaps its end', batch(LENGTH - 1, 2, NEXT)],
    ['follows a record of another reign', batch(LENGTH, 1, { ...NEXT, prevReign: 'r9' })],
  ])('is not checked by a batch that %s', (_, message) => {
    const node = uncheckedNode();
    expect(told(node.deliver(7, message))).toEqual(['settle 7']);
    expect([node.view.isSynced, node.view.outline.lastIndex]).toEqual([false, LENGTH]);
  });

  test('is not checked before the promise is durable', () => {
    const node = follower();
    node.promise();
    node.deliver(7, batch(LENGTH, 1, NEXT));
    expect(node.view.isSynced).toBe(false);
  });
});

describe('an answer that the logs part', () => {
  /** The master's log has only two of the records of epoch 1. */
  const ends: MessageOf<'diverged'> = { type: 'diverged', ...NEXT, endEpoch: 1, endReign: 'r1', endIndex: 2 };
  const receive = (node: PartsHarness, said: Partial<MessageOf<'diverged'>> = {}) =>
    node.do((replication, out) => replication.diverged(0, { ...ends, ...said }, out));

  test('cuts what the master lacks, and the next fetch asks from there at once', () => {
    const node = uncheckedNode(2);
    node.do((replication, out) => replication.repair(0, 0, out));
    expect(told(receive(node))).toEqual(['log.truncated', 'truncate', 'visible']);
    const fetches = sentIn(
      node.do((replication, out) => replication.repair(0, 0, out)),
      'fetch',
    );
    expect(fetches).toMatchObject([{ from: 3, lastEpoch: 1, lastReign: 'r1' }]);
  });

  test('is refused when it would cut a committed record: the node appends no more', () => {
    const node = uncheckedNode(3);
    expect(told(receive(node))).toEqual(
      expect.arrayContaining(['log.master-lacks-committed', 'stopConsuming', 'log.differs']),
    );
    expect([node.view.status, node.view.outline.lastIndex]).toEqual(['differs', LENGTH]);
  });

  test.each<[what: string, node: PartsHarness, said: Partial<MessageOf<'diverged'>>]>([
    ['of another epoch', uncheckedNode(), SENDER],
    ['to a node whose log is checked', follower(), SENDER],
    ['that names the own end', uncheckedNode(), { endIndex: LENGTH }],
  ])('changes nothing: %s', (_, node, said) => {
    expect([receive(node, said), node.view.outline.lastIndex]).toEqual([[], LENGTH]);
  });

  test('changes nothing before the promise is durable', () => {
    const node = follower();
    node.promise();
    expect([receive(node), node.view.outline.lastIndex]).toEqual([[], LENGTH]);
  });

  test('narrows the search of a node that differs, and cuts nothing', () => {
    const node = uncheckedNode();
    node.differ();
    expect(told(receive(node))).toEqual(['lookUpChecksum', 'fetch']);
    expect(node.view.outline.lastIndex).toBe(LENGTH);
  });
});
