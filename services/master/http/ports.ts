/**
 * Defines the port through which the HTTP edge uses its master. `compose.ts` implements it; the
 * tests of the edge have their own implementation.
 */
import type { LogReader } from '#http/reading/log-reader';
import type { WaitingClient } from '#http/wait-signal';
import type { Shortage } from '#storage/log-store';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  ConcernOutcome,
  ConcernRequest,
  LineListener,
  MissingNode,
  Section,
} from '../core/append';
import type { Counters } from '../core/counters';
import type { ForcePlan } from '../core/election/force';
import type { MemberChange } from '../core/events';

/** A secondary, as `/health` shows it. */
interface SecondaryHealth extends MissingNode {
  /** Seq up to which it is known to hold the log; 0: nothing yet. */
  readonly acked: number;
  /** Number of entries that it is behind the master. */
  readonly lag: number;
  /** URL of its HTTP edge; null: not reported yet. */
  readonly httpUrl: string | null;
  /** The depth of its queue; left out if the management API does not report it. */
  readonly queue?: { readonly messages: number; readonly bytes: number; readonly overflowed: boolean };
  /**
   * Seq of the first entry that differs from the master's log; 0: it differs, but the entry is not
   * found yet. Left out when the logs agree.
   */
  readonly differsAt?: number;
}

/** A member, as `/members` shows it. */
export interface MemberHealth extends SecondaryHealth {
  /** It is a voter of the newest configuration with its present store. */
  readonly voter: boolean;
}

/** Disks whose loss the log would not survive, although they are a minority of the nodes. */
export interface Unsurvivable {
  /** Number of lost disks. */
  readonly disks: number;
  /** The nodes that these disks belong to. */
  readonly of: readonly string[];
  /** A sentence: the reason, and what ends the state. */
  readonly detail: string;
}

/** The body of `GET /health`. Positions are seqs; 0 is "nothing yet". */
export interface MasterHealth {
  readonly node: string;
  readonly role: 'master';
  readonly status: 'ok' | 'degraded' | 'read-only' | 'recovering' | 'standby';
  /** The log's id; null: this node holds no log and has followed none. */
  readonly log: string | null;
  /** Identity of a log that an operator has forced; left out for any other. */
  readonly branch?: string;
  readonly epoch: number;
  readonly head: number;
  readonly commit: number;
  readonly quorum: { readonly required: number; readonly alive: number; readonly ok: boolean };
  readonly readOnly: boolean;
  /** `trouble`: why there is no session with it, in its own words, and what ends that. */
  readonly broker: {
    readonly connected: boolean;
    readonly blocked: boolean;
    readonly trouble?: string;
    /** Why it is not known whether policies limit the log's queues. */
    readonly policies?: string;
  };
  /**
   * Names of the voters, and the number of them that are up with the store that has the vote; null:
   * this node does not reign.
   */
  readonly voters: { readonly names: readonly string[]; readonly up: number | null };
  /** Counts since the process started. */
  readonly counters: Readonly<Counters>;
  readonly secondaries: readonly SecondaryHealth[];
  /** While the disk has less free than DISK_FREE_MIN: no entry is taken. */
  readonly storage?: Shortage;
  /** Members that were never a voter, and nodes that only SECONDARIES or only the log names. */
  readonly young?: readonly string[];
  readonly unsurvivable?: Unsurvivable;
  /** Nodes that hold another log, members or not. */
  readonly foreign?: readonly { readonly id: string; readonly log: string | null; readonly lastSeq: number }[];
  /** Nodes of an older release. Their messages are dropped: upgrade all nodes together. */
  readonly outdated?: readonly string[];
  /** While `recovering`: the condition that would end it. */
  readonly waitingFor?: string;
  /** While `standby`: the reigning master and its URL; null: none was heard. */
  readonly holder?: string | null;
  readonly holderUrl?: string | null;
  /** Epoch in which an operator last forced a configuration; left out: never in this log. */
  readonly forcedEpoch?: number;
  /** A sentence about a setting that weakens the guarantees of the log. */
  readonly warning?: string;
}

/** The master, as the HTTP edge uses it. */
export interface MasterPort {
  readonly reader: LogReader;
  /**
   * Appends an entry. A request never makes it reject. If the client disconnects, the wait ends and
   * the entry stays; the promise then resolves with some outcome, which is not sent.
   */
  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome>;
  /** As `append`, for several entries: all of them, or none. */
  appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome>;
  /** As `append`, for each entry of the sections: in order, and each on its own. Never throws. */
  appendEach(sections: readonly Section[], client: WaitingClient, lines: LineListener): void;
  /**
   * As `append`, for an entry that is in the log: waits until the write concern is met.
   * @returns null for a seq that readers do not see
   */
  awaitConcern(request: ConcernRequest, client: WaitingClient): Promise<ConcernOutcome | null>;
  /** Nodes known to hold the entry, and whether it is committed; null: readers do not see it. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null;
  health(): MasterHealth;
  members(): readonly MemberHealth[];
  /** Removes a member. Resolves when the configuration without it is committed. */
  removeMember(id: string): Promise<MemberChange>;
  /** Admits a node, also a removed one. Resolves when the configuration with it is committed. */
  admitMember(id: string): Promise<MemberChange>;
  /** The plan of a force at this moment, and the entries that would be lost. */
  forcePlan(begin: 'best' | 'new'): ForcePlan;
  /**
   * Forces a configuration (`best`), or a new log where there is none (`new`). A plan that is not
   * `ready` is only prepared.
   */
  force(begin: 'best' | 'new'): Promise<ForcePlan>;
  /** Would the master accept an append now? `reason` is a sentence. */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string };
}
