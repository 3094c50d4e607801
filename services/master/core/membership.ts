/**
 * Who the members are, who shall be, and whether enough of them are up.
 *
 * The members are those of the newest list in the log, or of the settings before there is one. The
 * list follows what is wanted step by step (list-change.ts): SECONDARIES, the present members, and
 * nodes that open membership or an operator admitted. Whom an operator removed the list remembers:
 * neither SECONDARIES nor a join brings such a node back.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import { includesVoter } from '#protocol/voters';
import type { ChangeMember, MasterEffect } from './events';
import { MemberBook, type MemberState } from './member-book';
import { type Quorum, quorumOf } from './quorum-gate';
import type { Situation } from './refusals';
import type { Reign } from './reign';
import type { MasterSettings } from './settings';

export class Membership {
  readonly book: MemberBook;
  private names: readonly string[] = [];

  constructor(
    private readonly settings: MasterSettings,
    private readonly outline: OutlineView,
  ) {
    this.book = new MemberBook(settings);
    this.wantAll();
    this.followList();
  }

  get members(): readonly string[] {
    return this.outline.newestList().members?.members ?? this.settings.secondaries;
  }

  /** Nodes that an operator has removed for good. */
  get removed(): readonly string[] {
    return this.outline.newestList().members?.removed ?? [];
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
    return this.voterList.map(({ node }) => node);
  }

  get quorum(): Quorum {
    return quorumOf(this.members.length, this.book.aliveCount, this.settings.quorumAppend);
  }

  /** Are too few nodes alive for anything to be committed, or anybody to be elected? */
  get isAlone(): boolean {
    return !quorumOf(this.members.length, this.book.aliveCount, true).ok;
  }

  situation(now: number): Situation {
    return { quorum: this.quorum, missing: this.book.missing(now) };
  }

  stateOf(now: number, id: string): MemberState & { readonly voter: boolean } {
    const voter = includesVoter(this.voterList, { node: id, store: this.book.tracker.storeOf(id) });
    return { ...this.book.stateOf(now, id), voter };
  }

  /**
   * Could what is appended now be committed? While the list changes its voters need not be the
   * members that are alive; and one whose log differs acks nothing.
   */
  hasVoters(reign: Reign): boolean {
    const { book } = this;
    return !this.settings.quorumAppend || reign.hasVotersAlive((node) => book.isAlive(node) && book.agrees(node));
  }

  /** Names of the voters that are up, each with the store that has the vote. */
  votersUp(reign: Reign): readonly string[] {
    const { book } = this;
    return reign.votersAlive((node) => book.isAlive(node) && book.agrees(node)).map(({ node }) => node);
  }

  /** A reign begins: it wants the members of the settings, and those that the log has already. */
  wantAll(): void {
    const { removed } = this;
    const names = new Set([...this.members, ...this.settings.secondaries]);
    this.names = [...names].filter((node) => !removed.includes(node));
  }

  /** The newest list may be another one. */
  followList(): void {
    this.book.setMembers(this.members);
  }

  /** A node that is no member wants to be one. */
  admit(node: string, reign: Reign, out: MasterEffect[]): void {
    if (!this.settings.openMembership || this.names.includes(node) || node === this.settings.node) return;
    if (this.removed.includes(node)) return;
    this.names = [...this.names, node];
    out.push(trace('info', 'a new node wants to be a member', { peer: node }));
    this.changeList(reign, out);
  }

  /** An operator changes the members; answered when a list that says so is committed. */
  change(change: ChangeMember, reign: Reign, out: MasterEffect[]): void {
    const { type, request, node } = change;
    const answer = (outcome: { outcome: 'own-node' | 'unknown' } | { outcome: 'done'; isNew: boolean }) =>
      out.push({ do: 'memberChange', request, outcome });
    const isMember = this.members.includes(node);
    if (node === this.settings.node) return void answer({ outcome: 'own-node' });
    if (type === 'remove' && !isMember) return void answer({ outcome: 'unknown' });
    if (type === 'admit' && isMember && this.names.includes(node))
      return void answer({ outcome: 'done', isNew: false });
    const others = this.names.filter((each) => each !== node);
    this.names = type === 'admit' ? [...others, node] : others;
    reign.awaitChange(change, out);
    const what = type === 'admit' ? 'an operator takes a node in' : 'an operator removes a member';
    out.push(trace('warn', what, { peer: node }));
    this.changeList(reign, out);
    reign.advance(out);
  }

  /** Takes the next step towards the list that is wanted, if one is due. */
  changeList(reign: Reign, out: MasterEffect[]): void {
    const former = this.members;
    if (!reign.changeList({ members: this.names, isAlive: (node) => this.book.isAlive(node) }, out)) return;
    this.followList();
    for (const node of this.members) if (!former.includes(node)) out.push({ do: 'ensureMember', node });
  }

  private get voterList(): readonly Voter[] {
    return this.outline.newestList().members?.voters ?? [];
  }
}
