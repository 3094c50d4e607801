/**
 * What a node keeps durably beside its log: Raft's currentTerm and votedFor (§5.2), which log that
 * epoch belongs to, and how far the log is committed.
 */
import type { Identity } from './identity';

export interface Promised {
  /** 0: none yet. */
  readonly epoch: number;
  readonly reign: string;
  /** `node/store` of the claimant that has this node's vote in the epoch; null: none. */
  readonly votedFor: string | null;
  /**
   * The log whose epoch this is, as its master named it; null: that of a claimant without a log, or
   * none.
   */
  readonly log: Identity | null;
  /**
   * The longest identity that this node knows its log by: its records', or that of an elected
   * master it has followed. Null: it is blank.
   */
  readonly identity: Identity | null;
  /**
   * Index up to which the log is known to be committed. Too low is harmless; never above the
   * durable end.
   */
  readonly commit: number;
}

export const NO_PROMISE: Promised = { epoch: 0, reign: '', votedFor: null, log: null, identity: null, commit: 0 };
