/**
 * What a master knows, and what can be read from it at any moment. Nothing here changes anything:
 * what events do to it is in master.ts.
 *
 * Parts that outlive a reign: the log (ReplicaLog), the connection and the lock (broker-link.ts),
 * what has to reach the broker (publisher.ts), the members (membership.ts) and what is said to them
 * (followers.ts), what others hold (heard-logs.ts, foreign-nodes.ts). A claim (candidacy.ts) or a
 * reign (reign.ts) is the phase's.
 */

import { type Identity, logIdOf, longerOf } from '#protocol/identity';
import type { OutlineView } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { LogRecord, Voter } from '#protocol/record';
import { includesVoter } from '#protocol/voters';
import type { EpochId } from '#protocol/wire/messages';
import { majority, nodeCount, requiredAcks, type WriteConcern } from '#protocol/write-concern';
import { BrokerLink, type Holder } from './broker-link';
import type { BirthSituation, Candidacy } from './candidacy';
import { Followers } from './followers';
import { type ForcePlan, planForce, planNew } from './force';
import { type ForeignNode, ForeignNodes } from './foreign-nodes';
import { refusalOf, type Standing } from './gates';
import { HeardLogs } from './heard-logs';
import type { MemberState } from './member-book';
import { Membership } from './membership';
import { PendingIds } from './pending-ids';
import { Publisher } from './publisher';
import type { Quorum } from './quorum-gate';
import type { Refused, Situation } from './refusals';
import type { Reign } from './reign';
import type { MasterSettings, MasterStart } from './settings';

export type Phase =
  | { readonly name: 'standby' }
  | { readonly name: 'claiming'; readonly candidacy: Candidacy }
  | { readonly name: 'reigning'; readonly reign: Reign };

export abstract class MasterState implements Standing {
  /** Where this node's HTTP edge is, as others are told; '' until it listens. */
  httpUrl = '';
  protected readonly self: Voter;
  protected readonly log: ReplicaLog;
  protected readonly broker = new BrokerLink();
  protected readonly pending = new PendingIds();
  protected readonly publisher = new Publisher(this.broker);
  protected readonly membership: Membership;
  protected readonly followers: Followers;
  protected phase: Phase = { name: 'standby' };
  /** What every node that was heard says of its log. */
  protected readonly heard: HeardLogs;
  protected readonly foreigners = new ForeignNodes();
  protected promised: Promised;
  /** The broker knows of no log. */
  protected freshBroker = false;
  /** The broker knows of the log that this master reigns. */
  protected isDeclared = true;
  /**
   * While this node was blank somebody said that there is a log; who has fallen silent since holds
   * it all the same.
   */
  protected hasHeardOfALog = false;
  /** Since when this master can hear who holds a log; null: it cannot. */
  protected listeningSince: number | null = null;
  /** An operator's word that a new log may begin. */
  protected isNewForced = false;
  /** Until when a force that is not ready yet is prepared, as an operator asked; 0: none is. */
  protected forcePreparedUntil = 0;
  /** Whose log is ahead and lacks what is committed here; null: nobody's. */
  protected contradictedBy: string | null = null;
  protected stopping = false;

  constructor(
    protected readonly settings: MasterSettings,
    { outline, promised, checksum }: MasterStart,
  ) {
    const { node, store, heartbeatIntervalMs, unhealthyAfterMs } = settings;
    this.self = { node, store };
    this.log = new ReplicaLog({ outline, checksum, commit: promised.commit });
    this.membership = new Membership(settings, this.log.outline);
    const { self, log, broker, membership } = this;
    this.heard = new HeardLogs(2 * unhealthyAfterMs);
    const isSilent = (now: number) => !this.isDeclared || this.isOutnumbered(now);
    const parts = { self, log, broker, membership, edge: this, isSilent };
    this.followers = new Followers(parts, heartbeatIntervalMs);
    this.promised = promised;
  }

