/**
 * A master's way to a reign: the claim, the votes, and what it lacks of the log.
 *
 *     promising ──the promise is durable──▶ claiming ──a majority grants──▶ `won`
 *                                              ├──there is no log, and one may begin (birth.ts)──▶ `won`
 *                                              ├──an operator has forced it, and nobody is ahead──▶ `won`
 *                                              └──refused as behind──▶ catching up ──done, or the source is silent──▶ `retry`
 *                                                                           └──the source lacks what is committed here──▶ `contradicted`
 *
 * `retry` means: claim anew, one epoch higher. The claim is repeated every interval, for a
 * secondary that was away has not heard it.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import { isSameEpoch, type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { MasterEffect } from '../events';
import { type BirthFacts, isTornBirth, mayBegin } from './birth';
import { CatchUp } from './catch-up';
import { Election } from './election';

export interface CandidacyOptions {
  /** The claim, and the log that is claimed: null where this node knows of none. */
  readonly claim: Sender;
  readonly self: Voter;
  /** Members named by the settings. */
  readonly secondaries: readonly string[];
  /** False: reigns without votes. */
  readonly needsVotes: boolean;
  /** An operator has given a lost majority up: the best log heard will do. */
  readonly forced: boolean;
  readonly heartbeatIntervalMs: number;
}

/** What decides about a birth and may change while a claim goes on. */
export type BirthSituation = Omit<BirthFacts, 'answered' | 'secondaries' | 'needsVotes' | 'isBlank' | 'hasSettled'>;

/**
 * A forced claim is heard and answered for so many intervals before it reigns: a log that is ahead
 * must be able to say so.
 */
const FORCED_INTERVALS = 2;

/**
 * A claim is answered within milliseconds by whoever is connected; so many intervals are more than
 * that.
 */
const SETTLING_INTERVALS = 0.5;

export class Candidacy {
  private readonly election: Election;
  /** Where the own log ended when it was claimed. */
  private readonly claimedIndex: number;
  private isPromised = false;
  /** When the claim went out first. */
  private claimedAt = Number.POSITIVE_INFINITY;
  private nextClaimAt = 0;
  private catchUp: CatchUp | null = null;
  private isOver = false;
  private isForced: boolean;

  constructor(
    private readonly log: ReplicaLog,
    private readonly options: CandidacyOptions,
  ) {
    const { outline } = log;
    const voters = outline.newestConfiguration().members?.voters ?? [];
    this.election = new Election(options.claim, options.self, outline.last, voters);
    this.claimedIndex = outline.lastIndex;
    this.isForced = options.forced;
  }

  get claim(): Sender {
    return this.options.claim;
  }

  get isCatchingUp(): boolean {
    return this.catchUp !== null;
  }

  /** Whose log is fetched; null: nobody's. */
  get source(): string | null {
    return this.catchUp?.source.node ?? null;
  }

  /** Changes when a catch-up gets on. */
  get progress(): number {
    return this.catchUp?.steps ?? 0;
  }

  /** Is the own vote enough? Then nobody else has been asked whether there is another log. */
  get needsNobody(): boolean {
    const { members } = this.log.outline.newestConfiguration();
    return members?.voters.length === 1 && !this.isForced && this.options.needsVotes;
  }

  /** An operator forces it. */
  force(): void {
    this.isForced = true;
  }

  verdict(now: number, birth: BirthSituation): 'pending' | 'won' | 'retry' | 'contradicted' {
    if (!this.isPromised) return 'pending';
    if (this.catchUp?.isContradicted === true) return 'contradicted';
    if (this.isOver) return 'retry';
    // What was granted was granted to the log as it was claimed. An answer of a catch-up may have
    // changed it since.
    const isUnchanged = this.log.outline.lastIndex === this.claimedIndex && this.log.isIdle && this.progress === 0;
    if (this.election.won && isUnchanged && this.isWhole) return 'won';
    if (this.catchUp !== null) return 'pending';
    if (mayBegin(this.birthFacts(now, birth))) return 'won';
    if (!this.isWhole) return 'pending';
    const isAnswered = now >= this.claimedAt + FORCED_INTERVALS * this.options.heartbeatIntervalMs;
    if (this.isForced && isAnswered) return 'won';
    return this.options.needsVotes || this.isBlank ? 'pending' : 'won';
  }

  /**
   * There is no log yet, nor any word of one: nothing has to be recovered, only nodes are missing
   * to begin it with.
   */
  isBeginning({ mode, freshBroker, someoneHoldsALog }: BirthSituation): boolean {
    return this.isBlank && !someoneHoldsALog && (mode === 'new' || (mode === 'auto' && freshBroker));
  }

  recordPromised(now: number, out: MasterEffect[]): void {
    if (this.isPromised) return;
    this.isPromised = true;
    this.claimedAt = now;
    this.sendClaim(now, out);
  }

  sendClaim(now: number, out: MasterEffect[]): void {
    if (!this.isPromised) return;
    this.nextClaimAt = now + this.options.heartbeatIntervalMs;
    out.push({ do: 'broadcast', message: this.message() });
  }

