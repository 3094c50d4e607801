/**
 * Defines the promise, which a node keeps durably beside its log: Raft's currentTerm and votedFor
 * (§5.2), the log that the epoch belongs to, and the commit index.
 */
import type { Identity } from './identity';

/** The persistent state of a node's vote. */
export interface Promised {
  /** Highest epoch that the node has promised (Raft: currentTerm); 0 for none yet. */
  readonly epoch: number;
  readonly reign: string;
  /** `node/store` of the candidate that has this node's vote in the epoch; null for none. */
  readonly votedFor: string | null;
  /**
   * The log that the epoch belongs to, as its master or candidate named it; null for a candidate
   * without a log, or for no epoch.
   */
  readonly log: Identity | null;
  /**
   * The longest identity that this node knows of its log: that of its records, or that of an
   * elected master it has followed. Null when it is blank.
   */
  readonly identity: Identity | null;
  /**
   * Index up to which the log is known to be committed. It may be too low, but is never above the
   * durable end of the log.
   */
  readonly commit: number;
}

/** The promise of a new store. */
export const NO_PROMISE: Promised = { epoch: 0, reign: '', votedFor: null, log: null, identity: null, commit: 0 };
