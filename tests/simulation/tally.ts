/** What many runs came to. */
import type { RunResult } from './simulation';

export class Tally {
  runs = 0;
  steps = 0;
  acknowledged = 0;
  refused = 0;
  unknown = 0;
  cuts = 0;
  reigns = 0;
  simulatedMs = 0;
  private readonly standings = new Map<string, number>();
  readonly failures: { readonly seed: number; readonly rule: string; readonly what: string }[] = [];
  private readonly startedAt = performance.now();

  add(result: RunResult): void {
    this.runs += 1;
    this.steps += result.steps;
    this.acknowledged += result.acknowledged;
    this.refused += result.refused;
    this.unknown += result.unknown;
    this.cuts += result.cuts;
    this.reigns += result.reigns;
    this.simulatedMs += result.simulatedMs;
    this.standings.set(result.standing, (this.standings.get(result.standing) ?? 0) + 1);
    if (result.failure !== null) this.failures.push({ seed: result.seed, ...result.failure });
  }

  /** The same seed again has to come to the same. */
  compare({ seed, hash }: RunResult, again: RunResult): void {
    if (again.hash !== hash)
      this.failures.push({ seed, rule: 'determinism', what: `two traces, ${hash} and ${again.hash}` });
  }

  toString(): string {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const per = (count: number): string => (count / Math.max(1, this.runs)).toFixed(1);
    const byRule = new Map<string, number>();
    for (const { rule } of this.failures) byRule.set(rule, (byRule.get(rule) ?? 0) + 1);
    return [
      `${this.runs} runs in ${seconds.toFixed(1)} s: ${(this.runs / seconds).toFixed(1)} a second, ${Math.round(this.steps / seconds)} steps a second`,
      `a run: ${per(this.steps)} steps, ${per(this.simulatedMs / 1000)} s simulated, ${per(this.reigns)} reigns, ${per(this.acknowledged)} acknowledged, ${per(this.refused)} refused, ${per(this.unknown)} unknown, ${per(this.cuts)} entries cut`,
      [...this.standings].map(([standing, count]) => `${count} ${standing}`).join(', '),
      `${this.failures.length} failed ${[...byRule].map(([rule, count]) => `${rule}: ${count}`).join(', ')}`,
      ...this.failures.slice(0, 40).map(({ seed, what }) => `  seed ${seed}: ${what}`),
    ].join('\n');
  }
}
