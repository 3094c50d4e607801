/**
 * What goes into the master's machine and what comes out of it. Completion is an event: nothing
 * happens until it is reported.
 */

import type { BatchHeader, FetchEffect, LogEffect } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { WriteConcern } from '#protocol/write-concern';
import type { AppendOutcome } from './append';
import type { ForcePlan } from './election/force';
import type { Publish } from './leadership/publish-window';

export interface NewEntry {
  readonly message: string;
  /** null: the master makes one. */
  readonly id: string | null;
}

export interface Append {
  readonly type: 'append';
  /** Number of the request, unique in this process. */
  readonly request: number;
  /** At least one; all of them are appended, or none. */
  readonly entries: readonly NewEntry[];
  /** The master's time, ISO 8601 in UTC. */
  readonly ts: string;
  readonly writeConcern: WriteConcern;
  /**
   * Its group stays open until a `flush`, which the driver promises for the end of its turn. Left
   * out: no.
   */
  readonly deferFlush?: boolean;
}

/** An operator takes a member out for good, or takes a node in: also one that was removed. */
export interface ChangeMember {
  readonly type: 'remove' | 'admit';
  readonly request: number;
  readonly node: string;
}

/** A client asks for a stronger concern of an entry that is in the log already. */
export interface Await {
  readonly type: 'await';
  readonly request: number;
  readonly seq: number;
  readonly writeConcern: WriteConcern;
}

/** The client's timeout passed, or the client is gone. */
export interface GiveUp {
  readonly type: 'giveUp';
  readonly request: number;
  readonly why: 'timeout' | 'gone';
}

/** What `load` asked for, as far as the store has it; null: it could not be read. */
export interface Loaded {
  readonly type: 'loaded';
  readonly request: number;
  readonly records: readonly LogRecord[] | null;
}

export type MasterEvent =
  | Append
  /** The end of a turn in which appends came: the group that they made may go to the store. */
  | { readonly type: 'flush' }
  | Await
  | Loaded
  | GiveUp
  /** `checksum`: the running one of the store at the end of the group. */
  | { readonly type: 'stored'; readonly generation: number; readonly checksum: number }
  | { readonly type: 'storeFailed'; readonly generation: number; readonly fatal: boolean; readonly what: string }
  | { readonly type: 'promiseSaved'; readonly promised: Promised }
  /**
   * The lock is held, the topology stands. `reign` is a fresh random id, used if a claim is made.
   */
  | { readonly type: 'up'; readonly freshBroker: boolean; readonly reign: string }
  /** What `declare` asked for is done. */
  | { readonly type: 'declared' }
  | { readonly type: 'down' }
  /** Another process has the lock. */
  | { readonly type: 'locked' }
  | { readonly type: 'blocked'; readonly blocked: boolean }
  | { readonly type: 'confirmed'; readonly publish: number }
  | { readonly type: 'unconfirmed'; readonly publish: number; readonly random: number }
  | { readonly type: 'wire'; readonly message: WireMessage; readonly replyTo: string | null }
  /** Time has passed. `reign` as in `up`; `random` in [0, 1). */
  | { readonly type: 'tick'; readonly reign: string; readonly random: number }
  | ChangeMember
  /** An operator gives a lost majority up, or asks for a log where there is none. */
  | { readonly type: 'force'; readonly request: number; readonly begin: 'best' | 'new' }
  | { readonly type: 'shutdown' };

/** Which entries a client waits for, or waited for. */
export interface Awaited {
  /** All of them were in the log when they were asked for. */
  readonly repeated: boolean;
  /** Seqs of the first and the last one. */
  readonly first: number;
  readonly seq: number;
}

/** A client's answer without the entry's bytes, which the driver adds. */
export type Answer =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' }>
  | ({ readonly outcome: 'acknowledged'; readonly w: number; readonly acks: readonly string[] } & Awaited)
  | (Extract<AppendOutcome, { outcome: 'unresolved' }> & Awaited)
  /** Nothing was appended: see idempotency.ts. Lines count the entries of the append, from 1. */
  | { readonly outcome: 'id-conflict'; readonly lines: readonly number[]; readonly seq: number }
  | { readonly outcome: 'id-reserved' | 'ids-known'; readonly lines: readonly number[] }
  /** Nothing was appended: the store cannot tell whether an id is known, or with which text. */
  | { readonly outcome: 'unreadable' }
  /** Nothing to wait for: the seq is above the head. */
  | { readonly outcome: 'no-such-entry' };

/** How an operator's change of the members ends. */
export type MemberChange =
  /** The list that says so is committed; `isNew` is false when nothing had to be changed. */
  | { readonly outcome: 'done'; readonly isNew: boolean }
  /** There is no such member. */
  | { readonly outcome: 'unknown' }
  /** The master itself is no member of its own. */
  | { readonly outcome: 'own-node' }
  /** Another operator has asked for the opposite before this was done. */
  | { readonly outcome: 'superseded' }
  | Extract<AppendOutcome, { outcome: 'refused' }>;

export type MasterEffect =
  | LogEffect
  | FetchEffect
  | { readonly do: 'savePromise'; readonly promised: Promised }
  /** A log has begun: the broker is told of it by the entries exchange, and the members' queues. */
  | { readonly do: 'declare' }
  | { readonly do: 'publish'; readonly publish: Publish; readonly header: BatchHeader }
  | { readonly do: 'broadcast'; readonly message: MessageOf<'announce' | 'claim'> }
  /** Give the lock up for a while: another master may be elected where this one is not. */
  | { readonly do: 'yield' }
  | { readonly do: 'answer'; readonly request: number; readonly answer: Answer }
  /**
   * Read these records of the log, for a request that depends on them; `loaded` says what they are.
   */
  | { readonly do: 'load'; readonly request: number; readonly indexes: readonly number[] }
  | { readonly do: 'ensureMember'; readonly node: string }
  /** The list without it is committed: its queue can go. */
  | { readonly do: 'removeMember'; readonly node: string }
  | { readonly do: 'memberChange'; readonly request: number; readonly outcome: MemberChange }
  /** What an operator is told of a force; `ready` means that it begins now. */
  | { readonly do: 'force'; readonly request: number; readonly plan: ForcePlan }
  /**
   * This store came back with less than it had acknowledged: it must be another one, from the next
   * start on.
   */
  | { readonly do: 'renewStore' }
  /** A broken store: the process has to stop. */
  | { readonly do: 'halt'; readonly why: string };
