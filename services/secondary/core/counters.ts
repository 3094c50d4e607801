/** Defines what a secondary counts since its process started, for `/health`. */
export interface Counters {
  /** Records that were delivered again. */
  duplicates: number;
  /** Gaps that opened. */
  gaps: number;
  /** Fetches sent for missing records. */
  fetches: number;
  /** Batches and announcements of an epoch that is not followed any more. */
  staleEpoch: number;
}

/** Counters at 0. */
export function noCounts(): Counters {
  return { duplicates: 0, gaps: 0, fetches: 0, staleEpoch: 0 };
}
