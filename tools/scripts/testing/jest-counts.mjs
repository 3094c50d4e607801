/** What a run of jest came to, from the file that its --json option writes. */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from '../build.mjs';

/**
 * A suite that did not even load has no failed test, and a run that died has no file: each counts as one failure.
 *
 * @param {string} file
 * @param {string | null} ending null when jest exited with 0
 * @returns {{ passed: number, failures: string[], skips: string[] }}
 */
export function readCounts(file, ending) {
  if (!existsSync(file)) return { passed: 0, failures: [ending ?? 'it wrote no results'], skips: [] };
  const results = JSON.parse(readFileSync(file, 'utf8'));
  const failures = results.testResults.flatMap((suite) => failuresOf(suite));
  const skips = results.testResults.flatMap((suite) => namesOf(suite, ['pending', 'todo', 'disabled', 'skipped']));
  if (ending !== null && failures.length === 0) failures.push(ending);
  return { passed: results.numPassedTests, failures, skips };
}

function failuresOf(suite) {
  const failed = namesOf(suite, ['failed']);
  return suite.status === 'failed' && failed.length === 0 ? [`${relative(root, suite.name)} did not run`] : failed;
}

function namesOf(suite, statuses) {
  const file = relative(root, suite.name);
  return suite.assertionResults
    .filter(({ status }) => statuses.includes(status))
    .map(({ fullName }) => `${file}: ${fullName}`);
}
