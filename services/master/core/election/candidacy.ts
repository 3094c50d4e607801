/**
 * Runs one candidacy of a master: its claim, the votes, and the fetches of the records it lacks.
 *
 *     promising ──promise durable──▶ claiming ──a majority grants──▶ `won`
 *                                       ├──no log exists, one may begin (birth.ts)──▶ `won`
 *                                       ├──an operator forces it, no log is ahead──▶ `won`
 *                                       └──refused as behind──▶ catching up
 *     catching up ──done, or the source is silent──▶ `retry`
 *     catching up ──the source lacks records that are committed here──▶ `contradicted`
 *
 * `retry` means that the master claims again, one epoch higher. The claim is repeated every
 * heartbeat interval, because a secondary that was away has not received it.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import { isSameEpoch, type MessageOf, type Sender, saidEnd } from '#protocol/wire/messages';
import type { MasterEffect } from '../events';
import { type BirthFacts, isTornBirth, mayBegin } from './birth';
import { CatchUp } from './catch-up';
import { Election } from './election';

/** The facts that a candidacy begins with. */
interface CandidacyOptions {
  /** The claim. Its `log` is the claimed log; null: this node knows of none. */
  readonly claim: Sender;
  readonly self: Voter;
  /** Members named by the settings. */
  readonly secondaries: readonly string[];
  /** False: this master reigns without votes. */
  readonly needsVotes: boolean;
  /** An operator has given up a lost majority: the best log that was heard is enough. */
  readonly forced: boolean;
  readonly heartbeatIntervalMs: number;
}

/** The facts about the birth of a log that may change during a claim. */
export type BirthSituation = Omit<BirthFacts, 'answered' | 'secondaries' | 'needsVotes' | 'isBlank' | 'hasSettled'>;

/**
 * Heartbeat intervals between a forced claim and its reign. A node with a log that is ahead gets
 * the time to answer.
 */
const FORCED_INTERVALS = 2;

/**
 * Heartbeat intervals in which connected nodes answer a claim. Answers take milliseconds, so half
 * an interval is ample.
 */
const SETTLING_INTERVALS = 0.5;

/** One claim and the steps after it. Positions are indexes of records, times are milliseconds. */
export class Candidacy {
  private readonly election: Election;
  /** Last index of this node's log at the time of the claim. */
  private readonly claimedIndex: number;
  private isPromised = false;
  /** Time of the first claim. */
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

  /** The node whose log is fetched; null: no fetch is under way. */
  get source(): string | null {
    return this.catchUp?.source.node ?? null;
  }

  /** Changes with every step of a catch-up; 0 without one. */
  get progress(): number {
    return this.catchUp?.steps ?? 0;
  }

  /** Is this node's own vote enough? Then no other node was asked whether it holds another log. */
  get needsNobody(): boolean {
    const { members } = this.log.outline.newestConfiguration();
    return members?.voters.length === 1 && !this.isForced && this.options.needsVotes;
  }

  /** An operator forces this candidacy. */
  force(): void {
    this.isForced = true;
  }

  verdict(now: number, birth: BirthSituation): 'pending' | 'won' | 'retry' | 'contradicted' {
    if (!this.isPromised) return 'pending';
    if (this.catchUp?.isContradicted === true) return 'contradicted';
    if (this.isOver) return 'retry';
    // Votes are granted to the log as it was claimed. A catch-up may have changed it since.
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
   * Is there no log yet, as far as is known? Then no log has to be recovered: the master only waits
   * for the nodes to begin one with.
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

  /** Sends the claim to a node that has not received it. */
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
    out.push(trace('info', 'log.catching-up', facts));
    this.catchUp.ask(now, out);
  }

  /** Takes an answer of the source of the catch-up. */
  receive(now: number, message: MessageOf<'entries' | 'diverged'>, out: MasterEffect[]): void {
    if (this.catchUp === null || !isSameEpoch(message, this.claim)) return;
    if (message.type === 'entries') this.catchUp.receive(now, message, out);
    else this.catchUp.diverged(now, message, out);
    this.checkIsOver(now);
  }

  /** Fetched records are durable. */
  recordStored(now: number, out: MasterEffect[]): void {
    this.catchUp?.proceed(now, out);
    this.checkIsOver(now);
  }

  tick(now: number, out: MasterEffect[]): void {
    if (now >= this.nextClaimAt) this.sendClaim(now, out);
    this.catchUp?.ask(now, out);
    this.checkIsOver(now);
  }

  /** The missing condition, as words that follow "waiting for". */
  waitingFor(birth: BirthSituation): string {
    if (this.catchUp !== null) {
      const { node, last } = this.catchUp.source;
      return `the log of ${node}, which is ahead (index ${last.index} of epoch ${last.epoch}; here ${this.log.outline.lastIndex})`;
    }
    const { votes, from } = this.election.missing;
    if (from.length > 0) return `${votes} more ${votes === 1 ? 'vote' : 'votes'} from ${from.join(', ')}`;
    if (!this.isBlank) return 'answers from its members';
    return this.wordOfALog(birth);
  }

  toString(): string {
    return `${this.election}${this.catchUp === null ? '' : ` catching up from ${this.catchUp.source.node}`}`;
  }

  /**
   * A log exists once it has a configuration: the first write may have been torn after its first
   * record.
   */
  private get isBlank(): boolean {
    return this.log.outline.newestConfiguration().members === null;
  }

  /**
   * Do the records belong to the claimed log? A master cannot reign over a later branch of which it
   * knows only the identity.
   */
  private get isWhole(): boolean {
    return this.log.outline.identity !== null && this.log.outline.identity === this.claim.log;
  }

  /** Did this store begin the log, with a first write that was torn after its first record? */
  private get isTornBirth(): boolean {
    return this.isWhole && isTornBirth(this.log.outline.founder, this.options.self);
  }

  private birthFacts(now: number, birth: BirthSituation): BirthFacts {
    const { secondaries, needsVotes } = this.options;
    // A node that belongs to a log without holding it begins none. Neither does a node that has
    // fetched only the first records of a log.
    const isBlank = this.isBlank && (this.claim.log === null || this.isTornBirth);
    const hasSettled = now >= this.claimedAt + SETTLING_INTERVALS * this.options.heartbeatIntervalMs;
    return { ...birth, isBlank, secondaries, needsVotes, answered: this.election.answered, hasSettled };
  }

  private wordOfALog({ mode, freshBroker, someoneHoldsALog }: BirthSituation): string {
    const silent = this.options.secondaries.filter((node) => !this.election.hasHeard(node));
    const from = silent.length === 0 ? '' : `; no answer yet: ${silent.join(', ')}`;
    if (this.claim.log !== null)
      return `the log ${this.claim.log}, which this node belongs to and does not hold${from}`;
    if (someoneHoldsALog) return `a majority of the voters of a log that another node holds${from}`;
    if (mode === 'never') return `a master that may begin the log: this one may not${from}`;
    if (silent.length > 0) return `answers from ${silent.join(', ')}, which may hold the log`;
    return freshBroker ? 'answers from its secondaries' : NOWHERE;
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
  'an operator: a log of this name exists or existed, and no node that was heard holds it. Give a node its disk back; or, if the log is lost for good, begin a new one: npm run force -- --new';
