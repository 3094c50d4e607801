import { entriesQueueArguments, NAME_PATTERN, QUEUE_TYPES, topologyOf } from '#protocol/topology';

function namesOf(log: string): string[] {
  const topology = topologyOf(log);
  return [
    topology.entriesExchange,
    topology.entriesQueue('s1'),
    topology.repliesQueue,
    topology.controlExchange,
    topology.controlQueue('s1'),
  ];
}

test('every object is named after its log and what it is for', () => {
  expect(namesOf('rlog')).toEqual([
    'rlog.entries',
    'rlog.entries.s1',
    'rlog.replies',
    'rlog.control',
    'rlog.control.s1',
  ]);
});

test('two logs on one broker share no object, nor do the objects of one log share a name', () => {
  const names = [...namesOf('a'), ...namesOf('b')];
  expect(new Set(names).size).toBe(names.length);
});

test('a name cannot hold the dot that separates the parts of a queue name', () => {
  expect(NAME_PATTERN.test('secondary-1_A')).toBe(true);
  for (const name of ['', 'a.b', 'a b', 'a/b', 'ä', 'a\n', 'x'.repeat(65)]) expect(NAME_PATTERN.test(name)).toBe(false);
});

test.each(QUEUE_TYPES)(
  'a %s queue of entries is bounded in bytes, loses the oldest first, and has one consumer',
  (type) => {
    expect(entriesQueueArguments(type, 1_000)).toMatchObject({
      'x-queue-type': type,
      'x-single-active-consumer': true,
      'x-max-length-bytes': 1_000,
      'x-overflow': 'drop-head',
    });
  },
);

test('the delivery limit is a number out of reach: −1 and none at all lose messages on some version', () => {
  expect(entriesQueueArguments('quorum', 1)['x-delivery-limit']).toBeGreaterThanOrEqual(1_000_000_000);
});

test('a classic queue keeps its backlog on disk, and is not told of a delivery limit, which it does not know', () => {
  const told = entriesQueueArguments('classic', 1);
  expect([told['x-queue-version'], told['x-delivery-limit']]).toEqual([2, undefined]);
});
