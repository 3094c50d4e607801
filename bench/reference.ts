/**
 * Finds what the ratios of a run are compared with: a saved run; or, with `--baseline`, the saved
 * baseline of this machine's CPU; or, where it has none, the former build, which is then measured
 * beside this one, since a ratio of another CPU says nothing here.
 */
import { readFileSync } from 'node:fs';
import { buildFormer, FormerBuildError } from './former-build';
import type { Options } from './options';
import { type Baselines, cpuOf } from './report/baselines';
import { describeMachine, type Run } from './report/report';

/** `what`: a sentence for the report; '' for a run that the user has named, or for none. */
export type Reference = { readonly what: string } & (
  | { readonly kind: 'run'; readonly run: Run }
  /** `dist`: the other compiled product. */
  | { readonly kind: 'build'; readonly dist: string }
  | { readonly kind: 'none' }
);

/**
 * @param root of the checkout
 * @param scratch a folder for the former build, which the caller deletes
 */
export async function referenceOf(
  { compare, baseline }: Pick<Options, 'compare' | 'baseline'>,
  { root, scratch }: { readonly root: string; readonly scratch: string },
  say: (text: string) => void,
): Promise<Reference> {
  if (compare !== null) return { kind: 'run', what: '', run: JSON.parse(readFileSync(compare, 'utf8')) as Run };
  if (baseline === null) return { kind: 'none', what: '' };
  const cpu = cpuOf(describeMachine());
  const run = (JSON.parse(readFileSync(baseline, 'utf8')) as Baselines)[cpu];
  if (run !== undefined)
    return { kind: 'run', what: `Compared with the baseline of ${cpu}, ${run.at.slice(0, 10)}.`, run };
  say(`${baseline} has no baseline of ${cpu}: builds the former product, to measure it too …`);
  try {
    const { commit, dist } = await buildFormer(root, scratch);
    return { kind: 'build', dist, what: `Compared with the build of ${commit}, measured in the same run.` };
  } catch (error) {
    if (!(error instanceof FormerBuildError)) throw error;
    return {
      kind: 'none',
      what: `NOT COMPARED with anything: there is no baseline of ${cpu}, and no former build: ${error.message}.`,
    };
  }
}
