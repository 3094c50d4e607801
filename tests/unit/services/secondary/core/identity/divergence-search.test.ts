import fc from 'fast-check';
import { DivergenceSearch } from '#secondary/core/identity/divergence-search';

/**
 * Runs the search on two logs that part at `first`; returns what it found and how often it asked.
 */
function search(known: number, first: number, order: readonly boolean[]): { found: number | null; asked: number } {
  const looking = new DivergenceSearch(known);
  let asked = 0;
  for (let index = looking.asking; index !== null; index = looking.asking) {
    asked += 1;
    if (asked > 64) throw new Error(`it does not end: ${known}, ${first}`);
    const theirs = () => looking.recordTheirs(index, index >= first ? 2 : 1);
    const ours = () => looking.recordOurs(index, 1);
    if (order[asked % order.length] === true) {
      theirs();
      ours();
    } else {
      ours();
      theirs();
    }
  }
  return { found: looking.found, asked };
}

test('it finds the first record that differs, as a look at each would, in about log2 questions', () => {
  const places = fc.integer({ min: 1, max: 100_000 }).chain((known) =>
    fc.record({
      known: fc.constant(known),
      first: fc.integer({ min: 1, max: known }),
      order: fc.array(fc.boolean(), { minLength: 1 }),
    }),
  );
  fc.assert(
    fc.property(places, ({ known, first, order }) => {
      const { found, asked } = search(known, first, order);
      expect(found).toBe(first);
      expect(asked).toBeLessThanOrEqual(Math.ceil(Math.log2(known)) + 1);
    }),
  );
});

test('records that the master does not have are different, whatever was asked', () => {
  const looking = new DivergenceSearch(100);
  looking.recordMissing(11);
  expect(looking.asking).toBe(5);
  looking.recordMissing(60);
  expect(looking.asking).toBe(5);
  looking.recordTheirs(5, 1);
  looking.recordOurs(5, 1);
  expect(looking.asking).toBe(8);
});

test('a record that was equal stays so when another master lacks it: the one after it differs', () => {
  const looking = new DivergenceSearch(8);
  looking.recordTheirs(4, 1);
  looking.recordOurs(4, 1);
  looking.recordMissing(2);
  expect(looking.found).toBe(5);
});

test('an answer to another question teaches nothing', () => {
  const looking = new DivergenceSearch(100);
  looking.recordOurs(3, 1);
  looking.recordTheirs(3, 1);
  expect(looking.asking).toBe(50);
  expect(looking.needsOurs).toBe(true);
});
