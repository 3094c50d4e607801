/** Defines what a master counts since its process started, for `/health`. */
export interface Counters {
  /** Batches that the broker refused. All unconfirmed records are published again after each. */
  resends: number;
}

/** Counters at 0. */
export function noCounts(): Counters {
  return { resends: 0 };
}
