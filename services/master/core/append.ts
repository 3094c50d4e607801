/**
 * What a client asks of the master, and every way it can end. Outcomes are values: none of them is
 * thrown.
 */
import type { WriteConcern } from '#protocol/write-concern';
import type { MemberStatus } from './members/failure-detector';

export interface AppendRequest {
  readonly message: string;
  /** The client's id; null: the master makes one. */
  readonly id: string | null;
  readonly writeConcern: WriteConcern;
  /** null: as long as it takes. */
  readonly timeoutMs: number | null;
}

/** A secondary that an append would need. */
export interface MissingNode {
  readonly id: string;
  readonly status: MemberStatus;
  /** Whole milliseconds since its last sign of life; null: never heard. */
  readonly lastSeenMs: number | null;
  /** It said that it stops. */
  readonly left?: true;
}

/** Why nothing was appended. */
export type Refusal =
  | 'no-quorum'
  | 'recovering'
  | 'another-log'
  | 'standby'
  | 'overloaded'
  | 'storage'
  | 'shutting-down'
  | 'deposed';

export type AppendOutcome =
  | {
      readonly outcome: 'acknowledged';
      /** The same id and message were appended before. */
      readonly repeated: boolean;
      readonly seq: number;
      /** The entry as JSON. */
      readonly entry: Uint8Array;
      readonly w: number;
      /** Nodes known to hold the entry. */
      readonly acks: readonly string[];
    }
  | { readonly outcome: 'unsatisfiable'; readonly w: number; readonly nodes: number }
  | { readonly outcome: 'id-conflict'; readonly seq: number }
  /** An id of the generated form that this log has never given. */
  | { readonly outcome: 'id-reserved' }
  | {
      /** Nothing was appended. */
      readonly outcome: 'refused';
      readonly problem: Refusal;
      /** A sentence: why, and what would end it. */
      readonly detail: string;
      readonly retryAfterS: number;
      readonly quorum: { readonly required: number; readonly alive: number };
      readonly missing: readonly MissingNode[];
      /**
       * An append of the same id is in this node's log, and may be kept or cut by the next reign.
       * Left out: it is in no log.
       */
      readonly stored?: 'unknown';
    }
  | {
      /** It has a seq, but the client gets no answer to its concern. */
      readonly outcome: 'unresolved';
      readonly problem: 'write-concern-timeout' | 'shutting-down' | 'deposed';
      readonly seq: number;
      readonly id: string;
      readonly w: number;
      readonly acks: readonly string[];
      readonly stored: true | 'unknown';
    };

/** A client asks later for a stronger concern. */
export interface ConcernRequest extends Omit<AppendRequest, 'message' | 'id'> {
  readonly seq: number;
}

export type ConcernOutcome =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' | 'unresolved' }>
  | { readonly outcome: 'acknowledged'; readonly seq: number; readonly w: number; readonly acks: readonly string[] };

/** Several entries at once: all of them, or none. */
export interface BulkRequest extends Omit<AppendRequest, 'message' | 'id'> {
  /** At least one; no id twice. */
  readonly entries: readonly { readonly message: string; readonly id: string | null }[];
}

export type BulkOutcome =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' }>
  | {
      readonly outcome: 'acknowledged';
      /** All ids with these messages were appended before. */
      readonly repeated: boolean;
      /** Seqs of the first and the last entry. */
      readonly first: number;
      readonly last: number;
      readonly count: number;
      readonly w: number;
      /** Nodes known to hold all of them. */
      readonly acks: readonly string[];
    }
  /** Some ids are known and some are not: lines, from 1, of the known ones. */
  | { readonly outcome: 'ids-known'; readonly lines: readonly number[] }
  /** Ids that are known with another message: their lines, from 1. */
  | { readonly outcome: 'ids-conflict'; readonly lines: readonly number[] }
  | {
      readonly outcome: 'unresolved';
      readonly problem: 'write-concern-timeout' | 'shutting-down' | 'deposed';
      readonly first: number;
      readonly last: number;
      readonly count: number;
      readonly w: number;
      readonly acks: readonly string[];
      readonly stored: true | 'unknown';
    };
