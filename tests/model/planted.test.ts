/**
 * The search finds what it is made to find: every planted change of the rules breaks something, and
 * the real rules do not break that.
 */
import { PLANTED_CHANGES } from './planted';
import { search } from './search';
import { startAt } from './steps/starts';

test.each(PLANTED_CHANGES.map((change) => [change.name, change] as const))(
  '%s: found',
  (_name, change) => {
    const { setup, depth, breaks, under } = change;
    const options = {
      setup,
      depth,
      from: startAt(change.start, setup),
      checksRecovery: breaks === 'stuck',
      without: ['majorityLost'] as const,
    };
    const isIt = (finding: { readonly rule: string; readonly circumstances: readonly string[] }) =>
      finding.rule === breaks && finding.circumstances.every((each) => (under as readonly string[]).includes(each));
    const found = search({ ...options, rules: change.rules, until: isIt });
    expect(found.findings.filter(isIt)).toHaveLength(1);
    const real = search({ ...options, depth: found.depth + 1 });
    expect(real.findings.filter(isIt)).toEqual([]);
  },
  60_000,
);
