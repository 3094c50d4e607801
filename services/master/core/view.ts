/**
 * A read-only view of a master: for its health page, its gates, its driver, and the questions that
 * master.ts asks of several parts at once.
 */

import { type Identity, logIdOf, longerOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type OutlineView } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import { includesVoter } from '#protocol/voters';
import type { EpochId } from '#protocol/wire/messages';
import { majority, nodeCount, requiredAcks, type WriteConcern } from '#protocol/write-concern';
import { type GateFacts, refusalOf } from './admission/gates';
import type { LockOwner } from './broker-link';
import type { BirthSituation } from './election/candidacy';
import { type ForcePlan, planForce, planNew } from './election/force';
import type { ForeignNode } from './election/foreign-nodes';
import type { Reign } from './leadership/reign';
import type { MemberState } from './members/member-table';
import type { Quorum } from './quorum-gate';
import type { Refused, Situation } from './refusals';
import type { MasterState } from './state';

/** How far this node is on its way to lead. */
export type PhaseName = 'standby' | 'recovering' | 'reigning';

export class MasterView implements GateFacts {
  constructor(private readonly state: MasterState) {}

  get outline(): OutlineView {
    return this.state.log.outline;
  }

  /** Index up to which this node's log is durable. */
  get durableIndex(): number {
    return this.state.log.durableIndex;
  }

  /** The members of the newest list, or those of the settings before there is one. */
  get members(): readonly string[] {
    return this.state.membership.members;
  }

  /** Nodes that have a vote, in the newest list. */
  get voters(): readonly string[] {
    return this.state.membership.voters;
  }

  get epoch(): EpochId {
    return this.state.reigning?.id ?? this.state.promised;
  }

  /** The longest identity that this node knows its log by; null: it is blank. */
  get identity(): Identity | null {
    return longerOf(this.state.promised.identity, this.outline.identity) ?? this.state.settings.logId;
  }

  /** Nodes that hold another log, under whatever name. */
  foreign(now: number): readonly ForeignNode[] {
    return this.state.listening.foreigners.all(now);
  }

  /**
   * Members that never followed this log; with open membership and no log id in the settings nobody
   * knows them all.
   */
  get young(): readonly string[] {
    return this.outline.newestConfiguration().members === null ? [] : this.state.membership.young;
  }

  /**
   * Of the voters, those that are up with the store that has the vote; null: this node does not
   * reign.
   */
  get votersUp(): readonly string[] | null {
    return this.state.reigning === null ? null : this.state.membership.votersUp;
  }

  get removed(): readonly string[] {
    return this.state.membership.removed;
  }

  /** Seq below which another log differs that is ahead of this one; null: none is known. */
  get contradiction(): string | null {
    return this.state.contradictedBy;
  }

  /** Seq up to which readers see the log: everything durable here. */
  get head(): number {
    return this.state.log.durableSeq;
  }

  /** Seq up to which it is known to be committed. */
  get commit(): number {
    return this.state.log.commitSeq;
  }

  get phaseName(): PhaseName {
    if (this.state.broker.lockedOut) return 'standby';
    return this.state.reigning?.open === true ? 'reigning' : 'recovering';
  }

  /** The reign of this node; null: it does not reign. */
  get reign(): Reign | null {
    return this.state.reigning;
  }

  get link(): { readonly connected: boolean; readonly blocked: boolean } {
    const { connected, blocked } = this.state.broker;
    return { connected, blocked };
  }

  get quorum(): Quorum {
    return this.state.membership.quorum;
  }

  /** Could what is appended now be committed, as far as it is known who is up? */
  get hasVoters(): boolean {
    return this.state.reigning === null || this.state.membership.hasVoters;
  }

  /** Is a majority of the voters missing, so that an operator may give it up? */
  get canForce(): boolean {
    return this.state.claiming !== null || !this.hasVoters;
  }

  /** Who reigns instead of this one, as far as it was heard. */
  get reigningElsewhere(): LockOwner | null {
    return this.state.broker.lockedOut ? this.state.broker.owner : null;
  }

  /** Epoch in which an operator last forced a list; null: that never happened to this log. */
  get forcedEpoch(): number | null {
    return this.outline.forcedEpoch;
  }

  /** How often the log was cut. */
  get cuts(): number {
    return this.state.log.cuts;
  }

  get isStopping(): boolean {
    return this.state.isStopping;
  }

  /** Requests that wait for their write concern. */
  get waiting(): number {
    return this.state.reigning?.waiters.size ?? 0;
  }

  get inFlightBytes(): number {
    return this.state.log.pendingBytes + this.state.publisher.window.retainedBytes;
  }

  get inFlightBytesMax(): number {
    return this.state.settings.inFlightBytesMax;
  }

  /** The record with this client's id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null {
    return this.state.pendingIds.get(id);
  }

  /**
   * What a write concern resolves to when that is more than there are nodes; null: it can be met.
   */
  unsatisfiable(writeConcern: WriteConcern): { readonly w: number; readonly nodes: number } | null {
    if (this.phaseName !== 'reigning') return null;
    const nodes = nodeCount(this.members.length);
    const w = requiredAcks(writeConcern, nodes);
    return w > nodes ? { w, nodes } : null;
  }

  member(now: number, id: string): MemberState & { readonly voter: boolean } {
    const state = this.state.membership.stateOf(now, id);
    return { ...state, acked: Math.min(state.acked, this.head) };
  }

