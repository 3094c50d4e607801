/**
 * The border of a log's life, searched: births, losses, returns, forces. Every search finds the
 * documented exceptions and nothing else. MODEL_DEEPER=2 goes two steps further in each of them.
 */
import { describeFinding, runSearch } from './run';
import { SEARCHES } from './searches';

const deeper = Number(process.env.MODEL_DEEPER ?? 0);

test.each(SEARCHES.map((search) => [search.name, search] as const))(
  '%s',
  (name, search) => {
    const { states, depth, findings } = runSearch(search, deeper);
    process.stdout.write(`${name}: ${states} states, ${depth} steps deep\n`);
    expect(findings.map(describeFinding).sort()).toEqual([...search.finds].sort());
  },
  600_000,
);
