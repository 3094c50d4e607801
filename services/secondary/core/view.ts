/**
 * Shows the state of a secondary's machine: what health, readers, drivers and tests may read at any
 * moment. It changes nothing. Positions are seqs unless they say `Index`; 0 is "nothing yet".
 */
import type { Identity } from '#protocol/identity';
import type { OutlineView } from '#protocol/log/outline';
import type { Counters } from './counters';
import type { ForeignMaster } from './identity/foreign-watch';
import type { SecondaryParts } from './parts';

/** What keeps a secondary from being `ok`, the gravest first; `/health` shows it. */
export type SecondaryStatus =
  /** Its log is not the master's, and nothing is appended any more. */
  | 'differs'
  /** The master has another log. */
  | 'foreign'
  /** An operator has removed this node from the log. */
  | 'removed'
  /** Another process runs under this node id. */
  | 'passive'
  | 'disconnected'
  /** No master is known, or the logs are not compared yet. */
  | 'joining'
  /** It has not reached the head first announced after connecting. */
  | 'catching-up'
  | 'ok';

/** Every read is of the current state. */
export class SecondaryView {
  constructor(private readonly parts: SecondaryParts) {}

  /** Counts since the process started. */
  get counters(): Readonly<Counters> {
    return this.parts.counters;
  }

  /** The shape of the log, records that are not durable included. */
  get outline(): OutlineView {
    return this.parts.log.outline;
  }

  /** Index up to which this node's log is durable. */
  get durableIndex(): number {
    return this.parts.log.durableIndex;
  }

  /** Index up to which this node may ack: 0 until its log is checked against the master's. */
  get ackedIndex(): number {
    return this.isSynced && this.parts.ballot.isDurable && this.parts.integrity.agrees ? this.durableIndex : 0;
  }

  /** Records in the reorder buffer. */
  get buffered(): number {
    return this.parts.placement.buffer.size;
  }

  /** Seq of the last entry that readers see. */
  get applied(): number {
    return this.parts.log.durableSeq;
  }

  /** Seq of the last entry that readers see as committed. */
  get commit(): number {
    return this.parts.log.commitSeq;
  }

  /** The epoch followed (Raft: currentTerm); 0: none yet. */
  get epoch(): number {
    return this.parts.ballot.epoch;
  }

  /** The master's head as last announced, never below `applied`. */
  get head(): number {
    return Math.max(this.parts.master.head, this.applied);
  }

  /** The master's HTTP address as last announced; null: no master is known. */
  get masterUrl(): string | null {
    return this.parts.master.httpUrl;
  }

  /** The log that this node belongs to, as far as it knows; null: it is blank. */
  get identity(): Identity | null {
    return this.parts.ballot.identity;
  }

  /** As `ForeignWatch.master`. */
  get foreignMaster(): ForeignMaster | null {
    return this.parts.foreign.master;
  }

  /** As `Integrity.differsAt`. */
  get differsAt(): number | null {
    return this.parts.integrity.differsAt;
  }

  get status(): SecondaryStatus {
    const { integrity, foreign, session, master } = this.parts;
    if (!integrity.agrees) return 'differs';
    if (foreign.master !== null) return 'foreign';
    if (this.isRemoved) return 'removed';
    if (session.lockedOut) return 'passive';
    if (!session.connected) return 'disconnected';
    if (!master.isKnown || !this.isSynced) return 'joining';
    return master.isReached ? 'ok' : 'catching-up';
  }

  /** Whether readers may be sent here: it has reached the head first announced after connecting. */
  get ready(): boolean {
    const { integrity, foreign, master } = this.parts;
    return master.isReached && this.isConnected && integrity.agrees && foreign.master === null && !this.isRemoved;
  }

  get isConnected(): boolean {
    return this.parts.session.connected;
  }

  /** Whether the log has been checked against the log of the epoch followed. */
  get isSynced(): boolean {
    return this.parts.placement.isSynced;
  }

  /** Whether an operator has removed this node from the log. */
  get isRemoved(): boolean {
    return this.parts.master.hasRemoved(this.parts.self.node);
  }

  /** One line for traces and failed tests. */
  toString(): string {
    const { self, session, log, placement, gap } = this.parts;
    const state = `${this.isSynced ? 'synced' : 'unchecked'}${session.consuming ? ' consuming' : ''}`;
    return `${self.node} ${state} e${this.epoch} ${log} ${placement.buffer} ${gap}`;
  }
}
