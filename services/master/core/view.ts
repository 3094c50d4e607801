/**
 * Reads a master's state: for `/health`, the gates, the driver, and for questions of master.ts that
 * concern several parts.
 */
import { type Identity, logIdOf, longerOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type OutlineView } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import { includesVoter } from '#protocol/voters';
import type { EpochId } from '#protocol/wire/messages';
import { majority, nodeCount, requiredAcks, type WriteConcern } from '#protocol/write-concern';
import { type GateFacts, refusalOf } from './admission/gates';
import type { LockOwner } from './broker-link';
import type { Counters } from './counters';
import type { BirthSituation } from './election/candidacy';
import { type ForcePlan, planForce, planNew } from './election/force';
import type { ForeignNode } from './election/foreign-nodes';
import type { Reign } from './leadership/reign';
import type { MemberState } from './members/member-table';
import type { Quorum } from './quorum-gate';
import type { Refused, Situation } from './refusals';
import type { SizeLimit } from './size-limit';
import type { MasterState } from './state';

/**
 * State of a master, as clients see it. standby: another process has the lock. recovering: no
 * appends yet. reigning: appends are accepted unless another gate refuses them.
 */
type PhaseName = 'standby' | 'recovering' | 'reigning';

/**
 * Index of the first configuration: every log begins with an epoch record and a members record,
 * written together.
 */
const FIRST_CONFIGURATION_INDEX = 2;

/** A read-only view of one master. */
export class MasterView implements GateFacts {
  constructor(private readonly state: MasterState) {}

  get outline(): OutlineView {
    return this.state.log.outline;
  }

  /**
   * Does this node hold a log that a crash does not take back? Only then may the broker be told of
   * it: it would remember a log that no node has.
   */
  get holdsLog(): boolean {
    return this.outline.newestConfiguration().members !== null && this.durableIndex >= FIRST_CONFIGURATION_INDEX;
  }

  /** Index up to which this node's log is durable. */
  get durableIndex(): number {
    return this.state.log.durableIndex;
  }

  /** Members of the newest configuration, or of the settings while the log has none. */
  get members(): readonly string[] {
    return this.state.membership.members;
  }

  /** Nodes that have a vote in the newest configuration; empty without one. */
  get voters(): readonly string[] {
    return this.state.membership.voters;
  }

  /** The epoch of this node's reign, or else the epoch that it promised last. */
  get epoch(): EpochId {
    return this.state.reigning?.id ?? this.state.promised;
  }

  /** The longest known identity of this node's log; null: it is blank. */
  get identity(): Identity | null {
    return longerOf(this.state.promised.identity, this.outline.identity) ?? this.state.settings.logId;
  }

  /** Nodes that hold another log, members or not. */
  foreign(now: number): readonly ForeignNode[] {
    return this.state.listening.foreigners.all(now);
  }

  /**
   * Members that make the log young (membership.ts). With open membership, nodes that have not
   * joined yet are missing here.
   */
  get young(): readonly string[] {
    return this.outline.newestConfiguration().members === null ? [] : this.state.membership.young;
  }

  /** Voters that are up with the store that has the vote; null: this node does not reign. */
  get votersUp(): readonly string[] | null {
    return this.state.reigning === null ? null : this.state.membership.votersUp;
  }

  get counters(): Readonly<Counters> {
    return this.state.counters;
  }

  /** The nodes that an operator has removed. */
  get removed(): readonly string[] {
    return this.state.membership.removed;
  }

  /** Node whose log is ahead and lacks entries that are committed here; null: none. */
  get contradiction(): string | null {
    return this.state.contradictedBy;
  }

  /** Seq of the last durable entry: up to here readers see the log; 0: none. */
  get head(): number {
    return this.state.log.durableSeq;
  }

  /** Seq up to which entries are known to be committed; 0: none. */
  get commit(): number {
    return this.state.log.commitSeq;
  }

  get phaseName(): PhaseName {
    if (this.state.broker.lockedOut) return 'standby';
    return this.state.reigning?.open === true ? 'reigning' : 'recovering';
  }

