/** Runs a search as it is named, and puts its findings into words. */
import { type Finding, type SearchResult, search } from './search';
import type { NamedSearch } from './searches';
import { startAt } from './steps/starts';

export function runSearch(
  { setup, start, depth, checksRecovery, isExcused = false }: NamedSearch,
  deeper: number,
): SearchResult {
  return search({
    setup,
    depth: depth + deeper,
    from: startAt(start, setup),
    checksRecovery: checksRecovery ?? false,
    isExcused,
    without: isExcused ? [] : ['majorityLost'],
  });
}

/** The rule and the circumstances. */
export function describeFinding({ rule, circumstances }: Finding): string {
  return `${rule}: ${[...circumstances].sort().join(' ')}`;
}