  /**
   * Nodes known to hold the entry, and whether it is committed; null for a seq that is not visible.
   */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.state.log.durableIndex) return null;
    const acks = [this.state.self.node, ...this.state.membership.table.tracker.holdersOf(index)];
    return { acks, committed: index <= this.state.log.commitIndex };
  }

  /** Why no append is taken now; null: it would be. */
  refusal(now: number): Refused | null {
    return refusalOf(this, now);
  }

  situation(now: number): Situation {
    return this.state.membership.situation(now);
  }

  /**
   * There is no log yet, nor any word of one: nothing has to be recovered, only nodes are missing
   * to begin it with.
   */
  isBeginning(now: number): boolean {
    return this.state.claiming?.isBeginning(this.birth(now)) === true || this.listensAlone(now);
  }

  /** What an operator's force would come to now. */
  forcePlan(now: number, begin: 'best' | 'new'): ForcePlan {
    const { identity, outline } = this;
    const { self, listening } = this.state;
    const { heard, foreigners } = listening;
    const all = heard.all(now);
    const voters = outline.newestConfiguration().members?.voters ?? [];
    const facts = {
      self: self.node,
      isStuck: this.canForce,
      isLockedOut: this.state.broker.lockedOut,
      isReigning: this.state.reigning !== null,
      hasListened: listening.isComplete(now),
      identity,
      own: outline.last,
      ownSeq: outline.lastSeq,
      hasList: outline.newestConfiguration().members !== null,
      heard: all,
      best: heard.best(now, identity),
      isAmbiguous: heard.isAmbiguous(now, identity),
      foreign: foreigners.all(now),
      missing: voters
        .filter((voter) => !includesVoter([self, ...all], voter))
        .map(({ node }) =>
          node === self.node || all.some((each) => each.node === node) ? `${node}'s former store` : node,
        ),
    };
    return begin === 'new' ? planNew(facts) : planForce(facts);
  }

  /**
   * Why no append may be taken although this master could reign: the members hold another log.
   * Null: they do not.
   */
  anotherLog(now: number): string | null {
    if (!this.isOutnumbered(now)) return null;
    const held = this.foreignMembers(now).map(
      ({ id, log, lastSeq }) => `${id} (log ${log ?? 'unknown'}, up to ${lastSeq})`,
    );
    const own = this.identity === null ? 'none' : logIdOf(this.identity);
    return `This master holds another log (${own}) than the members that were heard: ${held.join(', ')}. Nothing is appended, cut or copied until one of them is given back its own disk.`;
  }

  /** What would end the recovery, as words after "waiting for". */
  waitingFor(now: number): string {
    const { claiming, reigning, contradictedBy } = this.state;
    if (contradictedBy !== null)
      return `an operator: entries that are committed here are missing from the log of ${contradictedBy}, which is ahead`;
    if (claiming !== null) return claiming.waitingFor(this.birth(now));
    if (reigning === null) return this.state.broker.connected ? 'the lock of this log' : 'the broker';
    if (!reigning.open) return `a majority to hold the first record of epoch ${reigning.id.epoch}`;
    return `a majority of the voters (${this.voters.join(', ')}) to hold the newest record`;
  }

  toString(): string {
    const { self, phase, log, publisher, membership } = this.state;
    const what = phase.name === 'claiming' ? `claiming (${phase.candidacy})` : phase.name;
    const { tracker } = membership.table;
    return `${self.node} ${what} e${this.epoch.epoch} ${log} ${publisher.window} [${tracker}]`;
  }

  /** What decides about the birth of a log at this moment. */
  birth(now: number): BirthSituation {
    const { settings, listening, declaration, force } = this.state;
    const { birth: mode, inMemory } = settings;
    const holders = listening.heard.holders(now, this.identity).length + listening.foreigners.all(now).length;
    return {
      mode,
      inMemory,
      freshBroker: declaration.isBrokerFresh && !listening.hasHeardOfALog,
      someoneHoldsALog: holders > 0,
      hasListened: listening.isComplete(now),
      isForced: force.isNewLogForced,
    };
  }

  /**
   * A master whose own vote is enough could lead the members into another log than they hold. So it
   * first hears as many of them as an append needs, or listens for as long as one that is up may
   * stay silent.
   */
  listensAlone(now: number): boolean {
    if (this.state.claiming?.needsNobody !== true || this.state.listening.isComplete(now)) return false;
    return this.state.membership.table.aliveCount < majority(nodeCount(this.members.length)) - 1;
  }

  /**
   * Is nobody to be led into this log now: the broker does not know of it yet, or more of the
   * members hold another one?
   */
  isSilent(now: number): boolean {
    return !this.state.declaration.isDone || this.isOutnumbered(now);
  }

  /** The only voter cannot be behind: a node has records of this log that this store once had. */
  isRolledBack(now: number): boolean {
    const best = this.state.listening.heard.best(now, this.identity);
    return best !== null && !isAtLeastAsUpToDate(this.outline.last, best.end);
  }

  /** Do members hold another log, and fewer than an append needs hold this one? */
  isOutnumbered(now: number): boolean {
    const { listening, membership } = this.state;
    if (listening.foreigners.isEmpty || this.foreignMembers(now).length === 0) return false;
    return membership.table.followers.length < majority(nodeCount(this.members.length)) - 1;
  }

  private foreignMembers(now: number): readonly ForeignNode[] {
    const names = new Set([...this.members, ...this.state.settings.secondaries]);
    return this.state.listening.foreigners.all(now).filter(({ id }) => names.has(id));
  }
}
