/**
 * `npm test`: everything that can be tested on this machine, and what was skipped and why.
 *
 * Without a name: build, typecheck, lint, the pure tests, the integration tests, two minutes of
 * chaos, in CI some minutes of the benchmark, the acceptance tests on containers, and some of the
 * integration tests once more on the other RabbitMQ version with the other type of queue; a failed
 * one does not keep the others from running, except that integration tests, chaos and benchmark need
 * the build. Without a Docker engine the last two are skipped; with REQUIRE_DOCKER=1 that is a
 * failure. The last line is "N passed, N failed", of jest's tests, where chaos and the benchmark are
 * one each, and a failed build, typecheck or lint, or a process or container left running, counts as
 * one failure. Exit code 0 for no failure.
 *
 * Ctrl-C, SIGTERM and SIGHUP end all that runs, and then us.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineProgram, option } from '#process/cli/program';
import { runProgram, terminate } from '#process/cli/run-program';
import { textField } from '#process/setting-fields';
import { ROOT } from '../build';
import { endWithNpm } from '../end-with-npm';
import { endLeftBrokers, endLeftProjects, whyNoDocker } from './docker-tests';
import { readCounts } from './jest-counts';
import { awaitNoneLeft, endLeft, RUN_VARIABLE } from './leftovers';
import { runStep } from './step';

const EXIT_INTERRUPTED = 130;

const PROJECTS = ['unit', 'integration', 'compose'] as const;

type Project = (typeof PROJECTS)[number];

const PROGRAM = defineProgram({
  does: 'Tests everything that can be tested on this machine, and says what was skipped and why.',
  synopsis: [`npm test -- [${PROJECTS.join(' | ')}] [part of a path …] [options] [-- options of jest]`],
  options: {
    '--testNamePattern': option('NAME', 'only tests whose name matches', textField(null), { short: 't' }),
  },
  operands: { min: 0, max: Number.POSITIVE_INFINITY, rule: '', hasRest: true },
  notes: `Without a name: build, typecheck, lint, the pure tests, the integration tests, chaos, and the tests on containers.
REQUIRE_DOCKER=1 makes it a failure when there is no Docker engine. RLOG_TEST_QUEUE_TYPE=quorum runs the integration tests
with members' queues of that type.

The last line is "N passed, N failed". Exit codes: 0 no failure; 1 some; 2 wrong use; 130 interrupted.`,
});

/** Each is several times what it takes on two busy cores. */
const MINUTE_MS = 60_000;
const CHECK_MS_MAX = 5 * MINUTE_MS;
const PURE_MS_MAX = 13 * MINUTE_MS;
const INTEGRATION_MS_MAX = 20 * MINUTE_MS;
const CHAOS_MS_MAX = 8 * MINUTE_MS;
const BENCH_MS_MAX = 10 * MINUTE_MS;
const COMPOSE_MS_MAX = 15 * MINUTE_MS;

/** How the benchmark ends that has nothing to compare its ratios with: bench/options.ts. */
const BENCH_NOT_COMPARED = 'exit code 3';

/**
 * What depends on the broker's version: all that speaks to it directly, and what a user sees of it.
 */
const VERSION_TESTS = ['tests/integration/amqp', 'tests/integration/walkthroughs'];

/**
 * The supervisor of a broker needs a second or two after its owner is gone, and is bounded by ten.
 */
const LEFT_MS_MAX = 12_000;

const bin = (path: string) => join(ROOT, 'node_modules', path);
const tsc = bin('typescript/bin/tsc');
const run = join(ROOT, 'tools/scripts/run.js');

const CHECKS: Readonly<Record<'build' | 'typecheck' | 'lint', readonly (readonly string[])[]>> = {
  build: [[run, 'tools/scripts/build.ts']],
  typecheck: [[tsc, '-p', 'tsconfig.json', '--noEmit']],
  lint: [
    [bin('@biomejs/biome/bin/biome'), 'check', '.'],
    [bin('eslint/bin/eslint.js'), '.'],
  ],
};

class TestRun {
  readonly failures: string[] = [];
  readonly interruption = new AbortController();
  private passed = 0;
  private readonly skips: string[] = [];
  private readonly id = randomUUID();
  private readonly scratch = mkdtempSync(join(tmpdir(), 'replicated-log-test-'));
  /** The tests write into it that there is no broker, and why. */
  private readonly noBroker = join(this.scratch, 'no-broker');
  private readonly env: NodeJS.ProcessEnv = {
    ...process.env,
    [RUN_VARIABLE]: this.id,
    RLOG_TEST_NO_BROKER: this.noBroker,
  };

