/** What the HTTP edge asks of the master behind it. `node.ts` answers; the tests of the edge hand in their own. */
import type { LogReader } from '../../shared/runtime/log-reader';
import type { WaitingClient } from '../../shared/runtime/wait-signal';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  HoldOutcome,
  HoldRequest,
  MissingNode,
} from './core/append';
import type { Removal } from './core/events';

export interface SecondaryHealth extends MissingNode {
  /** Seq up to which it is known to hold the log. */
  readonly acked: number;
  readonly lag: number;
  readonly httpUrl: string | null;
  /** Its queue at the broker, where the management API says. */
  readonly queue?: { readonly messages: number; readonly bytes: number; readonly overflowed: boolean };
  /** Its log is not the master's: seq of the first entry that differs, 0 while that is looked for. Left out when they agree. */
  readonly differsAt?: number;
}

/** A member as an operator sees it. */
export interface MemberHealth extends SecondaryHealth {
  /** Its vote counts: it has caught up, and the list that says so is the newest. */
  readonly voter: boolean;
}

export interface MasterHealth {
  readonly node: string;
  readonly role: 'master';
  readonly status: 'ok' | 'degraded' | 'read-only' | 'recovering' | 'standby';
  readonly epoch: number;
  readonly head: number;
  readonly commit: number;
  readonly quorum: { readonly required: number; readonly alive: number; readonly ok: boolean };
  readonly readOnly: boolean;
  readonly broker: { readonly connected: boolean; readonly blocked: boolean };
  readonly secondaries: readonly SecondaryHealth[];
  /** While `recovering`: what would end it. */
  readonly waitingFor?: string;
  /** While `standby`: who reigns, and where; null while it was not heard. */
  readonly holder?: string | null;
  readonly holderUrl?: string | null;
  /** The voters list was begun by an operator's force, in this epoch; left out while it was not. */
  readonly forcedEpoch?: number;
  /** Quorum and votes are switched off, and with them what they promise. */
  readonly warning?: string;
}

export interface MasterPort {
  readonly reader: LogReader;
  /** Never rejects for anything a client did. When the client has left the wait ends, the entry stays; the promise then resolves with any outcome. */
  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome>;
  /** As `append`, for several entries: all of them, or none. */
  appendAll(request: BulkRequest, client: WaitingClient): Promise<BulkOutcome>;
  /** As `append`, for an entry that is in the log: waits until the concern is met. Null for a seq that is not visible. */
  awaitHeld(request: HoldRequest, client: WaitingClient): Promise<HoldOutcome | null>;
  /** Nodes known to hold the entry, null for a seq that is not visible. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null;
  health(): MasterHealth;
  members(): readonly MemberHealth[];
  /** Resolves when the list without the member is committed. */
  removeMember(id: string): Promise<Removal>;
  /** Gives a lost majority up. False: this master is not waiting for one. */
  force(): boolean;
  /** Would it take an append now? The sentence says why not. */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string };
}