  get outline(): OutlineView {
    return this.log.outline;
  }

  /** Index up to which this node's log is durable. */
  get durableIndex(): number {
    return this.log.durableIndex;
  }

  /** The members of the newest list, or those of the settings before there is one. */
  get members(): readonly string[] {
    return this.membership.members;
  }

  /** Nodes that have a vote, in the newest list. */
  get voters(): readonly string[] {
    return this.membership.voters;
  }

  get epoch(): EpochId {
    return this.reigning?.id ?? this.promised;
  }

  /** The longest identity that this node knows its log by; null: it is blank. */
  get identity(): Identity | null {
    return longerOf(this.promised.identity, this.outline.identity) ?? this.settings.logId;
  }

  /** Nodes that hold another log, under whatever name. */
  foreign(now: number): readonly ForeignNode[] {
    return this.foreigners.all(now);
  }

  /**
   * Members that never followed this log; with open membership and no log id in the settings nobody
   * knows them all.
   */
  get young(): readonly string[] {
    return this.outline.newestList().members === null ? [] : this.membership.young;
  }

  /**
   * Of the voters, those that are up with the store that has the vote; null: this node does not
   * reign.
   */
  get votersUp(): readonly string[] | null {
    return this.reigning === null ? null : this.membership.votersUp(this.reigning);
  }

  get removed(): readonly string[] {
    return this.membership.removed;
  }

  /** Seq below which another log differs that is ahead of this one; null: none is known. */
  get contradiction(): string | null {
    return this.contradictedBy;
  }

  /** Seq up to which readers see the log: everything durable here. */
  get head(): number {
    return this.log.durableSeq;
  }

  /** Seq up to which it is known to be committed. */
  get commit(): number {
    return this.log.commitSeq;
  }

  get phaseName(): 'standby' | 'recovering' | 'reigning' {
    if (this.broker.lockedOut) return 'standby';
    return this.reigning?.open === true ? 'reigning' : 'recovering';
  }

  get link(): { readonly connected: boolean; readonly blocked: boolean } {
    const { connected, blocked } = this.broker;
    return { connected, blocked };
  }

  get quorum(): Quorum {
    return this.membership.quorum;
  }

  /** Could what is appended now be committed, as far as it is known who is up? */
  get hasVoters(): boolean {
    return this.reigning === null || this.membership.hasVoters(this.reigning);
  }

  /** Is a majority of the voters missing, so that an operator may give it up? */
  get canForce(): boolean {
    return this.claiming !== null || !this.hasVoters;
  }

  /** Who reigns instead of this one, as far as it was heard. */
  get reigningElsewhere(): Holder | null {
    return this.broker.lockedOut ? this.broker.holder : null;
  }

  /** Epoch in which an operator last forced a list; null: that never happened to this log. */
  get forcedEpoch(): number | null {
    return this.outline.forcedEpoch;
  }

