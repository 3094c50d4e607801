import { entryOf } from '#protocol/record';
import type { WriteConcern } from '#protocol/write-concern';
import { REIGN, SELF, Throne, throneOfThree } from './throne';

describe('the beginning', () => {
  test('the first reign ever begins with its own record and a list of this master alone', () => {
    const throne = new Throne(['s1', 's2']);
    throne.begin();
    expect(throne.stored.map(({ control }) => control)).toEqual([
      { control: 'epoch', reign: REIGN, ...SELF },
      { control: 'members', voters: [SELF], members: ['s1', 's2'] },
    ]);
    expect(throne.reign.open).toBe(true);
    expect(throne.reign.nodes).toBe(3);
  });

  test('no append is taken before the first record is durable', () => {
    const throne = new Throne([]);
    throne.do((out) => throne.reign.begin([], out));
    expect(throne.reign.open).toBe(false);
    throne.store();
    expect(throne.reign.open).toBe(true);
  });

  test('a later reign is open when a majority of the voters holds its first record', () => {
    const throne = throneOfThree();
    throne.succeed(2);
    throne.begin();
    expect(throne.reign.open).toBe(false);
    throne.ack('s2');
    expect(throne.reign.open).toBe(true);
    expect(throne.reign.commitIndex).toBe(throne.log.outline.lastIndex);
  });

  test('to begin again changes nothing, unless the first record was lost with a failed write', () => {
    const throne = new Throne([]);
    throne.do((out) => throne.reign.begin([], out));
    throne.do((out) => throne.reign.begin([], out));
    expect(throne.log.outline.lastIndex).toBe(2);
    throne.log.dropUnstored();

    throne.do((out) => throne.reign.begin([], out));
    throne.store();
    expect(throne.reign.open).toBe(true);
    expect(throne.stored).toHaveLength(2);
  });
});

describe('commit', () => {
  test('a record of an older epoch is committed by one of this epoch, and not by a count (Raft, figure 8)', () => {
    const throne = throneOfThree();
    throne.append('of the first epoch', 1);
    throne.store();
    const { commitIndex } = throne.reign;
    throne.succeed(2);
    throne.do((out) => throne.reign.begin(throne.members, out));
    throne.ack('s1', commitIndex + 1);
    throne.ack('s2', commitIndex + 1);
    expect(throne.reign.commitIndex).toBe(commitIndex);
    throne.store();
    throne.ack('s1', commitIndex + 2);
    expect(throne.reign.commitIndex).toBe(commitIndex + 2);
  });

  test('an ack of a store that is no voter does not commit', () => {
    const throne = throneOfThree();
    throne.tracker.recordJoin({ node: 's1', store: 'new' });
    throne.append('text', 1);
    throne.store();
    const { commitIndex } = throne.reign;
    throne.ack('s1', undefined, 'new');
    expect(throne.reign.commitIndex).toBe(commitIndex);
    throne.ack('s2');
    expect(throne.reign.commitIndex).toBe(commitIndex + 1);
  });

  test('it never goes beyond what is durable here, whoever else holds more', () => {
    const throne = throneOfThree();
    throne.append('text', 1);
    const { commitIndex } = throne.reign;
    throne.ack('s1');
    throne.ack('s2');
    expect(throne.reign.commitIndex).toBe(commitIndex);
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
    const throne = throneOfThree();
    const request = throne.append('text', writeConcern);
    const outcomes: (string | null)[] = [];
    throne.store();
    for (const node of ['s1', 's2']) {
      outcomes.push(throne.outcomeOf(request));
      throne.ack(node);
    }
    outcomes.push(throne.outcomeOf(request));
    expect(outcomes).toEqual([0, 1, 2].map((count) => (count >= acks ? 'acknowledged' : null)));
  });

  test('acks alone do not answer: the entry must be durable here', () => {
    const throne = throneOfThree();
    const requests = [throne.append('a', 1), throne.append('b', 'all')];
    throne.ack('s1');
    throne.ack('s2');
    expect(requests.map((request) => throne.outcomeOf(request))).toEqual([null, null]);
    throne.store();
    throne.do((out) => throne.reign.advance(out));
    expect(requests.map((request) => throne.outcomeOf(request))).toEqual(['acknowledged', 'acknowledged']);
  });

  test('a lost ack is mended by the next one, and nobody is answered twice', () => {
    const throne = throneOfThree();
    const first = throne.append('a', 'all');
    const second = throne.append('b', 'all');
    throne.store();
    throne.ack('s1', throne.log.outline.lastIndex - 1);
    throne.ack('s2');
    expect([throne.outcomeOf(first), throne.outcomeOf(second)]).toEqual(['acknowledged', null]);
    throne.ack('s1');
    throne.ack('s1');
    expect(throne.outcomeOf(second)).toBe('acknowledged');
  });

  test('with w of a majority or more it must be committed, too: members that are no voters do not make it safe', () => {
    const throne = throneOfThree();
    for (const node of throne.members) throne.tracker.recordJoin({ node, store: 'new' });
    const request = throne.append('text', 2);
    throne.store();
    throne.ack('s1', undefined, 'new');
    expect(throne.outcomeOf(request)).toBeNull();
  });

  test('whoever is met by one ack is answered in the order of the entries', () => {
    const throne = throneOfThree();
    const requests = [throne.append('a', 'all'), throne.append('b', 2), throne.append('c', 3)];
    throne.store();
    throne.ack('s1', throne.log.outline.lastIndex);
    throne.ack('s2', throne.log.outline.lastIndex);
    expect([...throne.answers.keys()]).toEqual([requests[1], requests[0], requests[2]]);
  });

  test('one names who holds the entry', () => {
    const throne = throneOfThree();
    const request = throne.append('text', 2);
    throne.store();
    throne.ack('s2');
    expect(throne.answers.get(request)).toMatchObject({
      outcome: 'acknowledged',
      seq: 1,
      w: 2,
      acks: ['master', 's2'],
    });
  });

  test('the same entry is waited for again, with a concern of its own', () => {
    const throne = throneOfThree();
    throne.append('text', 1);
    throne.store();
    const again = throne.await(1, 'all');
    expect(throne.outcomeOf(again ?? 0)).toBeNull();
    throne.ack('s1');
    throne.ack('s2');
    expect(throne.outcomeOf(again ?? 0)).toBe('acknowledged');
    expect(throne.await(2, 1)).toBeNull();
  });
});

