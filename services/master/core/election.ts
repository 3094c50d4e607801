/**
 * One claim to the mastership and the votes for it: Raft's election (§5.2, §5.4.1), with votes counted by (node, store).
 *
 *     open ──a majority of the voters has granted──▶ won
 *     open ──somebody refused because its log is ahead──▶ behind (fetch from it, then claim again one epoch higher)
 *     open ──somebody has promised a higher epoch──▶ outbid (claim again above it)
 *
 * The voters are those of the claimant's own newest list. It counts itself only if it is one of them with this very store: a wiped
 * master or a standby needs the others' majority.
 */
import { isAtLeastAsUpToDate, type LogPosition } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import { includesVoter, isMajority, sameVoter } from '../../../shared/protocol/voters';
import { type EpochId, isSameEpoch, type MessageOf } from '../../../shared/protocol/wire';
import { majority } from '../../../shared/protocol/write-concern';

export interface Refuser {
  readonly node: string;
  readonly store: string;
  readonly last: LogPosition;
  readonly replyTo: string | null;
}

export class Election {
  private readonly granted: Voter[] = [];
  /** The voters that each node has named which has promised this claim. */
  private readonly heard = new Map<string, readonly Voter[]>();
  private ahead: Refuser | null = null;
  private highestPromise = 0;

  constructor(
    readonly claim: EpochId,
    private readonly self: Voter,
    private readonly last: LogPosition,
    private readonly voters: readonly Voter[],
  ) {
    if (includesVoter(voters, self)) this.granted.push(self);
  }

  /** Takes a vote on this claim; one on another claim teaches only what epoch its sender has promised. */
  recordVote(vote: MessageOf<'vote'>, replyTo: string | null): void {
    const voter = { node: vote.node, store: vote.store };
    const last = { index: vote.lastIndex, epoch: vote.lastEpoch };
    if (isSameEpoch(vote, this.claim)) this.heard.set(vote.node, vote.voters);
    if (vote.granted) {
      if (vote.claimed === this.claim.epoch && vote.reign === this.claim.reign && !includesVoter(this.granted, voter)) {
        this.granted.push(voter);
      }
      return;
    }
    this.highestPromise = Math.max(this.highestPromise, vote.epoch);
    if (!isAtLeastAsUpToDate(this.last, last) && (this.ahead === null || !isAtLeastAsUpToDate(this.ahead.last, last))) {
      this.ahead = { ...voter, last, replyTo };
    }
  }

  get won(): boolean {
    return isMajority(this.voters, (voter) => includesVoter(this.granted, voter));
  }

  /** Who refused because its log is ahead, the farthest of them; null: nobody. */
  get mostUpToDate(): Refuser | null {
    return this.ahead;
  }

  /** An epoch above the claimed one that a node has promised; 0: none heard. */
  get outbidBy(): number {
    return this.highestPromise > this.claim.epoch ? this.highestPromise : 0;
  }

  /** At least `needed` of `members` have answered, and nobody who has, nor this node, knows of any list: without one nothing was ever taken. */
  nobodyHasALog(members: readonly string[], needed = members.length): boolean {
    if (this.voters.length > 0) return false;
    for (const voters of this.heard.values()) if (voters.length > 0) return false;
    return members.filter((node) => this.heard.has(node)).length >= needed;
  }

  /** Votes that are still needed, and the voters that could give them. */
  get missing(): { readonly votes: number; readonly from: readonly string[] } {
    const open = this.voters.filter((voter) => !includesVoter(this.granted, voter));
    return {
      votes: Math.max(0, majority(this.voters.length) - (this.voters.length - open.length)),
      from: open.filter((voter) => !sameVoter(voter, this.self)).map(({ node }) => node),
    };
  }

  hasHeard(node: string): boolean {
    return this.heard.has(node);
  }

  toString(): string {
    return `claim ${this.claim.epoch} granted ${this.granted.length}/${this.voters.length}`;
  }
}
