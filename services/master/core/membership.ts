/**
 * Who the members are, who shall be, and whether enough of them are up.
 *
 * The members are those of the newest list in the log, or of the settings before there is one. The list follows what is wanted step by step
 * (list-change.ts): the settings' secondaries, who was a member already, who may join by itself, without whom an operator removed.
 */
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import { includesVoter } from '../../../shared/protocol/voters';
import { type MasterEffect, type Remove, trace } from './events';
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
    private readonly outline: LogOutline,
  ) {
    this.book = new MemberBook(settings);
    this.wantAll();
    this.followList();
  }

  get members(): readonly string[] {
    return this.outline.newestList().members?.members ?? this.settings.secondaries;
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

  /** Could what is appended now be committed? While the list changes its voters need not be the members that are alive; and one whose log differs acks nothing. */
  hasVoters(reign: Reign): boolean {
    const { book } = this;
    return !this.settings.quorumAppend || reign.hasVotersAlive((node) => book.isAlive(node) && book.agrees(node));
  }

  /** A reign begins: it wants the members of the settings, and those that the log has already. */
  wantAll(): void {
    this.names = [...new Set([...this.members, ...this.settings.secondaries])];
  }

  /** The newest list may be another one. */
  followList(): void {
    this.book.setMembers(this.members);
  }

  /** A node that is no member wants to be one. */
  admit(node: string, reign: Reign, out: MasterEffect[]): void {
    if (!this.settings.openMembership || this.names.includes(node) || node === this.settings.node) return;
    this.names = [...this.names, node];
    out.push(trace('info', 'a new node wants to be a member', { peer: node }));
    this.changeList(reign, out);
  }

  /** An operator removes a member; answered when the list without it is committed. */
  remove({ request, node }: Omit<Remove, 'type'>, reign: Reign, out: MasterEffect[]): void {
    if (!this.members.includes(node)) {
      out.push({ do: 'removal', request, outcome: { outcome: 'unknown' } });
      return;
    }
    this.names = this.names.filter((each) => each !== node);
    reign.awaitRemoval({ request, node });
    out.push(trace('warn', 'an operator removes a member', { peer: node }));
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
