/**
 * Keeps the epoch that this node follows and its one vote in it: Raft's currentTerm and votedFor
 * (§5.2), and the log that the epoch belongs to. A vote waits until the promise is durable.
 *
 *     durable ──a higher epoch is claimed or announced──▶ being saved
 *     being saved ──saved──▶ durable (a claim is answered)
 *     being saved ──a still higher epoch──▶ being saved (the former claim is not answered)
 *
 * An epoch binds within its log only. A later branch of the own log is above every epoch of the
 * former branch. A blank node is bound by the log that it promised last, by no other, and only
 * until a master reigns.
 *
 * A node learns its log (`identity`) from an elected master, or from a sender of a later branch of
 * the log that it knows, and never forgets it. A blank node learns nothing from a candidate.
 */
import { extendsLog, type Identity, isPrefixOf, longerOf } from '#protocol/identity';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import { type EpochId, endOf, isSameEpoch, type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { SecondaryEffect } from '../events';

/** A candidate's claim (Raft: RequestVote), and the queue for the vote; null: none was named. */
export interface VoteRequest {
  readonly claim: MessageOf<'claim'>;
  readonly replyTo: string | null;
}

/** What a ballot reads. */
export interface BallotParts {
  readonly self: Voter;
  /** The store ends with the process. */
  readonly inMemory: boolean;
  /** The log that the settings name; null: any. */
  readonly logId: Identity | null;
  readonly log: Pick<ReplicaLog, 'outline' | 'commitIndex' | 'durableCommitIndex'>;
}

/** `isDurable` is read from outside, and changes by the methods only. */
export class Ballot {
  /** Whether the promise is durable. Until then nothing is sent or appended in its epoch. */
  isDurable = true;
  /** The claim that waits for the promise; null: none. */
  private waiting: VoteRequest | null = null;
  /** Commit index of the promise saved last. */
  private savedCommit: number;

  constructor(
    private readonly parts: BallotParts,
    private promised: Promised,
  ) {
    this.savedCommit = promised.commit;
  }

  /** The epoch promised (Raft: currentTerm); 0: none. */
  get epoch(): number {
    return this.promised.epoch;
  }

  /** The sender fields of every message of this node. */
  get id(): Sender {
    return { epoch: this.promised.epoch, reign: this.promised.reign, log: this.identity };
  }

  /** The longest identity that this node knows of its log; null: blank, it may follow any log. */
  get identity(): Identity | null {
    return longerOf(this.promised.identity, this.parts.log.outline.identity) ?? this.parts.logId;
  }

  /** Whether this is the epoch promised. */
  follows(id: EpochId): boolean {
    return isSameEpoch(id, this.promised);
  }

  /**
   * Whether this node could follow the sender, by its log. A candidate without a log looks for one,
   * and may find it here.
   */
  accepts({ log }: Pick<Sender, 'log'>): boolean {
    return log === null || isPrefixOf(this.identity, log);
  }

  /** Whether this epoch is above the one promised, or its log makes the two incomparable. */
  isAbove({ epoch, log }: Pick<Sender, 'epoch' | 'log'>): boolean {
    const { identity, promised } = this;
    if (identity === null) return log !== promised.log || epoch > promised.epoch;
    return (log !== null && extendsLog(log, identity)) || epoch > promised.epoch;
  }

  /**
   * Whether to follow an announced reign. A blank node's promise to a candidate does not bind it
   * here: its vote does not count, and the master was elected without it and does not learn of that
   * promise.
   */
  isToFollow(sender: Sender): boolean {
    return this.isAbove(sender) || (this.identity === null && !this.follows(sender));
  }

  /**
   * Follows a higher epoch that is claimed, and votes for the candidate if its log is at least as
   * up to date as this one. The vote waits for `recordSaved`, then `takeWaiting` returns the claim.
   */
  promiseTo(request: VoteRequest, out: SecondaryEffect[]): void {
    const { claim } = request;
    const { epoch, reign } = claim;
    // A candidate without a log counts as one that looks for this log.
    const log = claim.log ?? this.identity;
    const identity = this.identity === null ? null : log;
    const votedFor = this.isUpToDate(claim, identity) ? voterKey(claim) : null;
    this.promise({ epoch, reign, votedFor, log, identity }, out);
    this.waiting = request;
  }

  /** Follows a higher epoch that has a master already; there is no vote left to give. */
  promiseReign({ epoch, reign, log }: Sender, out: SecondaryEffect[]): void {
    this.promise({ epoch, reign, votedFor: null, log, identity: log }, out);
  }

  /**
   * The master of the epoch promised announces itself: this node belongs to its log from now on.
   * @returns false when that is known already
   */
  learnIdentity({ log }: Sender, out: SecondaryEffect[]): boolean {
    if (log === null || !extendsLog(log, this.promised.identity)) return false;
    const { epoch, reign, votedFor } = this.promised;
    this.promise({ epoch, reign, votedFor, log, identity: log }, out);
    return true;
  }

  /** Saves the commit index, if it has moved and no promise is being saved. */
  saveCommit(out: SecondaryEffect[]): void {
    const commit = this.parts.log.durableCommitIndex;
    if (!this.isDurable || commit <= this.savedCommit) return;
    this.savedCommit = commit;
    this.promised = { ...this.promised, commit };
    out.push({ do: 'savePromise', promised: this.promised });
  }

  /** @returns false for a promise that a higher one has replaced, or that was durable already */
  recordSaved(saved: Promised): boolean {
    if (this.isDurable || !this.follows(saved) || saved.identity !== this.promised.identity) return false;
    this.isDurable = true;
    return true;
  }

  /** Removes and returns the claim that can be answered now; null: none. */
  takeWaiting(): VoteRequest | null {
    const { waiting } = this;
    this.waiting = null;
    return waiting;
  }

  /** Whether the candidate has this node's vote in exactly this epoch. */
  grants(claim: MessageOf<'claim'>): boolean {
    return this.follows(claim) && this.promised.votedFor === voterKey(claim);
  }

  /** Answers a claim, the first time and again. */
  sendVote(claim: MessageOf<'claim'>, to: string, out: SecondaryEffect[]): void {
    const granted = this.grants(claim);
    const { self, log, inMemory } = this.parts;
    const { outline } = log;
    const end = saidEnd(outline.last, outline.lastSeq);
    const voters = [...(outline.newestConfiguration().members?.voters ?? [])];
    const storeKind = inMemory ? 'memory' : 'disk';
    const { epoch: claimed } = claim;
    const message = { type: 'vote', ...this.id, ...self, granted, claimed, ...end, storeKind, voters } as const;
    out.push({ do: 'send', to, message });
    out.push(trace('info', granted ? 'vote.granted' : 'vote.refused', { peer: claim.node, epoch: claimed }));
  }

  /**
   * Raft's election restriction (§5.4.1), within one log. A log that ends below this node's commit
   * index never passes.
   */
  private isUpToDate(claim: MessageOf<'claim'>, identity: Identity | null): boolean {
    const { log } = this.parts;
    const theirs = endOf(claim);
    if (!isPrefixOf(identity, theirs.log) || theirs.index < log.commitIndex) return false;
    return isAtLeastAsUpToDate(theirs, log.outline.last);
  }

  private promise(promised: Omit<Promised, 'commit'>, out: SecondaryEffect[]): void {
    const commit = this.parts.log.durableCommitIndex;
    this.promised = { ...promised, commit };
    this.savedCommit = commit;
    this.isDurable = false;
    this.waiting = null;
    out.push({ do: 'savePromise', promised: this.promised });
  }
}

function voterKey({ node, store }: Voter): string {
  return `${node}/${store}`;
}
