/**
 * Latencies, in milliseconds, counted in buckets of 1 % width from 10 µs to 1,000 s: constant
 * memory however many there are, percentiles that are right within 1 %. After HdrHistogram's idea,
 * with logarithmic buckets.
 */

const LEAST_MS = 0.01;
const GROWTH = 1.01;
const LOG_GROWTH = Math.log(GROWTH);
const BUCKETS = Math.ceil(Math.log(1e8) / LOG_GROWTH);

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Histogram {
  count = 0;
  private max = 0;
  private readonly buckets = new Uint32Array(BUCKETS + 1);

  record(ms: number): void {
    const at = ms <= LEAST_MS ? 0 : Math.min(BUCKETS, Math.ceil(Math.log(ms / LEAST_MS) / LOG_GROWTH));
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.count += 1;
    if (ms > this.max) this.max = ms;
  }

  /** @param share 0 to 1; 0 for an empty histogram */
  quantile(share: number): number {
    let left = Math.ceil(this.count * share);
    for (let at = 0; at <= BUCKETS; at += 1) {
      left -= this.buckets[at] ?? 0;
      if (left <= 0) return Math.min(LEAST_MS * GROWTH ** at, this.max);
    }
    return this.max;
  }

  get percentiles(): Percentiles {
    const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = [0.5, 0.9, 0.99, 0.999].map((share) => round(this.quantile(share)));
    return { p50, p90, p99, p999, max: round(this.max) };
  }
}

function round(ms: number): number {
  return Number(ms.toPrecision(3));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const [low = 0, high = 0] = [sorted[middle - 1 + (sorted.length % 2)], sorted[middle]];
  return sorted.length === 0 ? 0 : (low + high) / 2;
}
