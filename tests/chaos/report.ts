/**
 * What a chaos run came to: counts of faults and outcomes, times to recover, the worst time without
 * a safe append, and what was broken.
 */
import type { Attempted } from './chaos-clients';
import { type Fault, KINDS, LAST_ACT } from './faults/fault';
import type { Look } from './observer';
import type { TailCounts } from './tail-readers';

export interface ChaosRun {
  readonly seed: number;
  readonly elapsedMs: number;
  readonly faults: readonly Fault[];
  readonly attempts: readonly Attempted[];
  readonly looks: readonly Look[];
  readonly entries: number;
  readonly tails: TailCounts;
  readonly deaths: readonly { readonly node: string; readonly how: string; readonly said: string }[];
  /** What was broken; null: nothing. */
  readonly violation: string | null;
}

export interface Summary {
  readonly seed: number;
  readonly elapsedS: number;
  readonly faults: Readonly<
    Record<
      string,
      {
        readonly seen: number;
        readonly unseen: number;
        readonly recoverMsMedian: number | null;
        readonly recoverMsMax: number | null;
      }
    >
  >;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly entries: number;
  /** What the readers that follow the log were sent. */
  readonly tails: TailCounts;
  /**
   * The longest time between two safe acknowledgements, before the last act, in which nothing can
   * be acknowledged.
   */
  readonly worstBlockedMs: number;
  /** Processes that ended by themselves. */
  readonly deaths: readonly string[];
  readonly violation: string | null;
}

export function summarize(run: ChaosRun): Summary {
  const safe = run.attempts.filter(({ isSafe }) => isSafe).sort((a, b) => a.until - b.until);
  const lastActAt = run.faults.find(({ kind }) => kind === LAST_ACT)?.from ?? Number.POSITIVE_INFINITY;
  const faults: Record<string, Summary['faults'][string]> = {};
  for (const kind of KINDS) {
    const all = run.faults.filter((fault) => fault.kind === kind);
    const seen = all.filter(({ isSeen }) => isSeen);
    const times = seen.flatMap((fault) => recoverMs(fault, safe) ?? []).sort((a, b) => a - b);
    const median = times[Math.floor(times.length / 2)] ?? null;
    const max = times.at(-1) ?? null;
    faults[kind] = { seen: seen.length, unseen: all.length - seen.length, recoverMsMedian: median, recoverMsMax: max };
  }
  const outcomes: Record<string, number> = {};
  for (const { outcome, what } of run.attempts) {
    const name = outcome === 'ok' ? 'ok' : `${outcome}: ${what}`;
    outcomes[name] = (outcomes[name] ?? 0) + 1;
  }
  let worst = 0;
  const before = safe.filter(({ until }) => until < lastActAt);
  for (const [at, { until }] of before.entries()) worst = Math.max(worst, until - (before[at - 1]?.until ?? 0));
  return {
    seed: run.seed,
    elapsedS: Math.round(run.elapsedMs / 1000),
    faults,
    outcomes,
    entries: run.entries,
    tails: run.tails,
    worstBlockedMs: Math.round(worst),
    deaths: run.deaths.map(({ node, how }) => `${node}: ${how}`),
    violation: run.violation,
  };
}

/**
 * From the end of the fault to the first safe acknowledgement of an append that was begun after it.
 */
function recoverMs(fault: Fault, safe: readonly Attempted[]): number | null {
  const first = safe.find(({ from }) => from >= fault.until);
  return first === undefined ? null : Math.round(first.until - fault.until);
}

export function describe(summary: Summary): string {
  const rows = Object.entries(summary.faults).map(
    ([kind, { seen, unseen, recoverMsMedian, recoverMsMax }]) =>
      `  ${kind.padEnd(26)} ${String(seen).padStart(4)} seen ${String(unseen).padStart(3)} not   recovers in ${recoverMsMedian ?? '–'} ms, at most ${recoverMsMax ?? '–'} ms`,
  );
  const resets = Object.entries(summary.tails.resets).map(([reason, count]) => `, ${count} resets: ${reason}`);
  const outcomes = Object.entries(summary.outcomes).sort((a, b) => b[1] - a[1]);
  return [
    `seed ${summary.seed}, ${summary.elapsedS} s, ${summary.entries} entries in the log`,
    ...rows,
    `  attempts: ${outcomes.map(([name, count]) => `${count} ${name}`).join(', ')}`,
    `  readers: ${summary.tails.connections} connections, ${summary.tails.events} events${resets.join('')}`,
    `  longest time without a safe acknowledgement: ${summary.worstBlockedMs} ms`,
    ...summary.deaths.map((death) => `  ended by itself: ${death}`),
    summary.violation === null ? '  no violation' : `  VIOLATION: ${summary.violation}`,
  ].join('\n');
}