  async run(selection: Project | undefined, jestArgs: readonly string[]): Promise<void> {
    const wants = (name: Project) => selection === undefined || selection === name;
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

  /**
   * Two minutes of real processes that are hurt; where the integration tests found no broker there
   * is none for it either.
   */
  private async chaos(): Promise<void> {
    if (existsSync(this.noBroker)) return;
    const args = ['--minutes', '2', '--no-build', '--out', join(this.scratch, 'chaos')];
    await this.program('chaos', ['tests/chaos/main.ts', ...args], CHAOS_MS_MAX);
  }

  /**
   * In CI, two minutes of the benchmark. Its ratios are printed, and fail when one has fallen by
   * more than a half against this CPU's baseline. A CPU without one is measured on the former
   * build too, for two more minutes, and a third is too much. Bulk appends have no baseline since
   * their limit is one of classic queues.
   */
  private async bench(): Promise<void> {
    if (existsSync(this.noBroker) || !this.isCi) return;
    const compared = ['--baseline', join(ROOT, 'bench/baseline.json'), '--out', join(this.scratch, 'bench')];
    const args = ['--quick', '--rows', 'single,ndjson,sse,blocked', ...compared];
    const ending = await this.program('bench', ['bench/main.ts', ...args], BENCH_MS_MAX, [BENCH_NOT_COMPARED]);
    if (ending === BENCH_NOT_COMPARED)
      this.skips.push('the ratios of the benchmark: there is no baseline of this CPU and no former build; see above');
  }

  /** @param skipped endings that are no failure, and for which the caller has a word */
  private async program(
    name: string,
    args: readonly string[],
    boundMs: number,
    skipped: readonly string[] = [],
  ): Promise<string | null> {
    say(`\n=== ${name}`);
    const ending = await this.step([run, ...args], boundMs);
    if (ending === null) this.passed += 1;
    else if (!skipped.includes(ending)) this.failures.push(`${name}: ${ending}`);
    return ending;
  }

  /** Where Docker must be, as in CI, its absence is a failure. */
  private refuse(what: string, why: string): void {
    if (this.env.REQUIRE_DOCKER === '1') this.failures.push(`${what}: REQUIRE_DOCKER=1, but ${why}`);
    else this.skips.push(`${what}: ${why}`);
  }

  private async compose(jestArgs: readonly string[]): Promise<void> {
    await this.jest('compose', COMPOSE_MS_MAX, ['--runInBand', '--verbose', ...jestArgs]);
    for (const project of await endLeftProjects(this.id))
      this.failures.push(`left running: compose project ${project}`);
  }

  /**
   * The integration tests have run on a container's RabbitMQ 4; the installed package may be
   * another version. The members' queues are of the other type, too.
   */
  private async otherVersion(): Promise<void> {
    this.env.RLOG_TEST_BROKER = 'private';
    this.env.RLOG_TEST_QUEUE_TYPE = this.env.RLOG_TEST_QUEUE_TYPE === 'quorum' ? 'classic' : 'quorum';
    const title = `integration tests on the installed RabbitMQ, with ${this.env.RLOG_TEST_QUEUE_TYPE} queues`;
    await this.jest('integration', INTEGRATION_MS_MAX, ['--runInBand', ...VERSION_TESTS], title);
  }

  private get isCi(): boolean {
    const { CI } = this.env;
    return Boolean(CI) && CI !== 'false';
  }

  private async check(name: keyof typeof CHECKS): Promise<boolean> {
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

  private async jest(
    project: string,
    boundMs: number,
    args: readonly string[],
    title = `${project} tests`,
  ): Promise<void> {
    say(`\n=== ${title}`);
    rmSync(this.noBroker, { force: true });
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
  private skipsForWantOfBroker(title: string): boolean {
    if (!existsSync(this.noBroker) || this.isCi) return false;
    this.skips.push(`${title}: ${readFileSync(this.noBroker, 'utf8')}`);
    return true;
  }

  private step(args: readonly string[], boundMs: number): Promise<string | null> {
    return runStep(args, { env: this.env, boundMs, signal: this.interruption.signal });
  }

  /** A test that leaves processes behind has failed, whatever it says of itself. */
  async clean(): Promise<void> {
    const isInterrupted = this.interruption.signal.aborted;
    const left = isInterrupted ? [] : await awaitNoneLeft(this.id, LEFT_MS_MAX);
    for (const { pid, command } of left) this.failures.push(`left running: process ${pid}, ${command}`);
    await endLeft(this.id, LEFT_MS_MAX);
    rmSync(this.scratch, { recursive: true, force: true });
  }

  report(): void {
    if (this.skips.length > 0) say(`\nSkipped:\n${this.skips.map((skip) => `  ${skip}`).join('\n')}`);
    if (this.failures.length > 0) say(`\nFailed:\n${this.failures.map((failure) => `  ${failure}`).join('\n')}`);
    const skipped = this.skips.length === 0 ? '' : `, ${this.skips.length} skipped`;
    say(`\n${this.passed} passed, ${this.failures.length} failed${skipped}`);
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(operands: readonly string[], jestOptions: readonly string[]): Promise<number> {
  const selection = PROJECTS.find((project) => project === operands[0]);
  const patterns = selection === undefined ? operands : operands.slice(1);
  const given = [...patterns, ...jestOptions];
  // A pattern is of one project, as a rule.
  const jestArgs = given.length === 0 ? [] : [...given, '--passWithNoTests'];
  const run = new TestRun();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => run.interruption.abort());
  try {
    await run.run(selection, jestArgs);
  } finally {
    await run.clean();
  }
  if (run.interruption.signal.aborted) {
    say('\nInterrupted; nothing is left running.');
    return EXIT_INTERRUPTED;
  }
  run.report();
  return run.failures.length === 0 ? 0 : 1;
}

void runProgram(
  PROGRAM,
  ({ values, operands, rest }) => {
    endWithNpm();
    const name = values['--testNamePattern'];
    return main(operands, [...(name === null ? [] : ['--testNamePattern', name]), ...rest]);
  },
  { onReaderGone: terminate },
);
