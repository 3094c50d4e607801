/**
 * Breadth-first search over all states, so that the history of whatever is found is a shortest one.
 * A state in which a rule is broken is not gone on from. Of each rule the findings are kept whose
 * circumstances no other finding of it undercuts.
 */
import { Cluster } from './cluster';
import { type Broken, broken, brokenBy, type Circumstance } from './invariants';
import { REAL_RULES, type Rules } from './rules';
import type { Setup } from './setups';
import { Encoder, FLAGS, type State } from './state';
import { recovers, unbounded } from './steps/recovery';

export interface Finding extends Broken {
  readonly history: readonly string[];
}

export interface SearchResult {
  readonly states: number;
  readonly steps: number;
  readonly depth: number;
  /** Every state within the bounds of the setup was seen. */
  readonly isComplete: boolean;
  readonly findings: readonly Finding[];
}

interface SearchOptions {
  readonly setup: Setup;
  readonly rules?: Rules;
  readonly depth: number;
  readonly statesMax?: number;
  readonly checksRecovery?: boolean;
  /** Anything may be lost: only what a node may never do is checked. */
  readonly isExcused?: boolean;
  /** Findings under one of these circumstances are not looked for, nor is anything behind them. */
  readonly without?: readonly Circumstance[];
  readonly from: State;
  /** Stops at the first finding that is true of. */
  readonly until?: (finding: Broken) => boolean;
}

interface Visit {
  readonly state: State;
  readonly what: string;
  readonly before: Visit | null;
}

export function search({ setup, rules = REAL_RULES, depth, ...options }: SearchOptions): SearchResult {
  const cluster = new Cluster(setup, rules);
  const helped = unbounded(cluster);
  const encoder = new Encoder(cluster.names, cluster.masters);
  const start = options.from;
  const seen = new Set([encoder.key(start)]);
  const findings = new Map<Broken['rule'], Finding[]>();
  let border: Visit[] = [{ state: start, what: '', before: null }];
  const recovered = new Map<string, boolean>();
  const goesOn = (state: State): boolean => {
    const asleep = { ...state, flags: 0, lost: 0, losses: 0, entries: 0, grownUp: [], shelf: null };
    const key = encoder.key({ ...asleep, nodes: state.nodes.map((each) => ({ ...each, reign: null })) });
    const known = recovered.get(key) ?? recovers(helped, state);
    recovered.set(key, known);
    return known;
  };
  const leftOut = (options.without ?? []).reduce((mask, each) => (each === 'young' ? mask : mask | FLAGS[each]), 0);
  let steps = 0;
  let level = 0;
  const result = (isComplete: boolean): SearchResult => ({
    states: seen.size,
    steps,
    depth: level,
    isComplete,
    findings: [...findings.values()].flat(),
  });
  const note = (problem: Broken, visit: Visit): boolean => {
    if (options.without?.some((each) => problem.circumstances.includes(each))) return false;
    const known = findings.get(problem.rule) ?? [];
    if (known.some(({ circumstances }) => circumstances.every((each) => problem.circumstances.includes(each))))
      return false;
    const history = historyOf(visit);
    const rest = known.filter(
      ({ circumstances }) => !problem.circumstances.every((each) => circumstances.includes(each)),
    );
    findings.set(problem.rule, [...rest, { ...problem, history }]);
    return options.until?.(problem) === true;
  };
  for (; level < depth && border.length > 0; level += 1) {
    const next: Visit[] = [];
    for (const visit of border) {
      for (const step of cluster.successors(visit.state)) {
        steps += 1;
        const key = encoder.key(step.state);
        const problem = brokenBy(visit.state, step, cluster.majority, options.isExcused);
        const reached = { state: step.state, what: step.what, before: visit };
        if (problem !== null) {
          if (note(problem, reached)) return result(false);
          continue;
        }
        if (seen.has(key)) continue;
        seen.add(key);
        if ((step.state.flags & leftOut) !== 0) continue;
        if (options.checksRecovery && (step.state.flags & FLAGS.majorityLost) === 0 && !goesOn(step.state)) {
          if (
            note(
              broken('stuck', step.state, null, 'no master can come to reign with all that was acknowledged'),
              reached,
            )
          )
            return result(false);
        }
        next.push(reached);
      }
      if (seen.size > (options.statesMax ?? Number.POSITIVE_INFINITY)) return result(false);
    }
    border = next;
  }
  return result(border.length === 0);
}

function historyOf(visit: Visit): string[] {
  const history: string[] = [];
  for (let at: Visit | null = visit; at !== null; at = at.before) if (at.what !== '') history.push(at.what);
  return history.reverse();
}
