/**
 * One claim to the mastership and the votes for it: Raft's election (§5.2, §5.4.1), with votes
 * counted by (node, store).
 *
 *     open ──a majority of the voters has granted──▶ won
 *     open ──somebody refused because its log is ahead──▶ behind (fetch from it, then claim again one epoch higher)
 *     open ──somebody has promised a higher epoch──▶ outbid (claim again above it)
 *
 * The voters are those of the claimant's own newest list. It counts itself only if it is one of
 * them with this very store: a wiped master or a standby needs the others' majority. Who is ahead
 * is asked among nodes of the claimant's own log only.
 */
import type { Identity } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import { includesVoter, isMajority, sameVoter } from '#protocol/voters';
import { type EpochId, endOf, isSameEpoch, type MessageOf } from '#protocol/wire/messages';
import { majority } from '#protocol/write-concern';
import type { Answer } from './birth';

export interface Refuser {
  readonly node: string;
  readonly store: string;
  /** Where its log ends, and the seq of its last entry. */
  readonly last: LogEnd;
  readonly lastSeq: number;
  readonly replyTo: string | null;
}

export class Election {
  /** Nodes that have granted this claim, with the store that they vote by; voters or not. */
  readonly granted: Voter[] = [];
  /** What each node has said that has promised this claim. */
  private readonly answers = new Map<string, Answer>();
  private ahead: Refuser | null = null;

  /** @param log the log that is claimed; null: there is none that this node knows */
  constructor(
    readonly claim: EpochId & { readonly log: Identity | null },
    readonly self: Voter,
    private readonly last: LogEnd,
    readonly voters: readonly Voter[],
  ) {
    if (includesVoter(voters, self)) this.granted.push(self);
  }

  recordVote(vote: MessageOf<'vote'>, replyTo: string | null): void {
    const voter = { node: vote.node, store: vote.store };
    const last = endOf(vote);
    if (isSameEpoch(vote, this.claim))
      this.answers.set(vote.node, { holdsLog: vote.log !== null, inMemory: vote.storeKind === 'memory' });
    if (vote.granted) {
      if (vote.claimed === this.claim.epoch && vote.reign === this.claim.reign && !includesVoter(this.granted, voter)) {
        this.granted.push(voter);
      }
      return;
    }
    if (vote.log === null || vote.log !== this.claim.log || !isAtLeastAsUpToDate(last, this.last)) return;
    if (isAtLeastAsUpToDate(this.last, last)) return;
    if (this.ahead === null || !isAtLeastAsUpToDate(this.ahead.last, last))
      this.ahead = { ...voter, last, lastSeq: vote.lastSeq, replyTo };
  }

  get won(): boolean {
    return isMajority(this.voters, (voter) => includesVoter(this.granted, voter));
  }

  /** Who refused because its log is ahead, the farthest of them; null: nobody. */
  get mostUpToDate(): Refuser | null {
    return this.ahead;
  }

  /** Who has promised this claim, and what each holds. */
  get answered(): ReadonlyMap<string, Answer> {
    return this.answers;
  }

  /**
   * Votes that are still needed, and the voters that could give them; the claimant's own former
   * store is named as such.
   */
  get missing(): { readonly votes: number; readonly from: readonly string[] } {
    const open = this.voters.filter((voter) => !includesVoter(this.granted, voter));
    return {
      votes: Math.max(0, majority(this.voters.length) - (this.voters.length - open.length)),
      from: open
        .filter((voter) => !sameVoter(voter, this.self))
        .map(({ node }) => (node === this.self.node ? `${node}'s former store` : node)),
    };
  }

  hasHeard(node: string): boolean {
    return this.answers.has(node);
  }

  toString(): string {
    return `claim ${this.claim.epoch} granted ${this.granted.length}/${this.voters.length}`;
  }
}