  /** How often the log was cut. */
  get cuts(): number {
    return this.log.cuts;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Requests that wait for their write concern. */
  get waiting(): number {
    return this.reigning?.waiters.size ?? 0;
  }

  get inFlightBytes(): number {
    return this.log.pendingBytes + this.publisher.window.retainedBytes;
  }

  get inFlightBytesMax(): number {
    return this.settings.inFlightBytesMax;
  }

  /** The record with this client's id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null {
    return this.pending.get(id);
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
    const state = this.membership.stateOf(now, id);
    return { ...state, acked: Math.min(state.acked, this.head) };
  }

  /**
   * Nodes known to hold the entry, and whether it is committed; null for a seq that is not visible.
   */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.log.durableIndex) return null;
    const acks = [this.self.node, ...this.membership.book.tracker.holdersOf(index)];
    return { acks, committed: index <= this.log.commitIndex };
  }

  /** Why no append is taken now; null: it would be. */
  refusal(now: number): Refused | null {
    return refusalOf(this, now);
  }

  situation(now: number): Situation {
    return this.membership.situation(now);
  }

  /**
   * There is no log yet, nor any word of one: nothing has to be recovered, only nodes are missing
   * to begin it with.
   */
  isBeginning(now: number): boolean {
    return this.claiming?.isBeginning(this.birth(now)) === true || this.listensAlone(now);
  }

  /** What an operator's force would come to now. */
  forcePlan(now: number, begin: 'best' | 'new'): ForcePlan {
    const { self, heard, identity, outline } = this;
    const all = heard.all(now);
    const voters = outline.newestList().members?.voters ?? [];
    const facts = {
      self: self.node,
      isStuck: this.canForce,
      isLockedOut: this.broker.lockedOut,
      isReigning: this.reigning !== null,
      hasListened: this.hasListened(now),
      identity,
      own: outline.last,
      ownSeq: outline.lastSeq,
      hasList: outline.newestList().members !== null,
      heard: all,
      best: heard.best(now, identity),
      isAmbiguous: heard.isAmbiguous(now, identity),
      foreign: this.foreigners.all(now),
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
    const { claiming, reigning } = this;
    if (this.contradictedBy !== null)
      return `an operator: entries that are committed here are missing from the log of ${this.contradictedBy}, which is ahead`;
    if (claiming !== null) return claiming.waitingFor(this.birth(now));
    if (reigning === null) return this.broker.connected ? 'the lock of this log' : 'the broker';
    if (!reigning.open) return `a majority to hold the first record of epoch ${reigning.id.epoch}`;
    return `a majority of the voters (${this.voters.join(', ')}) to hold the newest record`;
  }

  toString(): string {
    const { self, phase, epoch, log } = this;
    const what = phase.name === 'claiming' ? `claiming (${phase.candidacy})` : phase.name;
    const { window } = this.publisher;
    const { tracker } = this.membership.book;
    return `${self.node} ${what} e${epoch.epoch} ${log} ${window} [${tracker}]`;
  }

  /** Has every node that is up had the time to be heard? */
  protected hasListened(now: number): boolean {
    return this.listeningSince !== null && now - this.listeningSince >= this.settings.unhealthyAfterMs;
  }

  /** What decides about the birth of a log at this moment. */
  protected birth(now: number): BirthSituation {
    const { birth: mode, inMemory } = this.settings;
    const someoneHoldsALog = this.heard.holders(now, this.identity).length + this.foreigners.all(now).length > 0;
    const { isNewForced: isForced } = this;
    const freshBroker = this.freshBroker && !this.hasHeardOfALog;
    return { mode, inMemory, freshBroker, someoneHoldsALog, hasListened: this.hasListened(now), isForced };
  }

  /**
   * A master whose own vote is enough could lead the members into another log than they hold. So it
   * first hears as many of them as an append needs, or listens for as long as one that is up may
   * stay silent.
   */
  protected listensAlone(now: number): boolean {
    if (this.claiming?.needsNobody !== true || this.hasListened(now)) return false;
    return this.membership.book.aliveCount < majority(nodeCount(this.members.length)) - 1;
  }

  private foreignMembers(now: number): readonly ForeignNode[] {
    const names = new Set([...this.members, ...this.settings.secondaries]);
    return this.foreigners.all(now).filter(({ id }) => names.has(id));
  }

  /** Do members hold another log, and fewer than an append needs hold this one? */
  private isOutnumbered(now: number): boolean {
    if (this.foreigners.isEmpty || this.foreignMembers(now).length === 0) return false;
    return this.membership.book.followers.length < majority(nodeCount(this.members.length)) - 1;
  }

  protected get claiming(): Candidacy | null {
    return this.phase.name === 'claiming' ? this.phase.candidacy : null;
  }

  protected get reigning(): Reign | null {
    return this.phase.name === 'reigning' ? this.phase.reign : null;
  }
}
