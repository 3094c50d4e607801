/**
 * `npm test`: everything that can be tested on this machine, and what was skipped and why.
 *
 *   node scripts/test.mjs [unit | integration] [jest's arguments: patterns of paths, -t NAME …]
 *
 * Without a name: build, typecheck, lint, the pure tests, the integration tests; a failed one does not keep the others from
 * running, except that integration tests need the build. The last line is "N passed, N failed", of jest's tests, where a
 * failed build, typecheck or lint, or a process left running, counts as one failure. Exit code 0 for no failure.
 *
 * Ctrl-C, SIGTERM and SIGHUP end all that runs, and then us.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './build.mjs';
import { readCounts } from './jest-counts.mjs';
import { awaitNoneLeft, endLeft, RUN_VARIABLE } from './leftovers.mjs';
import { runStep } from './step.mjs';

/** Each is several times what it takes on two busy cores. */
const MINUTE_MS = 60_000;
const CHECK_MS_MAX = 5 * MINUTE_MS;
const PURE_MS_MAX = 8 * MINUTE_MS;
const INTEGRATION_MS_MAX = 15 * MINUTE_MS;

/** The supervisor of a broker needs a second or two after its owner is gone, and is bounded by ten. */
const LEFT_MS_MAX = 12_000;

const bin = (path) => join(root, 'node_modules', path);
const tsc = bin('typescript/bin/tsc');

const CHECKS = {
  build: [[tsc, '-b', 'tsconfig.build.json']],
  typecheck: [[tsc, '-p', 'tsconfig.json', '--noEmit']],
  lint: [
    [bin('@biomejs/biome/bin/biome'), 'check', '.'],
    [bin('eslint/bin/eslint.js'), '.'],
  ],
};

class TestRun {
  passed = 0;
  failures = [];
  skips = [];
  interruption = new AbortController();
  id = randomUUID();
  scratch = mkdtempSync(join(tmpdir(), 'replicated-log-test-'));
  env = { ...process.env, [RUN_VARIABLE]: this.id, RLOG_TEST_NO_BROKER: join(this.scratch, 'no-broker') };

  async run(selection, jestArgs) {
    const wants = (name) => selection === undefined || selection === name;
    const isBuilt = wants('integration') ? await this.check('build') : true;
    if (selection === undefined) {
      await this.check('typecheck');
      await this.check('lint');
    }
    if (wants('unit')) await this.jest('pure', PURE_MS_MAX, ['--maxWorkers=100%', ...jestArgs]);
    if (!wants('integration')) return;
    if (isBuilt) await this.jest('integration', INTEGRATION_MS_MAX, ['--runInBand', ...jestArgs]);
    else this.skips.push('the integration tests: they run what the build makes, and it failed');
  }

  async check(name) {
    say(`\n=== ${name}`);
    for (const args of CHECKS[name]) {
      const ending = await this.step(args, CHECK_MS_MAX);
      if (ending !== null) {
        this.failures.push(`${name}: ${ending}`);
        return false;
      }
    }
    return true;
  }

  async jest(project, boundMs, args) {
    say(`\n=== ${project} tests`);
    const results = join(this.scratch, `${project}.json`);
    const jest = [bin('jest/bin/jest.js'), '--selectProjects', project, '--json', '--outputFile', results];
    const ending = await this.step([...jest, ...args], boundMs);
    if (this.skipsForWantOfBroker(project)) return;
    const { passed, failures, skips } = readCounts(results, ending);
    this.passed += passed;
    this.failures.push(...failures.map((failure) => `${project} tests: ${failure}`));
    this.skips.push(...skips);
  }

  /** Where everything should be testable, as in CI, it is a failure. */
  skipsForWantOfBroker(project) {
    const { RLOG_TEST_NO_BROKER: note, CI } = this.env;
    if (!existsSync(note) || (CI && CI !== 'false')) return false;
    this.skips.push(`the ${project} tests: ${readFileSync(note, 'utf8')}`);
    return true;
  }

  step(args, boundMs) {
    return runStep(args, { env: this.env, boundMs, signal: this.interruption.signal });
  }

  /** A test that leaves processes behind has failed, whatever it says of itself. */
  async clean() {
    const isInterrupted = this.interruption.signal.aborted;
    const left = isInterrupted ? [] : await awaitNoneLeft(this.id, LEFT_MS_MAX);
    for (const { pid, command } of left) this.failures.push(`left running: process ${pid}, ${command}`);
    await endLeft(this.id, LEFT_MS_MAX);
    rmSync(this.scratch, { recursive: true, force: true });
  }

  report() {
    if (this.skips.length > 0) say(`\nSkipped:\n${this.skips.map((skip) => `  ${skip}`).join('\n')}`);
    if (this.failures.length > 0) say(`\nFailed:\n${this.failures.map((failure) => `  ${failure}`).join('\n')}`);
    const skipped = this.skips.length === 0 ? '' : `, ${this.skips.length} skipped`;
    say(`\n${this.passed} passed, ${this.failures.length} failed${skipped}`);
  }
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

async function main() {
  const [first, ...others] = process.argv.slice(2);
  const isNamed = first === 'unit' || first === 'integration';
  const jestArgs = isNamed || first === undefined ? others : [first, ...others];
  if (!existsSync(tsc)) {
    say('The packages are not installed yet: npm ci\n\n0 passed, 1 failed');
    return 1;
  }
  const run = new TestRun();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => run.interruption.abort());
  try {
    await run.run(isNamed ? first : undefined, jestArgs);
  } finally {
    await run.clean();
  }
  if (run.interruption.signal.aborted) {
    say('\nInterrupted; nothing is left running.');
    return 130;
  }
  run.report();
  return run.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
