import { entryOf } from '#protocol/record';
import type { WriteConcern } from '#protocol/write-concern';
import { REIGN, ReignHarness, reignOfThree, SELF } from '../reign-harness';

describe('the beginning', () => {
  test('the first reign ever begins with its own record and a list of this master alone', () => {
    const harness = new ReignHarness(['s1', 's2']);
    harness.begin();
    expect(harness.stored.map(({ control }) => control)).toEqual([
      { control: 'epoch', reign: REIGN, ...SELF },
      { control: 'members', voters: [SELF], members: ['s1', 's2'] },
    ]);
    expect(harness.reign.open).toBe(true);
    expect(harness.reign.nodes).toBe(3);
  });

  test('no append is taken before the first record is durable', () => {
    const harness = new ReignHarness([]);
    harness.do((out) => harness.reign.begin([], out));
    expect(harness.reign.open).toBe(false);
    harness.store();
    expect(harness.reign.open).toBe(true);
  });

  test('a later reign is open when a majority of the voters holds its first record', () => {
    const harness = reignOfThree();
    harness.succeed(2);
    harness.begin();
    expect(harness.reign.open).toBe(false);
    harness.ack('s2');
    expect(harness.reign.open).toBe(true);
    expect(harness.reign.commitIndex).toBe(harness.log.outline.lastIndex);
  });

  test('to begin again changes nothing, unless the first record was lost with a failed write', () => {
    const harness = new ReignHarness([]);
    harness.do((out) => harness.reign.begin([], out));
    harness.do((out) => harness.reign.begin([], out));
    expect(harness.log.outline.lastIndex).toBe(2);
    harness.log.dropUnstored();

    harness.do((out) => harness.reign.begin([], out));
    harness.store();
    expect(harness.reign.open).toBe(true);
    expect(harness.stored).toHaveLength(2);
  });
});

describe('commit', () => {
  test('a record of an older epoch is committed by one of this epoch, and not by a count (Raft, figure 8)', () => {
    const harness = reignOfThree();
    harness.append('of the first epoch', 1);
    harness.store();
    const { commitIndex } = harness.reign;
    harness.succeed(2);
    harness.do((out) => harness.reign.begin(harness.members, out));
    harness.ack('s1', commitIndex + 1);
    harness.ack('s2', commitIndex + 1);
    expect(harness.reign.commitIndex).toBe(commitIndex);
    harness.store();
    harness.ack('s1', commitIndex + 2);
    expect(harness.reign.commitIndex).toBe(commitIndex + 2);
  });

  test('an ack of a store that is no voter does not commit', () => {
    const harness = reignOfThree();
    harness.tracker.recordJoin({ node: 's1', store: 'new' });
    harness.append('text', 1);
    harness.store();
    const { commitIndex } = harness.reign;
    harness.ack('s1', undefined, 'new');
    expect(harness.reign.commitIndex).toBe(commitIndex);
    harness.ack('s2');
    expect(harness.reign.commitIndex).toBe(commitIndex + 1);
  });

  test('it never goes beyond what is durable here, whoever else holds more', () => {
    const harness = reignOfThree();
    harness.append('text', 1);
    const { commitIndex } = harness.reign;
    harness.ack('s1');
    harness.ack('s2');
    expect(harness.reign.commitIndex).toBe(commitIndex);
  });
});

describe('answers', () => {
  test.each<[WriteConcern, number]>([
    [1, 0],
    [2, 1],
    ['majority', 1],
    [3, 2],
    ['all', 2],
  ])('w=%s waits for this master and %i acks', (writeConcern, acks) => {
    const harness = reignOfThree();
    const request = harness.append('text', writeConcern);
    const outcomes: (string | null)[] = [];
    harness.store();
    for (const node of ['s1', 's2']) {
      outcomes.push(harness.outcomeOf(request));
      harness.ack(node);
    }
    outcomes.push(harness.outcomeOf(request));
    expect(outcomes).toEqual([0, 1, 2].map((count) => (count >= acks ? 'acknowledged' : null)));
  });

  test('acks alone do not answer: the entry must be durable here', () => {
    const harness = reignOfThree();
    const requests = [harness.append('a', 1), harness.append('b', 'all')];
    harness.ack('s1');
    harness.ack('s2');
    expect(requests.map((request) => harness.outcomeOf(request))).toEqual([null, null]);
    harness.store();
    harness.do((out) => harness.reign.advance(out));
    expect(requests.map((request) => harness.outcomeOf(request))).toEqual(['acknowledged', 'acknowledged']);
  });

  test('a lost ack is mended by the next one, and nobody is answered twice', () => {
    const harness = reignOfThree();
    const first = harness.append('a', 'all');
    const second = harness.append('b', 'all');
    harness.store();
    harness.ack('s1', harness.log.outline.lastIndex - 1);
    harness.ack('s2');
    expect([harness.outcomeOf(first), harness.outcomeOf(second)]).toEqual(['acknowledged', null]);
    harness.ack('s1');
    harness.ack('s1');
    expect(harness.outcomeOf(second)).toBe('acknowledged');
  });

  test('with w of a majority or more it must be committed, too: members that are no voters do not make it safe', () => {
    const harness = reignOfThree();
    for (const node of harness.members) harness.tracker.recordJoin({ node, store: 'new' });
    const request = harness.append('text', 2);
    harness.store();
    harness.ack('s1', undefined, 'new');
    expect(harness.outcomeOf(request)).toBeNull();
  });

  test('whoever is met by one ack is answered in the order of the entries', () => {
    const harness = reignOfThree();
    const requests = [harness.append('a', 'all'), harness.append('b', 2), harness.append('c', 3)];
    harness.store();
    harness.ack('s1', harness.log.outline.lastIndex);
    harness.ack('s2', harness.log.outline.lastIndex);
    expect([...harness.answers.keys()]).toEqual([requests[1], requests[0], requests[2]]);
  });

  test('one names who holds the entry', () => {
    const harness = reignOfThree();
    const request = harness.append('text', 2);
    harness.store();
    harness.ack('s2');
    expect(harness.answers.get(request)).toMatchObject({
      outcome: 'acknowledged',
      seq: 1,
      w: 2,
      acks: ['master', 's2'],
    });
  });

  test('the same entry is waited for again, with a concern of its own', () => {
    const harness = reignOfThree();
    harness.append('text', 1);
    harness.store();
    const again = harness.await(1, 'all');
    expect(harness.outcomeOf(again ?? 0)).toBeNull();
    harness.ack('s1');
    harness.ack('s2');
    expect(harness.outcomeOf(again ?? 0)).toBe('acknowledged');
    expect(harness.await(2, 1)).toBeNull();
  });
});

