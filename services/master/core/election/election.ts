/**
 * Counts the votes for one claim: Raft's election (§5.2, §5.4.1), with votes counted by (node,
 * store).
 *
 *     open ──a majority of the voters has granted──▶ won
 *     open ──a node refused because its log is ahead──▶ behind (fetch, then claim one epoch higher)
 *     open ──a node has promised a higher epoch──▶ outbid (claim again above it)
 *
 * The voters are those of the candidate's own newest configuration. The candidate counts itself
 * only if it is one of them with its present store. So a wiped master or a standby needs a majority
 * of the other voters. Only nodes of the candidate's own log can be ahead of it.
 */
import type { Identity } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import { includesVoter, isMajority, sameVoter } from '#protocol/voters';
import { type EpochId, endOf, isSameEpoch, type MessageOf } from '#protocol/wire/messages';
import { majority } from '#protocol/write-concern';
import type { Answer } from './birth';

/** A node that refused its vote because its log is ahead. */
export interface Refuser {
  readonly node: string;
  readonly store: string;
  /** End of its log. */
  readonly last: LogEnd;
  /** Seq of its last entry; 0: none. */
  readonly lastSeq: number;
  /** Queue for messages to it; null: not known, so it cannot be asked for records. */
  readonly replyTo: string | null;
}

/** The votes for one claim. */
export class Election {
  /** Nodes that have granted this claim, each with its store; some may not be voters. */
  readonly granted: Voter[] = [];
  /** The answers of the nodes that have promised this claim. */
  private readonly answers = new Map<string, Answer>();
  private ahead: Refuser | null = null;

  /**
   * @param claim its `log` is the claimed log; null: this node knows of none
   * @param last end of the candidate's log
   * @param voters empty: the candidate's log has no configuration, and the claim cannot be won
   */
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

  /** The most up-to-date node that refused because its log is ahead; null: none. */
  get mostUpToDate(): Refuser | null {
    return this.ahead;
  }

  /** The answers of the nodes that have promised this claim, by node. */
  get answered(): ReadonlyMap<string, Answer> {
    return this.answers;
  }

  /**
   * Number of votes that are still needed, and the voters that could give them. A former store of
   * the candidate's own node is named as such.
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
