/**
 * What a master knows, and what can be read from it at any moment. Nothing here changes anything: what events do to it is in master.ts.
 *
 * Parts that outlive a reign: the log's outline and its groups, the connection and the lock (broker-link.ts), what has to reach the broker
 * (publisher.ts), the members (membership.ts) and what is said to them (followers.ts). A claim (candidacy.ts) or a reign (reign.ts) is the phase's.
 */
import { ChecksumTrail } from '../../../shared/protocol/checksum-trail';
import { GroupCommit } from '../../../shared/protocol/group-commit';
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { LogRecord, Voter } from '../../../shared/protocol/record';
import type { EpochId } from '../../../shared/protocol/wire';
import { nodeCount, requiredAcks, type WriteConcern } from '../../../shared/protocol/write-concern';
import { BrokerLink, type Holder } from './broker-link';
import type { Candidacy } from './candidacy';
import { Followers } from './followers';
import { refusalOf, type Standing } from './gates';
import type { MemberState } from './member-book';
import { Membership } from './membership';
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
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  /** Where this node's HTTP edge is, as others are told; '' until it listens. */
  httpUrl = '';
  protected readonly self: Voter;
  protected readonly trail: ChecksumTrail;
  protected readonly broker = new BrokerLink();
  protected readonly publisher = new Publisher(this.broker);
  protected readonly membership: Membership;
  protected readonly followers: Followers;
  protected phase: Phase = { name: 'standby' };
  protected promised: EpochId;
  protected commitIndex = 0;
  protected stopping = false;

  constructor(
    protected readonly settings: MasterSettings,
    { outline, promised, checksum }: MasterStart,
  ) {
    const { node, store, heartbeatIntervalMs } = settings;
    this.self = { node, store };
    this.outline = outline;
    this.groups = new GroupCommit(outline.lastIndex);
    this.trail = new ChecksumTrail({ index: outline.lastIndex, checksum });
    this.membership = new Membership(settings, outline);
    const { groups, trail, broker, membership } = this;
    const parts = { node, outline, groups, trail, broker, membership, edge: this };
    this.followers = new Followers(parts, heartbeatIntervalMs);
    this.promised = { epoch: promised.epoch, reign: promised.reign };
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

  /** Seq up to which readers see the log: everything durable here. */
  get head(): number {
    return this.outline.seqAt(this.groups.durableIndex);
  }

  /** Seq up to which it is known to be committed. */
  get commit(): number {
    return this.outline.seqAt(Math.min(this.commitIndex, this.groups.durableIndex));
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

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Requests that wait for their write concern. */
  get waiting(): number {
    return this.reigning?.waiters.size ?? 0;
  }

  get inFlightBytes(): number {
    return this.groups.pendingBytes + this.publisher.window.retainedBytes;
  }

  get inFlightBytesMax(): number {
    return this.settings.inFlightBytesMax;
  }

  /** The record with this client's id that is in the log and not durable yet; null: none. */
  pendingRecord(id: string): LogRecord | null {
    return this.reigning?.pendingRecord(id) ?? null;
  }

  /** What a write concern resolves to when that is more than there are nodes; null: it can be met. */
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

  /** Nodes known to hold the entry, and whether it is committed; null for a seq that is not visible. */
  replication(seq: number): { readonly acks: readonly string[]; readonly committed: boolean } | null {
    const index = this.outline.indexOf(seq);
    if (index === null || index > this.groups.durableIndex) return null;
    const acks = [this.self.node, ...this.membership.book.tracker.holdersOf(index)];
    return { acks, committed: index <= this.commitIndex };
  }

  /** Why no append is taken now; null: it would be. */
  refusal(now: number): Refused | null {
    return refusalOf(this, now);
  }

  situation(now: number): Situation {
    return this.membership.situation(now);
  }

  /** There is no log yet, nor any word of one: nothing has to be recovered, only nodes are missing to begin it with. */
  get isBeginning(): boolean {
    return this.claiming?.isBeginning === true;
  }

  /** What would end the recovery, as words after "waiting for". */
  get waitingFor(): string {
    const { claiming, reigning } = this;
    if (claiming !== null) return claiming.waitingFor;
    if (reigning === null) return this.broker.connected ? 'the lock of this log' : 'the broker';
    if (!reigning.open) return `a majority to hold the first record of epoch ${reigning.id.epoch}`;
    return `a majority of the voters (${this.voters.join(', ')}) to hold the newest record`;
  }

  toString(): string {
    const { self, phase, epoch, outline, commitIndex, groups } = this;
    const what = phase.name === 'claiming' ? `claiming (${phase.candidacy})` : phase.name;
    const { window } = this.publisher;
    const { tracker } = this.membership.book;
    return `${self.node} ${what} e${epoch.epoch} ${outline} commit ${commitIndex} ${groups} ${window} [${tracker}]`;
  }

  protected get claiming(): Candidacy | null {
    return this.phase.name === 'claiming' ? this.phase.candidacy : null;
  }

  protected get reigning(): Reign | null {
    return this.phase.name === 'reigning' ? this.phase.reign : null;
  }
}