  /** To one that has not heard of the claim. */
  sendClaimTo(to: string, out: MasterEffect[]): void {
    if (this.isPromised) out.push({ do: 'send', to, message: this.message() });
  }

  recordVote(now: number, vote: MessageOf<'vote'>, replyTo: string | null, out: MasterEffect[]): void {
    this.election.recordVote(vote, replyTo);
    const ahead = this.election.mostUpToDate;
    if (this.catchUp !== null || this.election.won) return;
    if (ahead === null || ahead.replyTo === null || !isSameEpoch(vote, this.claim)) return;
    const asker = { ...this.claim, node: this.options.self.node };
    this.catchUp = new CatchUp(this.log, { ...ahead, replyTo: ahead.replyTo }, asker, now);
    const { node, last } = ahead;
    const facts = { from: node, log: `${this.log.outline}`, index: last.index, epoch: last.epoch };
    out.push(trace('info', 'fetches the log it lacks', facts));
    this.catchUp.ask(now, out);
  }

  /** What the source of the catch-up answers. */
  receive(now: number, message: MessageOf<'entries' | 'diverged'>, out: MasterEffect[]): void {
    if (this.catchUp === null || !isSameEpoch(message, this.claim)) return;
    if (message.type === 'entries') this.catchUp.receive(now, message, out);
    else this.catchUp.diverged(now, message, out);
    this.checkIsOver(now);
  }

  /** Something that was fetched is durable. */
  recordStored(now: number, out: MasterEffect[]): void {
    this.catchUp?.proceed(now, out);
    this.checkIsOver(now);
  }

  tick(now: number, out: MasterEffect[]): void {
    if (now >= this.nextClaimAt) this.sendClaim(now, out);
    this.catchUp?.ask(now, out);
    this.checkIsOver(now);
  }

  /** As words after "waiting for". */
  waitingFor(birth: BirthSituation): string {
    if (this.catchUp !== null) {
      const { node, last } = this.catchUp.source;
      return `the log of ${node}, which is ahead (index ${last.index} of epoch ${last.epoch}; here ${this.log.outline.lastIndex})`;
    }
    const { votes, from } = this.election.missing;
    if (from.length > 0) return `${votes} more ${votes === 1 ? 'vote' : 'votes'} from ${from.join(', ')}`;
    if (!this.isBlank) return 'word from its members';
    return this.wordOfALog(birth);
  }

  toString(): string {
    return `${this.election}${this.catchUp === null ? '' : ` catching up from ${this.catchUp.source.node}`}`;
  }

  /**
   * There is no log as long as there is no list: the first write may have been torn behind its
   * first record.
   */
  private get isBlank(): boolean {
    return this.log.outline.newestConfiguration().members === null;
  }

  /**
   * Do the records go as far as the log that is claimed? A later branch that is only known by name
   * cannot be reigned.
   */
  private get isWhole(): boolean {
    return this.log.outline.identity !== null && this.log.outline.identity === this.claim.log;
  }

  /** Did this very store begin the log, and the first write was torn behind its first record? */
  private get isTornBirth(): boolean {
    return this.isWhole && isTornBirth(this.log.outline.founder, this.options.self);
  }

  private birthFacts(now: number, birth: BirthSituation): BirthFacts {
    const { secondaries, needsVotes } = this.options;
    // A node that belongs to a log which it does not hold begins none; nor one that has only
    // fetched the first records of another's.
    const isBlank = this.isBlank && (this.claim.log === null || this.isTornBirth);
    const hasSettled = now >= this.claimedAt + SETTLING_INTERVALS * this.options.heartbeatIntervalMs;
    return { ...birth, isBlank, secondaries, needsVotes, answered: this.election.answered, hasSettled };
  }

  private wordOfALog({ mode, freshBroker, someoneHoldsALog }: BirthSituation): string {
    const silent = this.options.secondaries.filter((node) => !this.election.hasHeard(node));
    const from = silent.length === 0 ? '' : `; not heard: ${silent.join(', ')}`;
    if (this.claim.log !== null)
      return `the log ${this.claim.log}, which this node belongs to and does not hold${from}`;
    if (someoneHoldsALog) return `a majority of the voters of the log that was heard of, which this node lacks${from}`;
    if (mode === 'never') return `the master that may begin the log: this one may not${from}`;
    if (silent.length > 0) return `word from ${silent.join(', ')}, who may have the log that this node lacks`;
    return freshBroker ? 'word from its secondaries' : NOWHERE;
  }

  private checkIsOver(now: number): void {
    if (this.catchUp?.isDone === true || this.catchUp?.isStalled(now) === true) this.isOver = true;
  }

  private message(): MessageOf<'claim'> {
    const { outline } = this.log;
    return { type: 'claim', ...this.claim, ...this.options.self, ...saidEnd(outline.last, outline.lastSeq) };
  }
}

const NOWHERE =
  'an operator: the broker knows of this log, or it was heard of, and nobody who is heard holds it. Give its disk back to a node; or, if it is lost for good, begin a new one: npm run force -- --new';
