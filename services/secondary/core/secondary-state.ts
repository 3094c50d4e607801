/**
 * What a secondary knows, and what can be read from it at any moment. Nothing here changes
 * anything: what events do to it is in secondary.ts.
 *
 * The parts: the log (ReplicaLog) and where a batch belongs in it (placement.ts), the promise and
 * the vote (ballot.ts), what the broker is told (deliveries.ts), what is missing (gap-repair.ts),
 * what the master says (master-watch.ts) and is told (reporter.ts), whether the logs agree
 * (integrity.ts), whether the master is one of another log (foreign-watch.ts), and the connection
 * (session.ts).
 */

import type { Identity } from '#protocol/identity';
import type { OutlineView } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { noCounts } from './counters';
import { Deliveries } from './entries/deliveries';
import { GapRepair } from './entries/gap-repair';
import { Placement } from './entries/placement';
import type { ReorderBuffer } from './entries/reorder-buffer';
import { ForeignWatch, type Met } from './identity/foreign-watch';
import { Integrity } from './identity/integrity';
import { Reporter } from './reporter';
import { Session } from './session';
import type { SecondarySettings, SecondaryStart } from './settings';
import { Ballot } from './voting/ballot';
import { MasterWatch } from './voting/master-watch';

export abstract class SecondaryState {
  readonly counters = noCounts();
  /** Where this node's HTTP edge is, as the master is told; '' until it listens. */
  httpUrl = '';
  protected readonly self: Voter;
  protected readonly log: ReplicaLog;
  protected readonly placement: Placement;
  protected readonly ballot: Ballot;
  protected readonly deliveries = new Deliveries();
  protected readonly gap: GapRepair;
  protected readonly master = new MasterWatch();
  protected readonly foreign = new ForeignWatch();
  protected readonly integrity: Integrity;
  protected readonly reporter: Reporter;
  protected readonly session = new Session();
  /** Has the own log been checked against the one of the epoch followed? */
  protected synced: boolean;

  constructor(
    protected readonly settings: SecondarySettings,
    { outline, promised, checksum }: SecondaryStart,
  ) {
    const { node, store, inMemory, logId, gapTimeoutMs, heartbeatIntervalMs } = settings;
    this.self = { node, store };
    this.log = new ReplicaLog({ outline, checksum, commit: promised.commit });
    this.placement = new Placement(this.log, this.counters);
    this.ballot = new Ballot({ self: this.self, inMemory, logId, log: this.log }, promised);
    this.gap = new GapRepair(gapTimeoutMs);
    this.integrity = new Integrity(this.log.outline, heartbeatIntervalMs);
    const { self, log, ballot } = this;
    this.reporter = new Reporter({ self, inMemory, log, ballot }, heartbeatIntervalMs);
    const { lastEpoch, lastReign } = outline;
    this.synced = promised.epoch > 0 && lastEpoch === promised.epoch && lastReign === promised.reign;
  }

  get outline(): OutlineView {
    return this.log.outline;
  }

  /** Index up to which this node's log is durable. */
  get durableIndex(): number {
    return this.log.durableIndex;
  }

  get buffer(): ReorderBuffer {
    return this.placement.buffer;
  }

  /** Seq of the last entry that readers see. */
  get applied(): number {
    return this.log.durableSeq;
  }

  get commit(): number {
    return this.log.commitSeq;
  }

  get epoch(): number {
    return this.ballot.epoch;
  }

  /** The master's head as last announced, never below what is applied here. */
  get head(): number {
    return Math.max(this.master.head, this.applied);
  }

  get masterUrl(): string | null {
    return this.master.httpUrl;
  }

  /** Which log this node belongs to, as far as it knows; null: it is blank. */
  get identity(): Identity | null {
    return this.ballot.identity;
  }

  /** The master of another log that this node has met; null: none, or not since it met its own. */
  get foreignMaster(): Met | null {
    return this.foreign.master;
  }

  get status(): 'ok' | 'catching-up' | 'joining' | 'disconnected' | 'passive' | 'differs' | 'foreign' | 'removed' {
    if (!this.integrity.agrees) return 'differs';
    if (this.foreign.master !== null) return 'foreign';
    if (this.isRemoved) return 'removed';
    if (this.session.lockedOut) return 'passive';
    if (!this.session.connected) return 'disconnected';
    if (!this.master.isHeard || !this.synced) return 'joining';
    return this.master.isReady ? 'ok' : 'catching-up';
  }

  /**
   * Seq of the first entry that is not the master's; 0 while it is looked for, null when the logs
   * agree.
   */
  get differsAt(): number | null {
    return this.integrity.differsAt;
  }

  get ready(): boolean {
    return (
      this.master.isReady &&
      this.isConnected &&
      this.integrity.agrees &&
      this.foreign.master === null &&
      !this.isRemoved
    );
  }

  /** Has an operator taken this node out of the log? */
  protected get isRemoved(): boolean {
    return this.master.hasRemoved(this.self.node);
  }

  get isConnected(): boolean {
    return this.session.connected;
  }

  toString(): string {
    const state = `${this.synced ? 'synced' : 'unchecked'}${this.session.consuming ? ' consuming' : ''}`;
    return `${this.self.node} ${state} e${this.epoch} ${this.log} ${this.buffer} ${this.gap}`;
  }

  /** Up to where this node holds the log of the epoch it follows; 0 while that is not checked. */
  protected get heldIndex(): number {
    return this.synced && this.ballot.isDurable && this.integrity.agrees ? this.log.durableIndex : 0;
  }
}