describe('a client that gives up', () => {
  test('is told that the entry is stored, once it is', () => {
    const harness = reignOfThree();
    const request = harness.append('text', 3);
    harness.do((out) => harness.reign.timeOut(request, out));
    expect(harness.outcomeOf(request)).toBeNull();
    harness.store();
    expect(harness.answers.get(request)).toMatchObject({ problem: 'write-concern-timeout', stored: true, seq: 1 });
    harness.ack('s1');
    harness.ack('s2');
    expect(harness.answers.size).toBe(1);
  });

  test('is acknowledged all the same when its concern is met before the timeout could be told', () => {
    const harness = reignOfThree();
    const request = harness.append('text', 1);
    harness.do((out) => harness.reign.timeOut(request, out));
    harness.store();
    expect(harness.outcomeOf(request)).toBe('acknowledged');
  });

  test('and is gone gets no answer, while its entry stays', () => {
    const harness = reignOfThree();
    const request = harness.append('text', 1);
    harness.reign.forget(request);
    harness.store();
    expect(harness.outcomeOf(request)).toBeNull();
    expect(harness.log.outline.lastSeq).toBe(1);
  });
});

test('at the end of a reign everyone who waits hears that it is not known whether the entry stays', () => {
  const harness = reignOfThree();
  const requests = [harness.append('durable', 3), harness.append('not yet', 1)];
  harness.do((out) => harness.reign.end('deposed', out));
  for (const request of requests)
    expect(harness.answers.get(request)).toMatchObject({ problem: 'deposed', stored: 'unknown' });
  harness.store();
  harness.ack('s1');
  harness.ack('s2');
  expect(harness.answers.size).toBe(2);
});

test('a failed write takes out exactly those who waited for what was lost', () => {
  const harness = reignOfThree();
  const kept = harness.append('kept', 3);
  harness.store();
  const lost = harness.append('lost', 1);
  const durable = harness.log.durableIndex;
  harness.log.dropUnstored();
  expect(harness.reign.dropAfter(durable).map(({ request }) => request)).toEqual([lost]);
  harness.append('next', 1);
  harness.store();
  harness.ack('s1');
  harness.ack('s2');
  expect(harness.outcomeOf(kept)).toBe('acknowledged');
  const messages = harness.stored.filter(({ control }) => control === null).map(({ bytes }) => entryOf(bytes));
  expect(messages.map(({ seq, message }) => [seq, message])).toEqual([
    [1, 'kept'],
    [2, 'next'],
  ]);
});

test('nothing is published before it is durable', () => {
  const harness = reignOfThree();
  harness.append('text', 1);
  expect(harness.published()).toEqual([]);
  harness.store();
  expect(harness.published()).toEqual([harness.log.outline.lastIndex]);
});

test('a batch says what it follows, so that a hole is seen', () => {
  const harness = reignOfThree();
  harness.succeed(4);
  harness.begin();
  harness.append('text', 1);
  harness.store();
  const { lastIndex } = harness.log.outline;
  expect(harness.reign.header(lastIndex - 1)).toMatchObject({
    epoch: 4,
    reign: REIGN,
    prevIndex: lastIndex - 1,
    prevEpoch: 4,
  });
  expect(harness.reign.header(lastIndex - 2)).toMatchObject({ prevIndex: lastIndex - 2, prevEpoch: 1 });
});
