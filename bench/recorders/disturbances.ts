/**
 * What may have disturbed a minute of the benchmark: the machine, this process, which generates the
 * load, and the pauses of the nodes.
 */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { digits } from '../row';
import type { Pauses } from './pauses';
import { recordOf } from './preload';

/** CPU time in ticks, from the first line of /proc/stat; see proc(5). */
interface CpuTicks {
  readonly all: number;
  readonly idle: number;
  readonly waitsForDisk: number;
  /** Taken by other virtual machines. */
  readonly stolen: number;
}

/** Begins when it is created. */
export class MachineWatch {
  private readonly loop = monitorEventLoopDelay({ resolution: 10 });
  private readonly before = cpuTicks();

  constructor() {
    this.loop.enable();
  }

  /** @returns a sentence: load, CPU, and the longest stall of the load generator */
  end(): string {
    this.loop.disable();
    const stall = `the load generator stalled for ${digits(this.loop.max / 1e6)} ms at most`;
    const load = `system load ${digits(loadavg()[0] ?? 0)}`;
    const after = cpuTicks();
    if (this.before === null || after === null) return `${load}; ${stall}`;
    return `${load}; CPU ${sharesBetween(this.before, after)}; ${stall}`;
  }
}

/** Null where the system does not say. */
function cpuTicks(): CpuTicks | null {
  try {
    const [, ...ticks] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/).map(Number);
    const [user = 0, nice = 0, system = 0, idle = 0, waitsForDisk = 0, irq = 0, softIrq = 0, stolen = 0] = ticks;
    return { all: user + nice + system + idle + waitsForDisk + irq + softIrq + stolen, idle, waitsForDisk, stolen };
  } catch {
    return null;
  }
}

/** As "80 % busy, 5 % stolen, 3 % waiting for the disk". */
export function sharesBetween(before: CpuTicks, after: CpuTicks): string {
  const all = Math.max(1, after.all - before.all);
  const share = (of: keyof CpuTicks) => Math.round((100 * (after[of] - before[of])) / all);
  const busy = 100 - share('idle') - share('waitsForDisk') - share('stolen');
  return `${busy} % busy, ${share('stolen')} % stolen, ${share('waitsForDisk')} % waiting for the disk`;
}

/** Of the seconds that ended within. Milliseconds by the clock of the wall. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** The longest pauses of each node in that time, in words. */
export function worstPauses(directory: string, nodes: readonly { readonly id: string }[], span: Span): string {
  return nodes.map(({ id }) => `${id}: ${pausesIn(readFileSync(recordOf(directory, id), 'utf8'), span)}`).join('; ');
}

/** @param lines a `Pauses` each; the last one may be cut */
export function pausesIn(lines: string, { from, to }: Span): string {
  const whole = lines.slice(0, lines.lastIndexOf('\n') + 1).trimEnd();
  const seconds = whole === '' ? [] : whole.split('\n').map((line) => JSON.parse(line) as Pauses);
  const within = seconds.filter(({ at }) => at > from && at <= to + 1_000);
  const most = (of: 'gcMsMax' | 'syncMsMax') => digits(Math.max(0, ...within.map((second) => second[of])));
  const sum = (of: 'gcMs' | 'syncs') => digits(within.reduce((all, second) => all + second[of], 0));
  const collected = `GC ${sum('gcMs')} ms, the longest ${most('gcMsMax')}`;
  return `${collected}; ${sum('syncs')} writes, the longest ${most('syncMsMax')} ms`;
}
