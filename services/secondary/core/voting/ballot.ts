/**
 * The epoch that this node follows and its one vote in it: Raft's currentTerm and votedFor (§5.2),
 * and the log whose epoch that is. Nothing is said or done by a promise before it is durable, so a
 * vote waits for it.
 *
 *     durable ──a higher epoch is claimed or announced──▶ being saved ──saved──▶ durable (and the claim is answered)
 *                                                            └──a still higher one──▶ being saved (the former claim gets no answer)
 *
 * An epoch binds within its log only. A later branch of the own log is above every epoch of the
 * former one; a node that is blank is bound by the log that it promised to last, and by no other,
 * and only until somebody reigns. Which log a node belongs to (`identity`) is learned from an
 * elected master, or from whoever speaks for a later branch of the log it knows, and never
 * forgotten; who only claims a log teaches a blank node nothing.
 */
import { extendsLog, type Identity, isPrefixOf, longerOf } from '#protocol/identity';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import { type EpochId, endOf, isSameEpoch, type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { SecondaryEffect } from '../events';

/** A claim, and where its vote is to be sent. */
export interface Asked {
  readonly claim: MessageOf<'claim'>;
  readonly replyTo: string | null;
}

export interface BallotParts {
  readonly self: Voter;
  readonly inMemory: boolean;
  /** The log that the settings name; null: any. */
  readonly logId: Identity | null;
  readonly log: Pick<ReplicaLog, 'outline' | 'commitIndex' | 'durableCommitIndex'>;
}

export class Ballot {
  private isSaved = true;
  /**
   * The claim that waits for the promise; null: the promise came from an announcement, or is
   * durable.
   */
  private waiting: Asked | null = null;
  /** Commit index that was saved last. */
  private savedCommit: number;

  constructor(
    private readonly parts: BallotParts,
    private promised: Promised,
  ) {
    this.savedCommit = promised.commit;
  }

  get epoch(): number {
    return this.promised.epoch;
  }

  /** What every message of this node says of itself. */
  get id(): Sender {
    return { epoch: this.promised.epoch, reign: this.promised.reign, log: this.identity };
  }

  /**
   * The longest identity that this node knows its log by; null: it is blank, and may follow any.
   */
  get identity(): Identity | null {
    return longerOf(this.promised.identity, this.parts.log.outline.identity) ?? this.parts.logId;
  }

  /** May anything be said or done by the promise? */
  get isDurable(): boolean {
    return this.isSaved;
  }

  follows(id: EpochId): boolean {
    return isSameEpoch(id, this.promised);
  }

  /**
   * Could this node follow whoever sends this? Who claims without a log looks for one, and may find
   * it here.
   */
  accepts({ log }: Pick<Sender, 'log'>): boolean {
    return log === null || isPrefixOf(this.identity, log);
  }

  /** Is this epoch above the one that was promised, in the log where they are to be compared? */
  isAbove({ epoch, log }: Pick<Sender, 'epoch' | 'log'>): boolean {
    const { identity, promised } = this;
    if (identity === null) return log !== promised.log || epoch > promised.epoch;
    return (log !== null && extendsLog(log, identity)) || epoch > promised.epoch;
  }

  /**
   * Is a reign to be followed that is announced? What a blank node has promised to a claimant does
   * not bind it there: it has no vote that counts, and its master, who was elected without it, is
   * not told of that promise.
   */
  isToFollow(sender: Sender): boolean {
    return this.isAbove(sender) || (this.identity === null && !this.follows(sender));
  }

  /**
   * Follows a higher epoch that somebody claims, and votes for the claimant if its log is at least
   * as up to date as this one.
   */
  promiseTo(asked: Asked, out: SecondaryEffect[]): void {
    const { claim } = asked;
    const { epoch, reign } = claim;
    // A claimant without a log is heard as one that looks for this one.
    const log = claim.log ?? this.identity;
    const identity = this.identity === null ? null : log;
    const votedFor = this.isFit(claim, identity) ? voterKey(claim) : null;
    this.promise({ epoch, reign, votedFor, log, identity }, out);
    this.waiting = asked;
  }

  /** Follows a higher epoch that somebody reigns in already. */
  promiseReign({ epoch, reign, log }: Sender, out: SecondaryEffect[]): void {
    this.promise({ epoch, reign, votedFor: null, log, identity: log }, out);
  }

  /**
   * Whoever was promised to is elected: this node belongs to its log now. False: that was known.
   */
  learn({ log }: Sender, out: SecondaryEffect[]): boolean {
    if (log === null || !extendsLog(log, this.promised.identity)) return false;
    const { epoch, reign, votedFor } = this.promised;
    this.promise({ epoch, reign, votedFor, log, identity: log }, out);
    return true;
  }

  /** The commit index has moved: it is saved when nothing else is on its way. */
  saveCommit(out: SecondaryEffect[]): void {
    const commit = this.parts.log.durableCommitIndex;
    if (!this.isSaved || commit <= this.savedCommit) return;
    this.savedCommit = commit;
    this.promised = { ...this.promised, commit };
    out.push({ do: 'savePromise', promised: this.promised });
  }

  /** False for a promise that a higher one has replaced meanwhile, or that was durable already. */
  recordSaved(saved: Promised): boolean {
    if (this.isSaved || !this.follows(saved) || saved.identity !== this.promised.identity) return false;
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
    const { self, log, inMemory } = this.parts;
    const { outline } = log;
    const end = saidEnd(outline.last, outline.lastSeq);
    const voters = [...(outline.newestConfiguration().members?.voters ?? [])];
    const storeKind = inMemory ? 'memory' : 'disk';
    const { epoch: claimed } = claim;
    const message = { type: 'vote', ...this.id, ...self, granted, claimed, ...end, storeKind, voters } as const;
    out.push({ do: 'send', to, message });
    out.push(trace('info', granted ? 'votes' : 'refuses its vote', { peer: claim.node, epoch: claimed }));
  }

  /**
   * Raft's condition (§5.4.1), within one log; and never for one that ends below what is known here
   * to be committed.
   */
  private isFit(claim: MessageOf<'claim'>, identity: Identity | null): boolean {
    const { log } = this.parts;
    const theirs = endOf(claim);
    if (!isPrefixOf(identity, theirs.log) || theirs.index < log.commitIndex) return false;
    return isAtLeastAsUpToDate(theirs, log.outline.last);
  }

  private promise(promised: Omit<Promised, 'commit'>, out: SecondaryEffect[]): void {
    const commit = this.parts.log.durableCommitIndex;
    this.promised = { ...promised, commit };
    this.savedCommit = commit;
    this.isSaved = false;
    this.waiting = null;
    out.push({ do: 'savePromise', promised: this.promised });
  }
}

function voterKey({ node, store }: Voter): string {
  return `${node}/${store}`;
}
