/**
 * How fast a secondary catches up, from samples of its position over the last seconds. Pure: time
 * is an argument, in milliseconds.
 */

export interface CatchUp {
  /** Entries still to be applied. */
  readonly remaining: number;
  /** Entries a second; null before there are two samples. */
  readonly perSecond: number | null;
  /** null while the pace is unknown or nothing moves. */
  readonly secondsLeft: number | null;
}

/** Long enough to even out batches, short enough to follow a change of pace. */
const WINDOW_MS = 5_000;
const SAMPLE_MS = 200;

interface Sample {
  readonly at: number;
  readonly applied: number;
}

export class CatchUpMeter {
  private samples: Sample[] = [];

  sample(now: number, applied: number): void {
    const last = this.samples.at(-1);
    if (last !== undefined && now - last.at < SAMPLE_MS) return;
    this.samples.push({ at: now, applied });
    while ((this.samples[0]?.at ?? now) < now - WINDOW_MS) this.samples.shift();
  }

  /** @param remaining entries between the applied one and the head */
  read(remaining: number): CatchUp {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.at === first.at)
      return { remaining, perSecond: null, secondsLeft: null };
    const perSecond = Math.max(0, Math.round(((last.applied - first.applied) * 1000) / (last.at - first.at)));
    return { remaining, perSecond, secondsLeft: perSecond > 0 ? Math.ceil(remaining / perSecond) : null };
  }
}