  /** The entries that the broker would not take. */
  get sizeLimit(): SizeLimit {
    return this.state.sizeLimit;
  }

  /** The reign of this node; null: it does not reign. */
  get reign(): Reign | null {
    return this.state.reigning;
  }

  get link(): { readonly connected: boolean; readonly blocked: boolean; readonly trouble?: string } {
    const { connected, blocked, trouble } = this.state.broker;
    return trouble === null ? { connected, blocked } : { connected, blocked, trouble };
  }

  get quorum(): Quorum {
    return this.state.membership.quorum;
  }

  /** Could an entry that is appended now be committed, as far as this node knows? */
  get hasVoters(): boolean {
    return this.state.reigning === null || this.state.membership.hasVoters;
  }

  /** Is a majority of the voters missing, so that an operator may force a configuration? */
  get canForce(): boolean {
    return this.state.claiming !== null || !this.hasVoters;
  }

  /** The master that reigns instead, as last heard; null: none. */
  get reigningElsewhere(): LockOwner | null {
    return this.state.broker.lockedOut ? this.state.broker.owner : null;
  }

  /** Epoch in which an operator last forced a configuration; null: never in this log. */
  get forcedEpoch(): number | null {
    return this.outline.forcedEpoch;
  }

  /** Number of truncations of the log. */
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

  /** Bytes of entries that are not yet durable or not yet confirmed by the broker. */
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

  /** The resolved write concern if it exceeds the number of nodes; null: it can be met. */
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

  /** Nodes known to hold the entry, and whether it is committed; null: readers do not see it. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.state.log.durableIndex) return null;
    const acks = [this.state.self.node, ...this.state.membership.table.tracker.holdersOf(index)];
    return { acks, committed: index <= this.state.log.commitIndex };
  }

  /** Why an append is refused now; null: it is accepted. */
  refusal(now: number): Refused | null {
    return refusalOf(this, now);
  }

  situation(now: number): Situation {
    return this.state.membership.situation(now);
  }

  /**
   * Is there no log yet, as far as is known? Then no log has to be recovered: the master only waits
   * for the nodes to begin one with.
   */
  isBeginning(now: number): boolean {
    return this.state.claiming?.isBeginning(this.birth(now)) === true || this.listensAlone(now);
  }

  /** The plan of an operator's force at this moment. */
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
   * A sentence that names the members with another log, if they keep this master from reigning;
   * null: they do not.
   */
  anotherLog(now: number): string | null {
    if (!this.isOutnumbered(now)) return null;
    const held = this.foreignMembers(now).map(
      ({ id, log, lastSeq }) => `${id} (log ${log ?? 'unknown'}, up to ${lastSeq})`,
    );
    const own = this.identity === null ? 'none' : logIdOf(this.identity);
    return `This master holds another log (${own}) than the members that were heard: ${held.join(', ')}. Nothing is appended, truncated or copied until the wrong disk is replaced, on this node or on theirs.`;
  }

  /** The condition that would end the recovery, as words that follow "waiting for". */
  waitingFor(now: number): string {
    const { claiming, reigning, contradictedBy } = this.state;
    const { trouble } = this.state.broker;
    if (trouble !== null) return `the broker (${trouble})`;
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

  /** The facts about the birth of a log at this moment. */
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
   * Must this master, whose own vote is enough, still listen? It could lead the members into
   * another log than they hold. So it first hears as many members as an append needs, or listens
   * for the longest time that a node that is up may be silent.
   */
  listensAlone(now: number): boolean {
    if (this.state.claiming?.needsNobody !== true || this.state.listening.isComplete(now)) return false;
    return this.state.membership.table.aliveCount < majority(nodeCount(this.members.length)) - 1;
  }

  /**
   * Must this master stay silent for now? It must while the broker does not know of the log, or
   * while too many members hold another log.
   */
  isSilent(now: number): boolean {
    return !this.state.declaration.isDone || this.isOutnumbered(now);
  }

  /**
   * Is a node ahead of this master, which is the only voter? Then this store has lost records that
   * it once had.
   */
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
