/**
 * The alarm works: every planted bug is found within the number of seeds that it states, and the
 * real cores pass the same seed.
 */
import { FIRST_SEED, findBug, wishOf } from '../model/alarm';
import { simulate } from '../simulation';
import { PLANTED_BUGS } from './bugs';

test.each(PLANTED_BUGS.map((bug) => [bug.name, bug.seeds, bug] as const))(
  '%s is found within %i seeds',
  (_name, _seeds, bug) => {
    const found = findBug(bug);
    expect(found).not.toBeNull();
    expect(simulate({ seed: FIRST_SEED + (found?.seeds ?? 0) - 1, ...wishOf(bug) }).failure).toBeNull();
  },
  300_000,
);