describe('a client that gives up', () => {
  test('is told that the entry is stored, once it is', () => {
    const throne = throneOfThree();
    const request = throne.append('text', 3);
    throne.do((out) => throne.reign.timeOut(request, out));
    expect(throne.outcomeOf(request)).toBeNull();
    throne.store();
    expect(throne.answers.get(request)).toMatchObject({ problem: 'write-concern-timeout', stored: true, seq: 1 });
    throne.ack('s1');
    throne.ack('s2');
    expect(throne.answers.size).toBe(1);
  });

  test('is acknowledged all the same when its concern is met before the timeout could be told', () => {
    const throne = throneOfThree();
    const request = throne.append('text', 1);
    throne.do((out) => throne.reign.timeOut(request, out));
    throne.store();
    expect(throne.outcomeOf(request)).toBe('acknowledged');
  });

  test('and is gone gets no answer, while its entry stays', () => {
    const throne = throneOfThree();
    const request = throne.append('text', 1);
    throne.reign.forget(request);
    throne.store();
    expect(throne.outcomeOf(request)).toBeNull();
    expect(throne.log.outline.lastSeq).toBe(1);
  });
});

test('at the end of a reign everyone who waits hears that it is not known whether the entry stays', () => {
  const throne = throneOfThree();
  const requests = [throne.append('durable', 3), throne.append('not yet', 1)];
  throne.do((out) => throne.reign.end('deposed', out));
  for (const request of requests)
    expect(throne.answers.get(request)).toMatchObject({ problem: 'deposed', stored: 'unknown' });
  throne.store();
  throne.ack('s1');
  throne.ack('s2');
  expect(throne.answers.size).toBe(2);
});

test('a failed write takes out exactly those who waited for what was lost', () => {
  const throne = throneOfThree();
  const kept = throne.append('kept', 3);
  throne.store();
  const lost = throne.append('lost', 1);
  const durable = throne.log.durableIndex;
  throne.log.dropUnstored();
  expect(throne.reign.dropAfter(durable).map(({ request }) => request)).toEqual([lost]);
  throne.append('next', 1);
  throne.store();
  throne.ack('s1');
  throne.ack('s2');
  expect(throne.outcomeOf(kept)).toBe('acknowledged');
  const messages = throne.stored.filter(({ control }) => control === null).map(({ bytes }) => entryOf(bytes));
  expect(messages.map(({ seq, message }) => [seq, message])).toEqual([
    [1, 'kept'],
    [2, 'next'],
  ]);
});

test('nothing is published before it is durable', () => {
  const throne = throneOfThree();
  throne.append('text', 1);
  expect(throne.published()).toEqual([]);
  throne.store();
  expect(throne.published()).toEqual([throne.log.outline.lastIndex]);
});

test('a batch says what it follows, so that a hole is seen', () => {
  const throne = throneOfThree();
  throne.succeed(4);
  throne.begin();
  throne.append('text', 1);
  throne.store();
  const { lastIndex } = throne.log.outline;
  expect(throne.reign.header(lastIndex - 1)).toMatchObject({
    epoch: 4,
    reign: REIGN,
    prevIndex: lastIndex - 1,
    prevEpoch: 4,
  });
  expect(throne.reign.header(lastIndex - 2)).toMatchObject({ prevIndex: lastIndex - 2, prevEpoch: 1 });
});
