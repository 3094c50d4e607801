/**
 * What the HTTP edge asks of the master behind it. `compose.ts` answers; the tests of the edge hand
 * in their own.
 */
import type { LogReader } from '#http/reading/log-reader';
import type { WaitingClient } from '#http/wait-signal';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  ConcernOutcome,
  ConcernRequest,
  MissingNode,
} from '../core/append';
import type { ForcePlan } from '../core/election/force';
import type { MemberChange } from '../core/events';

export interface SecondaryHealth extends MissingNode {
  /** Seq up to which it is known to hold the log. */
  readonly acked: number;
  readonly lag: number;
  readonly httpUrl: string | null;
  /** Its queue at the broker, where the management API says. */
  readonly queue?: { readonly messages: number; readonly bytes: number; readonly overflowed: boolean };
  /**
   * Its log is not the master's: seq of the first entry that differs, 0 while that is looked for.
   * Left out when they agree.
   */
  readonly differsAt?: number;
}

/** A member as an operator sees it. */
export interface MemberHealth extends SecondaryHealth {
  /** Its vote counts: it has caught up, and the list that says so is the newest. */
  readonly voter: boolean;
}

/** Disks whose loss the log would not survive, although they are a minority of the nodes. */
export interface Unsurvivable {
  /** So many … */
  readonly disks: number;
  /** … of these nodes. */
  readonly of: readonly string[];
  /** A sentence: why, and what ends it. */
  readonly detail: string;
}

export interface MasterHealth {
  readonly node: string;
  readonly role: 'master';
  readonly status: 'ok' | 'degraded' | 'read-only' | 'recovering' | 'standby';
  /** The log's id; null: this node holds none, and has followed none. */
  readonly log: string | null;
  /** The whole identity of a log that an operator has forced. */
  readonly branch?: string;
  readonly epoch: number;
  readonly head: number;
  readonly commit: number;
  readonly quorum: { readonly required: number; readonly alive: number; readonly ok: boolean };
  readonly readOnly: boolean;
  readonly broker: { readonly connected: boolean; readonly blocked: boolean };
  /**
   * Who has a vote, and how many of them are up with the store that has it; null: this node does
   * not reign.
   */
  readonly voters: { readonly names: readonly string[]; readonly up: number | null };
  readonly secondaries: readonly SecondaryHealth[];
  /**
   * Members that never followed this log, and those that only SECONDARIES or only the log names.
   */
  readonly young?: readonly string[];
  readonly unsurvivable?: Unsurvivable;
  /** Nodes that hold another log under a name that belongs here, or any other. */
  readonly foreign?: readonly { readonly id: string; readonly log: string | null; readonly lastSeq: number }[];
  /** Nodes of an older release, whose messages are dropped: all nodes are upgraded together. */
  readonly outdated?: readonly string[];
  /** While `recovering`: what would end it. */
  readonly waitingFor?: string;
  /** While `standby`: who reigns, and where; null while it was not heard. */
  readonly holder?: string | null;
  readonly holderUrl?: string | null;
  /** The voters list was begun by an operator's force, in this epoch; left out while it was not. */
  readonly forcedEpoch?: number;
  /** A setting takes away what the log promises. */
  readonly warning?: string;
}

export interface MasterPort {
  readonly reader: LogReader;
  /**
   * Never rejects for anything a client did. When the client has left the wait ends, the entry
   * stays; the promise then resolves with any outcome.
   */
  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome>;
  /** As `append`, for several entries: all of them, or none. */
  appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome>;
  /**
   * As `append`, for an entry that is in the log: waits until the concern is met. Null for a seq
   * that is not visible.
   */
  awaitConcern(request: ConcernRequest, client: WaitingClient): Promise<ConcernOutcome | null>;
  /** Nodes known to hold the entry, null for a seq that is not visible. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null;
  health(): MasterHealth;
  members(): readonly MemberHealth[];
  /** Resolves when the list without the member is committed. */
  removeMember(id: string): Promise<MemberChange>;
  /** Takes a node in, also one that was removed; resolves when the list with it is committed. */
  admitMember(id: string): Promise<MemberChange>;
  /** What an operator's force would come to now, and what would be given up. */
  forcePlan(begin: 'best' | 'new'): ForcePlan;
  /**
   * Gives a lost majority up, or begins a new log where there is none, when that is `ready`; else
   * prepares it.
   */
  force(begin: 'best' | 'new'): Promise<ForcePlan>;
  /** Would it take an append now? The sentence says why not. */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string };
}
