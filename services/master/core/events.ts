/**
 * Defines the events that go into the master's machine and the effects that come out. Completion is
 * an event: an effect counts as done only once its completion is reported.
 */
import type { BatchHeader, FetchEffect, LogEffect } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { ControlMessage, WireMessage } from '#protocol/wire/messages';
import type { WriteConcern } from '#protocol/write-concern';
import type { AppendOutcome } from './append';
import type { ForcePlan } from './election/force';
import type { Publish } from './leadership/publish-window';

/** An entry that a client wants to append. */
export interface NewEntry {
  readonly message: string;
  /** The client's id; null: the master makes one. */
  readonly id: string | null;
}

/** A client appends entries. */
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
   * The group stays open until a `flush`, which the driver promises for the end of its turn. Left
   * out: the group may go to the store at once.
   */
  readonly deferFlush?: boolean;
  /**
   * Each entry is an append of its own. If all of them can be appended now, this event does what
   * one event for each, in the same turn, would do. If not, nothing is appended and the answer is
   * `split`: the driver asks for each entry alone, in order. Left out: the entries are one append.
   */
  readonly separate?: boolean;
}

/** An operator removes a member for good, or admits a node, which may be a removed one. */
export interface ChangeMember {
  readonly type: 'remove' | 'admit';
  readonly request: number;
  readonly node: string;
}

/** A client asks for a stronger write concern of the entry `seq`, which is in the log. */
export interface Await {
  readonly type: 'await';
  readonly request: number;
  readonly seq: number;
  readonly writeConcern: WriteConcern;
}

/** The client's timeout has passed, or the client has disconnected. */
export interface GiveUp {
  readonly type: 'giveUp';
  readonly request: number;
  readonly why: 'timeout' | 'gone';
}

/** The records that `load` asked for, as far as the store has them; null: the read failed. */
export interface Loaded {
  readonly type: 'loaded';
  readonly request: number;
  readonly records: readonly LogRecord[] | null;
}

/** An event of the master's machine. */
export type MasterEvent =
  | Append
  /** The end of a turn with appends: their group may go to the store. */
  | { readonly type: 'flush' }
  | Await
  | Loaded
  | GiveUp
  /** `checksum`: running CRC-32 of the store at the end of the group. */
  | { readonly type: 'stored'; readonly generation: number; readonly checksum: number }
  | { readonly type: 'storeFailed'; readonly generation: number; readonly fatal: boolean; readonly what: string }
  | { readonly type: 'promiseSaved'; readonly promised: Promised }
  /**
   * The lock is held and the topology is declared. `reign` is a fresh random id for a claim.
   * `freshBroker`: the broker knows of no log.
   */
  | { readonly type: 'up'; readonly freshBroker: boolean; readonly reign: string }
  /** The broker has confirmed `declare`. */
  | { readonly type: 'declared' }
  | { readonly type: 'down' }
  /** Another process has the lock. */
  | { readonly type: 'locked' }
  | { readonly type: 'blocked'; readonly blocked: boolean }
  /** Bytes of the largest message that the broker takes. */
  | { readonly type: 'messageLimit'; readonly bytesMax: number }
  /** Why the broker gives this node no session, in its words; null: it does. */
  | { readonly type: 'brokerTrouble'; readonly reason: string | null }
  | { readonly type: 'confirmed'; readonly publish: number }
  | { readonly type: 'unconfirmed'; readonly publish: number; readonly random: number }
  | { readonly type: 'wire'; readonly message: WireMessage; readonly replyTo: string | null }
  /** Time has passed. `reign` as in `up`; `random` in [0, 1). */
  | { readonly type: 'tick'; readonly reign: string; readonly random: number }
  | ChangeMember
  /** An operator forces a configuration (`best`), or a log where there is none (`new`). */
  | { readonly type: 'force'; readonly request: number; readonly begin: 'best' | 'new' }
  | { readonly type: 'shutdown' };

/** The entries that a client waits for, or waited for. */
interface Awaited {
  /** All of them were in the log when the client asked for them. */
  readonly repeated: boolean;
  /** Seqs of the first and the last entry. */
  readonly first: number;
  readonly seq: number;
}

/** A client's answer without the entry's bytes, which the driver adds. */
export type Answer =
  | Extract<AppendOutcome, { outcome: 'unsatisfiable' | 'refused' }>
  | ({ readonly outcome: 'acknowledged'; readonly w: number; readonly acks: readonly string[] } & Awaited)
  | (Extract<AppendOutcome, { outcome: 'unresolved' }> & Awaited)
  /** Nothing was appended: see idempotency.ts. Lines count the append's entries from 1. */
  | { readonly outcome: 'id-conflict'; readonly lines: readonly number[]; readonly seq: number }
  | { readonly outcome: 'id-reserved' | 'ids-known'; readonly lines: readonly number[] }
  /** Nothing was appended: the broker takes no message with these entries. */
  | { readonly outcome: 'too-large'; readonly lines: readonly number[]; readonly bytesMax: number }
  /** Nothing was appended: of a `separate` append, ids are known or an entry is too large. */
  | { readonly outcome: 'split' }
  /** Nothing was appended: the store cannot tell whether an id is known, or with which text. */
  | { readonly outcome: 'unreadable' }
  /** The log has no such entry: the seq is above the head. */
  | { readonly outcome: 'no-such-entry' };

/** How an operator's change of the members ends. */
export type MemberChange =
  /** The configuration with the change is committed; `isNew` is false if nothing had to change. */
  | { readonly outcome: 'done'; readonly isNew: boolean }
  /** There is no such member. */
  | { readonly outcome: 'unknown' }
  /** The node is the master itself, which is not a member. */
  | { readonly outcome: 'own-node' }
  /** The opposite change was requested before this one was committed. */
  | { readonly outcome: 'superseded' }
  | Extract<AppendOutcome, { outcome: 'refused' }>;

/** An effect that the master's machine asks its driver for. */
export type MasterEffect =
  | LogEffect
  | FetchEffect
  | { readonly do: 'savePromise'; readonly promised: Promised }
  /** A log has begun: declare the entries exchange and the members' queues. */
  | { readonly do: 'declare' }
  | { readonly do: 'publish'; readonly publish: Publish; readonly header: BatchHeader }
  | { readonly do: 'broadcast'; readonly message: ControlMessage }
  /** Release the lock for a while, so that another master can try to be elected. */
  | { readonly do: 'yield' }
  | { readonly do: 'answer'; readonly request: number; readonly answer: Answer }
  /** Read these records of the log for a request; `loaded` reports them. */
  | { readonly do: 'load'; readonly request: number; readonly indexes: readonly number[] }
  | { readonly do: 'ensureMember'; readonly node: string }
  /** The configuration without the node is committed: delete its queue. */
  | { readonly do: 'removeMember'; readonly node: string }
  | { readonly do: 'memberChange'; readonly request: number; readonly outcome: MemberChange }
  /** Answer an operator's force; a plan that is `ready` takes effect now. */
  | { readonly do: 'force'; readonly request: number; readonly plan: ForcePlan }
  /** This store came back with less than it had acknowledged: give it a new id and restart. */
  | { readonly do: 'renewStore' }
  /** The store is broken: the process has to stop. */
  | { readonly do: 'halt'; readonly why: string };

/** One step of the machine: its time in milliseconds and its effects. */
export interface Step {
  readonly now: number;
  readonly out: MasterEffect[];
}
