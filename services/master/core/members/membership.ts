/**
 * Keeps the present and the wanted members, and decides whether enough of them are up.
 *
 * The present members are those of the newest configuration in the log, or of the settings while
 * the log has none. The configuration approaches the wanted members step by step
 * (configuration-change.ts):
 *
 *     wanted = SECONDARIES ∪ present members ∪ admitted nodes − removed nodes
 *
 * A node is admitted by open membership or by an operator. The configuration keeps the nodes that
 * an operator removed: neither SECONDARIES nor a join brings them back.
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

/** The answer to an operator's change that needs no new configuration. */
type Unchanged = { readonly outcome: 'own-node' | 'unknown' } | { readonly outcome: 'done'; readonly isNew: false };

/** The members of one master. */
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

  /** The nodes that an operator has removed. */
  get removed(): readonly string[] {
    return this.outline.newestConfiguration().members?.removed ?? [];
  }

  /**
   * Members that were never a voter of this log, and nodes that only the settings or only the
   * configuration name.
   */
  get young(): readonly string[] {
    const { members, removed } = this;
    const { secondaries } = this.settings;
    const ever = this.outline.everVoters;
    const named = [...new Set([...members, ...secondaries])].filter((node) => !removed.includes(node));
    return named.filter((node) => !ever.has(node) || !members.includes(node) || !secondaries.includes(node));
  }

  /** The wanted members. */
  get wanted(): readonly string[] {
    return this.names;
  }

  /** Nodes that have a vote in the newest configuration; empty without one. */
  get voters(): readonly string[] {
    return this.voterStores.map(({ node }) => node);
  }

  get quorum(): Quorum {
    return quorumOf(this.members.length, this.table.aliveCount, this.settings.quorumAppend);
  }

  /** Are too few nodes alive to commit an entry or to elect a master? */
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
   * Could an entry that is appended now be committed? During a change of the configuration the
   * voters need not be the members that are alive. A voter whose log differs acks nothing.
   */
  get hasVoters(): boolean {
    if (!this.settings.quorumAppend) return true;
    const up = this.votersAlive;
    return isMajority(this.configuration.voters, (voter) => includesVoter(up, voter));
  }

  /** Names of the voters that are up with the store that has the vote. */
  get votersUp(): readonly string[] {
    return this.votersAlive.map(({ node }) => node);
  }

  /** A reign begins: it wants the members of the settings and of the log. */
  wantAll(): void {
    const { removed } = this;
    const names = new Set([...this.members, ...this.settings.secondaries]);
    this.names = [...names].filter((node) => !removed.includes(node));
  }

  /** The newest configuration may have changed: takes its members. */
  followConfiguration(): void {
    this.table.setMembers(this.members);
  }

  /**
   * A node that is no member wants to be one.
   * @returns true when it is wanted from now on and was not before
   */
  admit(node: string): boolean {
    if (!this.settings.openMembership || this.names.includes(node) || node === this.settings.node) return false;
    if (this.removed.includes(node)) return false;
    this.names = [...this.names, node];
    return true;
  }

  /**
   * An operator changes the members.
   * @returns the answer when nothing changes; null: a new configuration has to follow
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

  /** The next step towards the wanted configuration; null: none is due. */
  nextConfiguration(commitIndex: number): MembersControl | null {
    return nextConfiguration(this.configuration, this.wantedConfiguration(commitIndex));
  }

  /** The wanted configuration. A member has caught up if it holds the log up to `commitIndex`. */
  wantedConfiguration(commitIndex: number): WantedConfiguration {
    const { self, names: members } = this;
    return { self, members, caughtUp: (node) => this.caughtUpStore(node, commitIndex) };
  }

  /** The newest configuration; while the log has none, this node as the only voter. */
  get configuration(): MembersControl {
    return this.outline.newestConfiguration().members ?? { control: 'members', voters: [this.self], members: [] };
  }

  private get voterStores(): readonly Voter[] {
    return this.outline.newestConfiguration().members?.voters ?? [];
  }

  private get votersAlive(): readonly Voter[] {
    const { table, self } = this;
    return this.configuration.voters.filter((voter) => {
      if (sameVoter(voter, self)) return true;
      const isUp = table.isAlive(voter.node) && table.agrees(voter.node);
      return isUp && table.tracker.storeOf(voter.node) === voter.store;
    });
  }

  /** The member's store if the member is up and holds every committed record; else null. */
  private caughtUpStore(node: string, commitIndex: number): string | null {
    const { tracker } = this.table;
    const store = tracker.storeOf(node);
    if (store === '' || !this.table.isAlive(node)) return null;
    return tracker.indexOf({ node, store }) >= commitIndex ? store : null;
  }
}
