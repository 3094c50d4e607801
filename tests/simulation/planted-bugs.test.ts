/** The alarm works: every planted bug is found within the number of seeds that it states, and the real cores pass the same seeds. */
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs';
import { simulate } from './simulation';

const FIRST_SEED = 50_000;

/** The number of seeds that it took, and what was found; null: nothing. */
function find(bug: PlantedBug): { readonly seeds: number; readonly what: string } | null {
  const uproot = bug.plant?.() ?? (() => undefined);
  const wish = bug.schedule === undefined ? {} : { schedule: bug.schedule };
  const cores = bug.cores === undefined ? {} : { cores: bug.cores };
  try {
    for (let at = 0; at < bug.seeds; at += 1) {
      const { failure } = simulate({ seed: FIRST_SEED + at, ...wish, ...cores });
      if (failure !== null) return { seeds: at + 1, what: failure.what };
    }
  } finally {
    uproot();
  }
  return null;
}

test.each(PLANTED_BUGS.map((bug) => [bug.name, bug.seeds, bug] as const))(
  '%s is found within %i seeds',
  (_name, _seeds, bug) => {
    const found = find(bug);
    expect(found).not.toBeNull();
    const wish = bug.schedule === undefined ? {} : { schedule: bug.schedule };
    expect(simulate({ seed: FIRST_SEED + (found?.seeds ?? 0) - 1, ...wish }).failure).toBeNull();
  },
  120_000,
);
