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

test('a record that the master does not have is different', () => {
  const looking = new DivergenceSearch(4);
  looking.recordTheirs(2, null);
  expect(looking.asking).toBe(1);
});

test('an answer to another question teaches nothing', () => {
  const looking = new DivergenceSearch(100);
  looking.recordOurs(3, 1);
  looking.recordTheirs(3, 1);
  expect(looking.asking).toBe(50);
  expect(looking.needsOurs).toBe(true);
});
