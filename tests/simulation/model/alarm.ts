/**
 * Looks for a planted bug as `npm test` and docs/proof.md do: the same seeds, until one breaks a
 * rule.
 */

import type { ProfileWish } from '../nemesis/profile';
import type { PlantedBug } from '../planted/bugs';
import { type Failure, simulate } from '../simulation';

export const FIRST_SEED = 50_000;

interface Found {
  /** Number of seeds that it took. */
  readonly seeds: number;
  readonly failure: Failure;
}

/** The runs that a bug is looked for in. */
export function wishOf({ schedule, wild }: PlantedBug): ProfileWish {
  return { ...(schedule === undefined ? {} : { schedule }), ...(wild === undefined ? {} : { wild }) };
}

/** Null: not within the bug's own bound. */
export function findBug(bug: PlantedBug): Found | null {
  const uproot = bug.plant?.() ?? (() => undefined);
  const wish = wishOf(bug);
  const cores = bug.cores === undefined ? {} : { cores: bug.cores };
  try {
    for (let at = 0; at < bug.seeds; at += 1) {
      const { failure } = simulate({ seed: FIRST_SEED + at, ...wish, ...cores });
      if (failure !== null) return { seeds: at + 1, failure };
    }
  } finally {
    uproot();
  }
  return null;
}
