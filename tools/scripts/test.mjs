/**
 * `npm test`: everything that can be tested on this machine, and what was skipped and why.
 *
 *   node tools/scripts/test.mjs [unit | integration | compose] [jest's arguments: patterns of paths, -t NAME …]
 *
 * Without a name: build, typecheck, lint, the pure tests, the integration tests, two minutes of chaos, in CI a minute of the benchmark, the
 * acceptance tests on containers, and some of the integration tests once more on the other RabbitMQ version; a failed one does not keep the
 * others from running, except that integration tests, chaos and benchmark need the build. Without a Docker engine the last two are skipped;
 * with REQUIRE_DOCKER=1 that is a failure. The last line is "N passed, N failed", of jest's tests, where chaos and the benchmark are one each,
 * and a failed build, typecheck or lint, or a process or container left running, counts as one failure. Exit code 0 for no failure.
 *
 * Ctrl-C, SIGTERM and SIGHUP end all that runs, and then us.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './build.mjs';
import { endWithNpm } from './end-with-npm.mjs';
import { endLeftBrokers, endLeftProjects, whyNoDocker } from './testing/docker-tests.mjs';
import { readCounts } from './testing/jest-counts.mjs';
import { awaitNoneLeft, endLeft, RUN_VARIABLE } from './testing/leftovers.mjs';
import { runStep } from './testing/step.mjs';

/** Each is several times what it takes on two busy cores. */
const MINUTE_MS = 60_000;
const CHECK_MS_MAX = 5 * MINUTE_MS;
const PURE_MS_MAX = 10 * MINUTE_MS;
const INTEGRATION_MS_MAX = 17 * MINUTE_MS;
const CHAOS_MS_MAX = 8 * MINUTE_MS;
const BENCH_MS_MAX = 6 * MINUTE_MS;
const COMPOSE_MS_MAX = 20 * MINUTE_MS;

/** What depends on the broker's version: all that speaks to it directly, and what a user sees of it. */
const VERSION_TESTS = ['tests/integration/amqp', 'tests/integration/walkthroughs'];

/** The supervisor of a broker needs a second or two after its owner is gone, and is bounded by ten. */
const LEFT_MS_MAX = 12_000;

const bin = (path) => join(root, 'node_modules', path);
const tsc = bin('typescript/bin/tsc');

const CHECKS = {
  build: [[join(root, 'tools/scripts/build.mjs')]],
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
    if (wants('integration')) {
      if (isBuilt) await this.jest('integration', INTEGRATION_MS_MAX, ['--runInBand', ...jestArgs]);
      else this.skips.push('the integration tests and chaos: they run what the build makes, and it failed');
      if (isBuilt && jestArgs.length === 0) await this.chaos();
      if (isBuilt && jestArgs.length === 0) await this.bench();
    }
    if (selection !== undefined && selection !== 'compose') return;
    const noDocker = await whyNoDocker();
    if (noDocker !== null) this.refuse('the acceptance tests on containers', noDocker);
    else await this.compose(jestArgs);
    if (selection === undefined && isBuilt && noDocker === null) await this.otherVersion();
  }

  /** Two minutes of real processes that are hurt; where the integration tests found no broker there is none for it either. */
  async chaos() {
    if (existsSync(this.env.RLOG_TEST_NO_BROKER)) return;
    say('\n=== chaos');
    const args = ['--minutes', '2', '--no-build', '--out', join(this.scratch, 'chaos')];
    const ending = await this.step([bin('tsx/dist/cli.mjs'), join(root, 'tests/chaos/main.ts'), ...args], CHAOS_MS_MAX);
    if (ending === null) this.passed += 1;
    else this.failures.push(`chaos: ${ending}`);
  }

  /**
   * In CI, a minute of the benchmark; its ratios are printed, and fail only when they have fallen by more than half. They were saved on machines like CI's:
   * elsewhere a disk may be so much faster or slower that the comparison says nothing.
   */
  async bench() {
    if (existsSync(this.env.RLOG_TEST_NO_BROKER) || !this.isCi) return;
    say('\n=== bench');
    const compared = ['--compare', join(root, 'bench/baseline.json'), '--check', '--out', join(this.scratch, 'bench')];
    const args = ['--quick', '--rows', 'single,bulk,ndjson,sse,blocked', ...compared];
    const ending = await this.step([bin('tsx/dist/cli.mjs'), join(root, 'bench/main.ts'), ...args], BENCH_MS_MAX);
    if (ending === null) this.passed += 1;
    else this.failures.push(`bench: ${ending}`);
  }

  /** Where Docker must be, as in CI, its absence is a failure. */
  refuse(what, why) {
    if (this.env.REQUIRE_DOCKER === '1') this.failures.push(`${what}: REQUIRE_DOCKER=1, but ${why}`);
    else this.skips.push(`${what}: ${why}`);
  }

  async compose(jestArgs) {
    await this.jest('compose', COMPOSE_MS_MAX, ['--runInBand', '--verbose', ...jestArgs]);
    for (const project of await endLeftProjects(this.id))
      this.failures.push(`left running: compose project ${project}`);
  }

  /** The integration tests have run on a container's RabbitMQ 4; the installed package may be another version. */
  async otherVersion() {
    this.env.RLOG_TEST_BROKER = 'private';
    const title = 'integration tests on the installed RabbitMQ';
    await this.jest('integration', INTEGRATION_MS_MAX, ['--runInBand', ...VERSION_TESTS], title);
  }

  get isCi() {
    const { CI } = this.env;
    return Boolean(CI) && CI !== 'false';
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

  async jest(project, boundMs, args, title = `${project} tests`) {
    say(`\n=== ${title}`);
    rmSync(this.env.RLOG_TEST_NO_BROKER, { force: true });
    const results = join(this.scratch, `${project}.json`);
    const jest = [bin('jest/bin/jest.js'), '--selectProjects', project, '--json', '--outputFile', results];
    const ending = await this.step([...jest, ...args], boundMs);
    if (project === 'integration')
      for (const broker of await endLeftBrokers(this.id)) this.failures.push(`left running: container ${broker}`);
    if (this.skipsForWantOfBroker(title)) return;
    const { passed, failures, skips } = readCounts(results, ending);
    this.passed += passed;
    this.failures.push(...failures.map((failure) => `${title}: ${failure}`));
    this.skips.push(...skips);
  }

  /** Where everything should be testable, as in CI, it is a failure. */
  skipsForWantOfBroker(title) {
    const { RLOG_TEST_NO_BROKER: note } = this.env;
    if (!existsSync(note) || this.isCi) return false;
    this.skips.push(`${title}: ${readFileSync(note, 'utf8')}`);
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
  const isNamed = ['unit', 'integration', 'compose'].includes(first);
  const given = isNamed || first === undefined ? others : [first, ...others];
  // A pattern is of one project, as a rule.
  const jestArgs = given.length === 0 ? [] : [...given, '--passWithNoTests'];
  if (!existsSync(tsc)) {
    say('The packages are not installed yet: npm ci\n\n0 passed, 1 failed');
    return 1;
  }
  endWithNpm();
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
