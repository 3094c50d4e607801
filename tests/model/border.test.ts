/**
 * The border of a log's life, searched: births, losses, returns, forces. Every search finds the documented exceptions and nothing else.
 * MODEL_DEEPER=2 goes two steps further in each of them.
 */
import { describeFinding, runSearch } from './run';
import { LOST_IN_TAKEOVER, LOST_TWICE, SEARCHES } from './searches';

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

// Known faults, shown as such: when the rule is mended these tests fail, and belong into the table.
test.failing.each([LOST_TWICE, LOST_IN_TAKEOVER].map((search) => [search.name, search] as const))(
  '%s does not stop the log for good',
  (_name, search) => {
    expect(runSearch(search, 0).findings.map(describeFinding)).toEqual([]);
  },
  60_000,
);
