/**
 * A master's way to a reign: the claim, the votes, and what it lacks of the log.
 *
 *     promising ──the promise is durable──▶ claiming ──a majority grants──▶ `reign`
 *                                              ├──nobody has any log──▶ `reign` (a first start, or everything in memory was restarted)
 *                                              └──refused as behind──▶ catching up ──done, or the source is silent──▶ `again`
 *
 * `again` means: claim anew, one epoch higher. The claim is repeated every interval, for a secondary that was away has not heard it.
 */
import type { GroupCommit } from '../../../shared/protocol/group-commit';
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import { type EpochId, isSameEpoch, type MessageOf, type WireMessage } from '../../../shared/protocol/wire';
import { majority, nodeCount } from '../../../shared/protocol/write-concern';
import { CatchUp } from './catch-up';
import { Election } from './election';
import type { MasterEffect } from './events';

export interface CandidacyOptions {
  readonly claim: EpochId;
  readonly self: Voter;
  /** Members named by the settings. */
  readonly secondaries: readonly string[];
  /** The broker had nothing of this log. */
  readonly freshBroker: boolean;
  /** May it begin a log when there is none? False for a standby, which cannot know what a master that is away has. */
  readonly mayBegin: boolean;
  /** False: reigns without votes. */
  readonly needsVotes: boolean;
  /** An operator has said that a majority is gone for good: the best log heard will do. */
  readonly forced: boolean;
  readonly heartbeatIntervalMs: number;
}

export class Candidacy {
  private readonly election: Election;
  private isPromised = false;
  private nextClaimAt = 0;
  private catchUp: CatchUp | null = null;
  private isOver = false;

  constructor(
    private readonly parts: { readonly outline: LogOutline; readonly groups: GroupCommit },
    private readonly options: CandidacyOptions,
  ) {
    const voters = parts.outline.newestList().members?.voters ?? [];
    this.election = new Election(options.claim, options.self, parts.outline.last, voters);
  }

  get claim(): EpochId {
    return this.options.claim;
  }

  get verdict(): 'open' | 'reign' | 'again' {
    if (!this.isPromised) return 'open';
    if (this.isOver) return 'again';
    if (this.catchUp !== null) return 'open';
    const { needsVotes, forced } = this.options;
    return this.election.won || this.beginsAnew || !needsVotes || forced ? 'reign' : 'open';
  }

  get isCatchingUp(): boolean {
    return this.catchUp !== null;
  }

  /** The broker had nothing of this log, and nobody who was heard knows of one: it is about to begin, once enough say so. */
  get isBeginning(): boolean {
    const { mayBegin, freshBroker, secondaries } = this.options;
    return mayBegin && freshBroker && this.parts.outline.lastIndex === 0 && this.election.nobodyHasALog(secondaries, 0);
  }

  recordPromised(now: number, out: MasterEffect[]): void {
    this.isPromised = true;
    this.sendClaim(now, out);
  }

  sendClaim(now: number, out: MasterEffect[]): void {
    if (!this.isPromised) return;
    this.nextClaimAt = now + this.options.heartbeatIntervalMs;
    out.push({ do: 'control', message: this.message() });
  }

  /** To one that has not heard of the claim. */
  tell(to: string, out: MasterEffect[]): void {
    if (this.isPromised) out.push({ do: 'send', to, message: this.message() });
  }

  recordVote(now: number, vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    this.election.recordVote(vote, replyTo);
    const ahead = this.election.mostUpToDate;
    if (this.catchUp !== null || (this.verdict === 'reign' && !this.options.forced)) return;
    if (ahead === null || ahead.replyTo === null || !isSameEpoch(vote, this.claim)) return;
    const asker = { ...this.claim, node: this.options.self.node };
    this.catchUp = new CatchUp(this.parts, { ...ahead, replyTo: ahead.replyTo }, asker, now);
    const { node, last } = ahead;
    out.push({
      do: 'trace',
      level: 'info',
      what: 'fetches the log it lacks',
      facts: { from: node, log: `${this.parts.outline}`, ...last },
    });
    this.catchUp.ask(now, out);
  }

  /** What the source of the catch-up answers. */
  receive(now: number, message: MessageOf<'entries' | 'diverged'>, commitIndex: number, out: MasterEffect[]): void {
    if (this.catchUp === null || !isSameEpoch(message, this.claim)) return;
    if (message.type === 'entries') this.catchUp.receive(now, message, out);
    else this.catchUp.diverged(now, message, commitIndex, out);
    this.look(now);
  }

  /** Something that was fetched is durable. */
  recordStored(now: number, out: MasterEffect[]): void {
    this.catchUp?.proceed(now, out);
    this.look(now);
  }

  tick(now: number, out: MasterEffect[]): void {
    if (now >= this.nextClaimAt) this.sendClaim(now, out);
    this.catchUp?.ask(now, out);
    this.look(now);
  }

  /** As words after "waiting for". */
  get waitingFor(): string {
    if (this.catchUp !== null) {
      const { node, last } = this.catchUp.source;
      return `the log of ${node}, which is ahead (index ${last.index} of epoch ${last.epoch}; here ${this.parts.outline.lastIndex})`;
    }
    const { votes, from } = this.election.missing;
    if (from.length > 0) return `${votes} more ${votes === 1 ? 'vote' : 'votes'} from ${from.join(', ')}`;
    const silent = this.options.secondaries.filter((node) => !this.election.hasHeard(node));
    if (silent.length === 0) return 'the master that may begin the log: this one only stands by';
    return `word from ${silent.join(', ')}, who may have the log that this node lacks`;
  }

  toString(): string {
    return `${this.election}${this.catchUp === null ? '' : ` catching up from ${this.catchUp.source.node}`}`;
  }

  /**
   * There is no log as long as there is no list: the first write may have been torn behind its first record. A broker that knows nothing may have lost its data, so even then as many nodes must know of no log as an append needs: a minority that
   * lost its stores is not enough to begin a second one.
   */
  private get beginsAnew(): boolean {
    const { mayBegin, freshBroker, secondaries } = this.options;
    if (!mayBegin) return false;
    const needed = freshBroker ? majority(nodeCount(secondaries.length)) - 1 : secondaries.length;
    return this.election.nobodyHasALog(secondaries, needed);
  }

  private look(now: number): void {
    if (this.catchUp?.isDone === true || this.catchUp?.isStalled(now) === true) this.isOver = true;
  }

  private message(): WireMessage {
    const { index, epoch } = this.parts.outline.last;
    return { type: 'claim', ...this.claim, ...this.options.self, lastIndex: index, lastEpoch: epoch };
  }
}
