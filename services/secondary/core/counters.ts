/** What a secondary has met since its process started, for its health report. */
export interface Counters {
  /** Records that came again. */
  duplicates: number;
  /** Holes that opened. */
  gaps: number;
  fetches: number;
  /** Batches of an epoch that is over. */
  staleEpoch: number;
  /** Batches of an epoch that nobody announced yet. */
  unknownEpoch: number;
  /** Well-formed messages that contradict the log. */
  misfits: number;
}

export function noCounts(): Counters {
  return { duplicates: 0, gaps: 0, fetches: 0, staleEpoch: 0, unknownEpoch: 0, misfits: 0 };
}
