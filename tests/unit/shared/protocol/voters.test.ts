import fc from 'fast-check';
import type { Voter } from '#protocol/record';
import { includesVoter, isMajority, majorityIndex, sameVoter } from '#protocol/voters';

const voter = (at: number): Voter => ({ node: `n${at}`, store: `disk-${at}` });
const listOf = (size: number): Voter[] => Array.from({ length: size }, (_, at) => voter(at));

test('a voter is a node with its store: the same node with another store is another voter', () => {
  expect(sameVoter(voter(1), { node: 'n1', store: 'disk-1' })).toBe(true);
  expect(sameVoter(voter(1), { node: 'n1', store: 'disk-2' })).toBe(false);
  expect(includesVoter(listOf(3), voter(2))).toBe(true);
  expect(includesVoter(listOf(3), { node: 'n2', store: 'new' })).toBe(false);
});

const sizes: [size: number, majority: number][] = [
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [6, 4],
];
test.each(sizes)('of %i voters %i are a majority and one less is none', (size, majority) => {
  const holdsFirst = (count: number) => isMajority(listOf(size), ({ node }) => Number(node.slice(1)) < count);
  expect(holdsFirst(majority)).toBe(true);
  expect(holdsFirst(majority - 1)).toBe(false);
});

test('an empty list has no majority and holds nothing', () => {
  expect(isMajority([], () => true)).toBe(false);
  expect(majorityIndex([], () => 7)).toBe(0);
});

const subset = fc.array(fc.boolean(), { minLength: 9, maxLength: 9 });

test('any two majorities of lists that differ by one voter share a voter', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 }), subset, subset, (size, inOld, inNew) => {
      const newList = listOf(size + 1);
      const oldList = newList.slice(0, size);
      const holds = (chosen: readonly boolean[]) => (each: Voter) => chosen[Number(each.node.slice(1))] === true;
      fc.pre(isMajority(oldList, holds(inOld)) && isMajority(newList, holds(inNew)));
      expect(oldList.filter((each) => holds(inOld)(each) && holds(inNew)(each))).not.toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('the majority index is the highest that a count finds on a majority', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 7 }), (indexes) => {
      const voters = listOf(indexes.length);
      const indexOf = ({ node }: Voter): number => indexes[Number(node.slice(1))] ?? 0;
      let highest = 0;
      for (let index = 1; index <= 20; index += 1) {
        if (indexes.filter((held) => held >= index).length * 2 > indexes.length) highest = index;
      }
      expect(majorityIndex(voters, indexOf)).toBe(highest);
    }),
  );
});
