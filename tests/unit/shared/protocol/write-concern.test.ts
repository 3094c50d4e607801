import fc from 'fast-check';
import { majority, nodeCount, parseWriteConcern, requiredAcks } from '#protocol/write-concern';

test('the master is a node, too', () => {
  expect(nodeCount(0)).toBe(1);
  expect(nodeCount(2)).toBe(3);
});

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [100, 51],
])('of %i nodes the majority is %i', (n, m) => {
  expect(majority(n)).toBe(m);
  expect(requiredAcks('majority', n)).toBe(m);
  expect(requiredAcks('all', n)).toBe(n);
});

test('a number asks for itself, though it be more than there are nodes', () => {
  expect(requiredAcks(2, 3)).toBe(2);
  expect(requiredAcks(4, 3)).toBe(4);
});

test.each([
  ['1', 1],
  ['12', 12],
  ['999999999', 999_999_999],
  ['majority', 'majority'],
  ['all', 'all'],
])('%s is a write concern', (text, writeConcern) => {
  expect(parseWriteConcern(text)).toBe(writeConcern);
});

const NONE = [
  '',
  '0',
  '-1',
  '01',
  '1.5',
  '1e3',
  ' 1',
  '1 ',
  '+1',
  '0x1',
  'All',
  'quorum',
  'NaN',
  '9999999999',
  '١',
  '1\n',
];
test.each(NONE)('%j is none', (text) => {
  expect(parseWriteConcern(text)).toBeNull();
});

test('two majorities share a node, and one node less would not do', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), (n) => {
      expect(2 * majority(n)).toBeGreaterThan(n);
      expect(2 * (majority(n) - 1)).toBeLessThanOrEqual(n);
    }),
  );
});
