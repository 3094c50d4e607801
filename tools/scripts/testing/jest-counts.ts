/** What a run of jest came to, from the file that its --json option writes. */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { ROOT } from '../build';

export interface Counts {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skips: readonly string[];
}

interface Suite {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
}

interface Results {
  readonly testResults: readonly Suite[];
  readonly numPassedTests: number;
}

/**
 * A suite that did not even load has no failed test, and a run that died has no file: each counts
 * as one failure.
 *
 * @param ending null when jest exited with 0
 */
export function readCounts(file: string, ending: string | null): Counts {
  if (!existsSync(file)) return { passed: 0, failures: [ending ?? 'it wrote no results'], skips: [] };
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  const failures = results.testResults.flatMap((suite) => failuresOf(suite));
  const skips = results.testResults.flatMap((suite) => namesOf(suite, ['pending', 'todo', 'disabled', 'skipped']));
  if (ending !== null && failures.length === 0) failures.push(ending);
  return { passed: results.numPassedTests, failures, skips };
}

function failuresOf(suite: Suite): string[] {
  const failed = namesOf(suite, ['failed']);
  return suite.status === 'failed' && failed.length === 0 ? [`${relative(ROOT, suite.name)} did not run`] : failed;
}

function namesOf(suite: Suite, statuses: readonly string[]): string[] {
  const file = relative(ROOT, suite.name);
  return suite.assertionResults
    .filter(({ status }) => statuses.includes(status))
    .map(({ fullName }) => `${file}: ${fullName}`);
}
