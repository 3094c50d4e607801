/** The kinds of faults of a chaos run, and what is written down of each. */

/** Gives up the promise of the log, so nothing comes behind it. */
export const LAST_ACT = 'majority lost, and forced';

export const KINDS = [
  'kill -9 of a secondary',
  'kill -9 of the master',
  'SIGSTOP and SIGCONT',
  'broker restart',
  'broker kill',
  'queue purge',
  'queue deletion',
  'connections closed',
  'network cut',
  'network delay',
  'data folder deleted',
  'older folder restored',
  'folder of another log',
  'removal and re-admission',
  'late node',
  LAST_ACT,
] as const;
export type Kind = (typeof KINDS)[number];

export interface Fault {
  readonly kind: Kind;
  readonly node: string;
  /** Milliseconds since the beginning of the run. */
  readonly from: number;
  readonly until: number;
  /** Its effect was seen. */
  readonly isSeen: boolean;
}

/** What a fault came to. */
export interface Struck {
  readonly node: string;
  readonly isSeen: boolean;
}

/**
 * How often each kind is drawn beside the others. A broker restart costs everybody some seconds;
 * the others shall have their turn. The late node comes once, and the last act at the end: neither
 * is drawn.
 */
export const WEIGHTS: Readonly<Record<Exclude<Kind, 'late node' | typeof LAST_ACT>, number>> = {
  'kill -9 of a secondary': 4,
  'kill -9 of the master': 4,
  'SIGSTOP and SIGCONT': 4,
  'broker restart': 1,
  'broker kill': 1,
  'queue purge': 4,
  'queue deletion': 4,
  'connections closed': 4,
  'network cut': 4,
  'network delay': 4,
  'data folder deleted': 4,
  'older folder restored': 4,
  'folder of another log': 3,
  'removal and re-admission': 4,
};

/** A disk or a member less: only while all others are voters. */
export const NEEDS_ALL: ReadonlySet<Kind> = new Set<Kind>([
  'data folder deleted',
  'older folder restored',
  'folder of another log',
  'removal and re-admission',
]);
