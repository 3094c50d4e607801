/**
 * What the HTTP edge asks of the secondary behind it. `compose.ts` answers; the tests of the edge
 * hand in their own.
 */
import type { LogReader } from '#http/reading/log-reader';
import type { Shortage } from '#storage/log-store';
import type { Counters } from '../core/counters';
import type { SecondaryStatus } from '../core/view';
import type { FaultChange, FaultSettings } from '../faults/settings';

export interface SecondaryHealth {
  readonly node: string;
  readonly role: 'secondary';
  readonly status: SecondaryStatus;
  /** The log's id; null: this node holds none, and has followed none. */
  readonly log: string | null;
  /** While it is `foreign`: the master that it met, and the log of that one. */
  readonly foreign?: { readonly master: string; readonly log: string | null };
  /**
   * While it `differs`: seq of its first entry that is not the master's, 0 while it is searched.
   */
  readonly differsAt?: number;
  /** The epoch that it follows; 0: none yet. */
  readonly epoch: number;
  /** Highest seq in its log. */
  readonly applied: number;
  /** The master's head as last announced, never below `applied`. */
  readonly head: number;
  readonly lag: number;
  /** Records held in the reorder buffer. */
  readonly buffered: number;
  /** While the disk has less free than DISK_FREE_MIN: entries wait in the queue, and are not acked. */
  readonly storage?: Shortage;
  readonly broker: {
    /** The control queue is bound and consumed. */
    readonly connected: boolean;
    /** The broker takes no publishes. */
    readonly blocked: boolean;
    /** The entries queue is consumed. */
    readonly consuming: boolean;
    /** Why there is no session with it, in its own words, and what ends that. */
    readonly trouble?: string;
  };
  /** Counts since the process started. */
  readonly counters: Readonly<Counters> & {
    /** Deliveries that the broker marked as delivered before. */
    readonly redelivered: number;
    /** Messages to other nodes that were dropped, and that the protocol repeats. */
    readonly dropped: number;
    /** Messages that could not be read. */
    readonly malformed: number;
  };
  /** While it is behind; null for a pace that is not known yet. */
  readonly catchUp?: {
    readonly remaining: number;
    readonly perSecond: number | null;
    readonly secondsLeft: number | null;
  };
  /** The broker's settings keep something from working: what, and what ends that. */
  readonly warning?: string;
}

export interface SecondaryPort {
  readonly reader: LogReader;
  health(): SecondaryHealth;
  /**
   * Ready since it reached the head first announced after connecting. The sentence says why not.
   */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string };
  /** The master's HTTP address as last announced; null: not heard of yet. */
  masterUrl(): string | null;
  faults(): FaultSettings;
  /** Changes what is named, keeps the rest; at once. */
  setFaults(change: FaultChange): void;
}
