/**
 * Who the members are, who shall be, and whether enough of them are up.
 *
 * The members are those of the newest list in the log, or of the settings before there is one. The
 * list follows what is wanted step by step (list-change.ts): SECONDARIES, the present members, and
 * nodes that open membership or an operator admitted. Whom an operator removed the list remembers:
 * neither SECONDARIES nor a join brings such a node back.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { MembersControl, Voter } from '#protocol/record';
import { includesVoter, isMajority, sameVoter } from '#protocol/voters';
import type { ChangeMember } from '../events';
import { type Quorum, quorumOf } from '../quorum-gate';
import type { Situation } from '../refusals';
import type { MasterCoreSettings } from '../settings';
import { nextConfiguration, type WantedConfiguration } from './configuration-change';
import { type MemberState, MemberTable } from './member-table';

/** An operator's change that changes nothing. */
export type Unchanged =
  | { readonly outcome: 'own-node' | 'unknown' }
  | { readonly outcome: 'done'; readonly isNew: false };

export class Membership {
  readonly table: MemberTable;
  private readonly self: Voter;
  private names: readonly string[] = [];

  constructor(
    private readonly settings: MasterCoreSettings,
    private readonly outline: OutlineView,
  ) {
    const { node, store } = settings;
    this.self = { node, store };
    this.table = new MemberTable(settings);
    this.wantAll();
    this.followConfiguration();
  }

  get members(): readonly string[] {
    return this.outline.newestConfiguration().members?.members ?? this.settings.secondaries;
  }

  /** Nodes that an operator has removed for good. */
  get removed(): readonly string[] {
    return this.outline.newestConfiguration().members?.removed ?? [];
  }

  /**
   * Members that were never a voter of this log, and nodes that only the settings or only the list
   * name.
   */
  get young(): readonly string[] {
    const { members, removed } = this;
    const { secondaries } = this.settings;
    const ever = this.outline.everVoters;
    const named = [...new Set([...members, ...secondaries])].filter((node) => !removed.includes(node));
    return named.filter((node) => !ever.has(node) || !members.includes(node) || !secondaries.includes(node));
  }

  /** Members that there shall be. */
  get wanted(): readonly string[] {
    return this.names;
  }

  /** Nodes that have a vote, in the newest list. */
  get voters(): readonly string[] {
    return this.voterStores.map(({ node }) => node);
  }

  get quorum(): Quorum {
    return quorumOf(this.members.length, this.table.aliveCount, this.settings.quorumAppend);
  }

  /** Are too few nodes alive for anything to be committed, or anybody to be elected? */
  get isShortOfNodes(): boolean {
    return !quorumOf(this.members.length, this.table.aliveCount, true).ok;
  }

  situation(now: number): Situation {
    return { quorum: this.quorum, missing: this.table.missing(now) };
  }

  stateOf(now: number, id: string): MemberState & { readonly voter: boolean } {
    const voter = includesVoter(this.voterStores, { node: id, store: this.table.tracker.storeOf(id) });
    return { ...this.table.stateOf(now, id), voter };
  }

  /**
   * Could what is appended now be committed? While the list changes its voters need not be the
   * members that are alive; and one whose log differs acks nothing.
   */
  get hasVoters(): boolean {
    if (!this.settings.quorumAppend) return true;
    const up = this.votersAlive;
    return isMajority(this.configuration.voters, (voter) => includesVoter(up, voter));
  }

  /** Names of the voters that are up, each with the store that has the vote. */
  get votersUp(): readonly string[] {
    return this.votersAlive.map(({ node }) => node);
  }

  /** A reign begins: it wants the members of the settings, and those that the log has already. */
  wantAll(): void {
    const { removed } = this;
    const names = new Set([...this.members, ...this.settings.secondaries]);
    this.names = [...names].filter((node) => !removed.includes(node));
  }

  /** The newest list may be another one. */
  followConfiguration(): void {
    this.table.setMembers(this.members);
  }

  /**
   * A node that is no member wants to be one. True: it is wanted from now on, and was not before.
   */
  admit(node: string): boolean {
    if (!this.settings.openMembership || this.names.includes(node) || node === this.settings.node) return false;
    if (this.removed.includes(node)) return false;
    this.names = [...this.names, node];
    return true;
  }

  /**
   * An operator changes the members.
   * @returns the answer where nothing is to change; null: the list is to follow
   */
  want({ type, node }: Pick<ChangeMember, 'type' | 'node'>): Unchanged | null {
    const isMember = this.members.includes(node);
    if (node === this.settings.node) return { outcome: 'own-node' };
    if (type === 'remove' && !isMember) return { outcome: 'unknown' };
    if (type === 'admit' && isMember && this.names.includes(node)) return { outcome: 'done', isNew: false };
    const others = this.names.filter((each) => each !== node);
    this.names = type === 'admit' ? [...others, node] : others;
    return null;
  }

  /** The next step towards the list that is wanted; null: none is due. */
  nextConfiguration(commitIndex: number): MembersControl | null {
    return nextConfiguration(this.configuration, this.wantedConfiguration(commitIndex));
  }

  /** What the next list is made from, where so much is committed. */
  wantedConfiguration(commitIndex: number): WantedConfiguration {
    const { self, names: members } = this;
    return { self, members, caughtUp: (node) => this.caughtUpStore(node, commitIndex) };
  }

  /** The newest list; this node alone before there is one. */
  get configuration(): MembersControl {
    return this.outline.newestConfiguration().members ?? { control: 'members', voters: [this.self], members: [] };
  }

  private get voterStores(): readonly Voter[] {
    return this.outline.newestConfiguration().members?.voters ?? [];
  }

  private get votersAlive(): readonly Voter[] {
    const { table: book, self } = this;
    return this.configuration.voters.filter((voter) => {
      if (sameVoter(voter, self)) return true;
      const isUp = book.isAlive(voter.node) && book.agrees(voter.node);
      return isUp && book.tracker.storeOf(voter.node) === voter.store;
    });
  }

  /** The member's store, if the member is up and holds everything that is committed. */
  private caughtUpStore(node: string, commitIndex: number): string | null {
    const { tracker } = this.table;
    const store = tracker.storeOf(node);
    if (store === '' || !this.table.isAlive(node)) return null;
    return tracker.indexOf({ node, store }) >= commitIndex ? store : null;
  }
}
