/**
 * The epoch that this node follows and its one vote in it: Raft's currentTerm and votedFor (§5.2). Nothing is said or done by a promise
 * before it is durable, so a vote waits for it.
 *
 *     durable ──a higher epoch is claimed or announced──▶ being saved ──saved──▶ durable (and the claim is answered)
 *                                                            └──a still higher one──▶ being saved (the former claim gets no answer)
 */
import { isAtLeastAsUpToDate, type LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import { type EpochId, isSameEpoch, type MessageOf } from '../../../shared/protocol/wire';
import { type SecondaryEffect, trace } from './events';

/** Raft's durable state beside the log: the epoch promised and who has this node's vote in it. */
export interface PromisedEpoch extends EpochId {
  readonly votedFor: string | null;
}

/** A claim, and where its vote is to be sent. */
export interface Asked {
  readonly claim: MessageOf<'claim'>;
  readonly replyTo: string | null;
}

export class Ballot {
  private isSaved = true;
  /** The claim that waits for the promise; null: the promise came from an announcement, or is durable. */
  private waiting: Asked | null = null;

  constructor(
    private readonly self: Voter,
    private readonly outline: LogOutline,
    private promised: PromisedEpoch,
  ) {}

  get epoch(): number {
    return this.promised.epoch;
  }

  get id(): EpochId {
    return { epoch: this.promised.epoch, reign: this.promised.reign };
  }

  /** May anything be said or done by the promise? */
  get isDurable(): boolean {
    return this.isSaved;
  }

  follows(id: EpochId): boolean {
    return isSameEpoch(id, this.promised);
  }

  /** Follows a higher epoch that somebody claims, and votes for the claimant if its log is at least as up to date as this one. */
  promiseTo(asked: Asked, out: SecondaryEffect[]): void {
    const { claim } = asked;
    const theirs = { index: claim.lastIndex, epoch: claim.lastEpoch };
    const isGranted = isAtLeastAsUpToDate(theirs, this.outline.last);
    this.promise({ epoch: claim.epoch, reign: claim.reign, votedFor: isGranted ? voterKey(claim) : null }, out);
    this.waiting = asked;
  }

  /** Follows a higher epoch that somebody reigns in already. */
  promiseReign({ epoch, reign }: EpochId, out: SecondaryEffect[]): void {
    this.promise({ epoch, reign, votedFor: null }, out);
  }

  /** False for a promise that a higher one has replaced meanwhile. */
  recordSaved(saved: EpochId): boolean {
    if (!this.follows(saved)) return false;
    this.isSaved = true;
    return true;
  }

  /** The claim that is to be answered now; null: none. */
  takeWaiting(): Asked | null {
    const { waiting } = this;
    this.waiting = null;
    return waiting;
  }

  /** Does the claimant have the vote of this very epoch? */
  grants(claim: MessageOf<'claim'>): boolean {
    return this.follows(claim) && this.promised.votedFor === voterKey(claim);
  }

  /** What a claim is answered, the first time and again. */
  sendVote(claim: MessageOf<'claim'>, to: string, out: SecondaryEffect[]): void {
    const granted = this.grants(claim);
    const { index, epoch } = this.outline.last;
    const voters = this.outline.newestList().members?.voters ?? [];
    const vote = {
      type: 'vote',
      ...this.id,
      ...this.self,
      granted,
      claimed: claim.epoch,
      lastIndex: index,
      lastEpoch: epoch,
    } as const;
    out.push({ do: 'send', to, message: { ...vote, voters: [...voters] } });
    out.push(trace('info', granted ? 'votes' : 'refuses its vote', { peer: claim.node, epoch: claim.epoch }));
  }

  private promise(promised: PromisedEpoch, out: SecondaryEffect[]): void {
    this.promised = promised;
    this.isSaved = false;
    this.waiting = null;
    out.push({ do: 'savePromise', ...promised });
  }
}

function voterKey({ node, store }: Voter): string {
  return `${node}/${store}`;
}
