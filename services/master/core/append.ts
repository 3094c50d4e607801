/**
 * Defines the requests of clients and every outcome they can have. Outcomes are values: none of
 * them is thrown.
 */
import type { WriteConcern } from '#protocol/write-concern';
import type { MemberStatus } from './members/failure-detector';

/** A client asks for one new entry. */
export interface AppendRequest {
  readonly message: string;
  /** The client's id; null: the master makes one. */
  readonly id: string | null;
  readonly writeConcern: WriteConcern;
  /** Null: the client waits without a bound. */
  readonly timeoutMs: number | null;
}

/** A secondary that is not Healthy. */
export interface MissingNode {
  readonly id: string;
  readonly status: MemberStatus;
  /** Whole milliseconds since its last message; null: never heard. */
  readonly lastSeenMs: number | null;
  /** It has announced its stop; left out: it has not. */
  readonly left?: true;
}

/** Why an append was refused; clients see it as the problem's name. */
export type Refusal =
  | 'no-quorum'
  | 'recovering'
  | 'another-log'
  | 'standby'
  | 'overloaded'
  | 'storage'
  | 'shutting-down'
  | 'deposed';

/** How an append ends. */
export type AppendOutcome =
  | {
      readonly outcome: 'acknowledged';
      /** The same id and message were appended before. */
      readonly repeated: boolean;
      readonly seq: number;
      /** The entry as JSON in UTF-8. */
      readonly entry: Uint8Array;
      readonly w: number;
      /** Nodes known to hold the entry. */
      readonly acks: readonly string[];
    }
  | { readonly outcome: 'unsatisfiable'; readonly w: number; readonly nodes: number }
  | { readonly outcome: 'id-conflict'; readonly seq: number }
  /** An id of the generated form that this log has not given. */
  | { readonly outcome: 'id-reserved' }
  /** Nothing was appended: no message of `bytesMax` bytes, which the broker takes, could carry it. */
  | { readonly outcome: 'too-large'; readonly bytesMax: number }
  | {
      /** Nothing was appended. */
      readonly outcome: 'refused';
      readonly problem: Refusal;
      /** Sentences for people: the reason, and what would end it. */
      readonly detail: string;
      readonly retryAfterS: number;
      readonly quorum: { readonly required: number; readonly alive: number };
      readonly missing: readonly MissingNode[];
      /**
       * An entry with the same id was in this node's log, and the next reign may keep or truncate
       * it. Left out: the entry is in no log.
       */
      readonly stored?: 'unknown';
    }
  | {
      /** The entry has a seq, but its write concern was not met in time. */
      readonly outcome: 'unresolved';
      readonly problem: 'write-concern-timeout' | 'shutting-down' | 'deposed';
      readonly seq: number;
      readonly id: string;
      readonly w: number;
      readonly acks: readonly string[];
      readonly stored: true | 'unknown';
    };

/** A client asks later for a stronger write concern of the entry `seq`. */
export interface ConcernRequest extends Omit<AppendRequest, 'message' | 'id'> {
  readonly seq: number;
}

/** How a concern request ends. */
export type ConcernOutcome =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' | 'unresolved' }>
  | { readonly outcome: 'acknowledged'; readonly seq: number; readonly w: number; readonly acks: readonly string[] };

/** A client asks for several new entries: all of them are appended, or none. */
export interface BulkRequest extends Omit<AppendRequest, 'message' | 'id'> {
  /** At least one; no id twice. */
  readonly entries: readonly { readonly message: string; readonly id: string | null }[];
}

/** How a bulk append ends. */
export type BulkOutcome =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' }>
  | {
      readonly outcome: 'acknowledged';
      /** All entries were appended before, with the same ids and messages. */
      readonly repeated: boolean;
      /** Seqs of the first and the last entry. */
      readonly first: number;
      readonly last: number;
      readonly count: number;
      readonly w: number;
      /** Nodes known to hold all of the entries. */
      readonly acks: readonly string[];
    }
  /** As for a single entry; lines, from 1, of those that are too large. */
  | { readonly outcome: 'too-large'; readonly lines: readonly number[]; readonly bytesMax: number }
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

/**
 * Consecutive lines of a request in which each line is an append of its own. They have one write
 * concern and one timeout, and either all have a client's id or none has.
 */
export interface Section extends BulkRequest {
  /** Number of the first line in its request, from 0; empty lines do not count. */
  readonly at: number;
}

/** How lines of a section end. Of several lines, `seq` and `id` are those of the last one. */
export type SectionOutcome =
  | Omit<Extract<AppendOutcome, { outcome: 'acknowledged' }>, 'entry'>
  | Exclude<AppendOutcome, { outcome: 'acknowledged' }>;

/** Learns how the lines of one request end. */
export interface LineListener {
  /** The lines `at` … `at + count - 1` have ended so. Called once for each line, in any order. */
  told(at: number, count: number, outcome: SectionOutcome): void;
  /** What became of some lines cannot be told. */
  failed(error: unknown): void;
}
