/**
 * `npm run sim -- --seed N --runs K --minutes M [--seeds N,N,…] [--twice] [--trace] [--schedule S] [--wild|--tame]`: runs seeds N, N+1 … until K are done or M
 * minutes have passed, or the seeds that are named. Every failure is printed with its profile, its last steps, and the line that replays
 * it. `--twice` runs each seed again and compares the traces. Exit code 1 when anything failed.
 */
import { describeProfile, SCHEDULES, type Schedule } from './nemesis/profile';
import { simulate } from './simulation';
import { Tally } from './tally';

/** A long run says every few minutes that it is still at it. */
const RUNS_A_WORD = 5_000;

function main(): void {
  const { seed, seeds, runs, minutes, schedule, wild, isTraced, twice } = readArguments(process.argv.slice(2));
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
  process.exitCode = tally.failures.length === 0 ? 0 : 1;
}

function readArguments(args: readonly string[]) {
  const textOf = (name: string): string | null => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? null : (args[at + 1] ?? null);
  };
  const numberOf = (name: string, otherwise: number): number => {
    const value = Number(textOf(name) ?? otherwise);
    if (Number.isNaN(value) || value < 0) throw new Error(`--${name} is not a number of 0 or more`);
    return value;
  };
  const minutes = numberOf('minutes', Number.POSITIVE_INFINITY);
  const schedule = SCHEDULES.find((each) => each === textOf('schedule')) ?? null;
  return {
    seed: numberOf('seed', Date.now() % 1_000_000_000),
    seeds: textOf('seeds')?.split(',').map(Number) ?? null,
    runs: numberOf('runs', minutes === Number.POSITIVE_INFINITY ? 100 : Number.POSITIVE_INFINITY),
    minutes,
    schedule: schedule satisfies Schedule | null,
    wild: args.includes('--wild') ? true : args.includes('--tame') ? false : null,
    isTraced: args.includes('--trace'),
    twice: args.includes('--twice'),
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main();
