import { ForeignNodes } from '#master/core/election/foreign-nodes';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';

const KEPT_MS = 60_000;
const R = { epoch: 3, reign: 'r3' };

function beat(node: string, log: string, applied = 0): MessageOf<'heartbeat'> {
  return { type: 'heartbeat', ...R, log, node, store: 'A', index: 9, applied, buffered: 0, httpUrl: '' };
}

const leave = (node: string, log: string): MessageOf<'leave'> => ({ type: 'leave', ...R, log, node });

test('a node is news when it is met first, and when it holds another log than before', () => {
  const foreign = new ForeignNodes();
  expect(foreign.record(0, beat('s1', 'r9'))).toBe(true);
  expect(foreign.record(1, beat('s1', 'r9'))).toBe(false);
  expect(foreign.record(2, beat('s1', 'r8'))).toBe(true);
  expect(foreign.all(2)).toEqual([{ id: 's1', log: 'r8', lastSeq: 0 }]);
});

const end = { lastIndex: 9, lastEpoch: 2, lastReign: 'r2', lastLog: 'r9', lastSeq: 7 };
const at = { ...R, log: 'r9', node: 's1', store: 'A' };
test.each<[string, WireMessage & { readonly node: string }]>([
  ['vote', { type: 'vote', ...at, ...end, granted: false, claimed: 3, storeKind: 'disk', voters: [] }],
  ['join', { type: 'join', ...at, ...end, storeKind: 'disk', httpUrl: '' }],
  ['heartbeat', beat('s1', 'r9', 7)],
  ['ack', { type: 'ack', ...at, index: 9, applied: 7 }],
])('the entries that it holds are known by its %s, and stay known by what does not say so', (_, message) => {
  const foreign = new ForeignNodes();
  foreign.record(0, message);
  foreign.record(1, leave('s1', 'r9'));
  expect(foreign.all(1)).toEqual([{ id: 's1', log: 'r9', lastSeq: 7 }]);
});

test('of one that never said so no entry is known', () => {
  const foreign = new ForeignNodes();
  foreign.record(0, leave('s1', 'r9'));
  expect(foreign.all(0)).toEqual([{ id: 's1', log: 'r9', lastSeq: 0 }]);
});

test('a node that is heard in this log, or blank, is foreign no more; the others still are', () => {
  const foreign = new ForeignNodes();
  foreign.record(0, beat('s1', 'r9'));
  foreign.record(0, beat('s2', 'r9'));
  foreign.forget('s1');
  foreign.forget('never-heard');
  expect(foreign.all(0).map(({ id }) => id)).toEqual(['s2']);
  expect(foreign.record(1, beat('s1', 'r9'))).toBe(true);
});

test('a node that is not heard any more is forgotten after a while, longer than one takes to look again', () => {
  const foreign = new ForeignNodes();
  foreign.record(0, beat('s1', 'r9'));
  foreign.record(1_000, beat('s2', 'r9'));
  expect(foreign.all(KEPT_MS).map(({ id }) => id)).toEqual(['s1', 's2']);
  expect(foreign.all(KEPT_MS + 1).map(({ id }) => id)).toEqual(['s2']);
  expect(foreign.record(KEPT_MS + 2, beat('s1', 'r9'))).toBe(true);
});

test('however many names come, a bounded number is kept, the latest', () => {
  const foreign = new ForeignNodes();
  foreign.record(0, beat('first', 'r9'));
  for (let name = 0; name < 1_023; name += 1) foreign.record(0, beat(`s${name}`, 'r9'));
  foreign.record(0, beat('first', 'r9'));
  foreign.record(0, beat('last', 'r9'));
  const ids = foreign.all(0).map(({ id }) => id);
  expect([ids.length, ids[0], ids.at(-2), ids.at(-1)]).toEqual([1_024, 's1', 'first', 'last']);
});
