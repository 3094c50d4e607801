/**
 * `npm run sim`: runs seeds one after another. Every failure is printed with its profile, its last
 * steps, and the line that replays it.
 */
import { defineProgram, flag, option, type ValuesOf } from '#process/cli/program';
import { runProgram } from '#process/cli/run-program';
import { positiveField, wholeNumberField, wordField } from '#process/setting-fields';
import { settingField } from '#process/settings';
import { describeProfile, SCHEDULES } from './nemesis/profile';
import { simulate } from './simulation';
import { Tally } from './tally';

/** A long run says every few minutes that it is still at it. */
const RUNS_A_WORD = 5_000;
const RUNS = 100;
const MANY = Number.MAX_SAFE_INTEGER;

const PROGRAM = defineProgram({
  does: 'Simulates clusters in a hostile world and checks every rule in every run.',
  synopsis: ['npm run sim -- [options]'],
  options: {
    '--seed': option(
      'N',
      'the first seed; the next runs have N+1, N+2 … (drawn)',
      wholeNumberField({ min: 0, max: MANY, fallback: Date.now() % 1_000_000_000 }),
    ),
    '--seeds': option(
      'N,N,…',
      'these seeds only',
      settingField<readonly number[] | null>((text) => {
        const seeds = text.split(',').map(Number);
        return seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)
          ? { value: seeds }
          : { fault: 'must be whole numbers of 0 or more, comma-separated' };
      }, null),
    ),
    '--runs': option(
      'K',
      `end after so many (${RUNS}; with --minutes, as many as fit)`,
      wholeNumberField({ min: 1, max: MANY, fallback: null }),
    ),
    '--minutes': option('M', 'start no run after so many minutes', positiveField(Number.POSITIVE_INFINITY)),
    '--schedule': option('NAME', `one schedule only: ${SCHEDULES.join(', ')}`, wordField(SCHEDULES, null)),
    '--wild': flag('wild profiles only'),
    '--tame': flag('tame profiles only'),
    '--twice': flag('run each seed again and compare the traces'),
    '--trace': flag('print every step'),
  },
  notes: 'Exit codes: 0 no run failed; 1 some did; 2 wrong use.',
});

void runProgram(PROGRAM, ({ values }) => main(values));

type Values = ValuesOf<typeof PROGRAM>;

function main(values: Values): number {
  const { '--seed': seed, '--seeds': seeds, '--minutes': minutes, '--schedule': schedule } = values;
  const wild = values['--wild'] ? true : values['--tame'] ? false : null;
  const [isTraced, twice] = [values['--trace'], values['--twice']];
  const runs = values['--runs'] ?? (minutes === Number.POSITIVE_INFINITY ? RUNS : Number.POSITIVE_INFINITY);
  const deadline = performance.now() + minutes * 60_000;
  const tally = new Tally();
  if (seeds === null) say(`first seed ${seed}`);
  for (let at = 0; at < (seeds?.length ?? runs) && performance.now() < deadline; at += 1) {
    const options = {
      seed: seeds?.[at] ?? seed + at,
      isTraced,
      ...(schedule === null ? {} : { schedule }),
      ...(wild === null ? {} : { wild }),
    };
    const result = simulate(options);
    tally.add(result);
    if (tally.runs % RUNS_A_WORD === 0) say(`${tally.runs} runs, ${tally.failures.length} failed`);
    if (runs === 1) say(`seed ${result.seed}: ${describeProfile(result.profile)}`);
    if (result.failure !== null)
      say(
        `\n${result.failure.trace}\n${result.failure.what}\nreplay: npm run sim -- --seed ${result.seed} --runs 1 --trace`,
      );
    else if (twice) tally.compare(result, simulate({ ...options, isTraced: false }));
    if (runs === 1) say(`hash ${result.hash}, ${JSON.stringify(result.acts)}`);
  }
  say(tally.toString());
  return tally.failures.length === 0 ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
