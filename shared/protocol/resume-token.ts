/**
 * Resume tokens: the id of an event, by which a reader goes on at any node, and is told when what
 * it saw was cut.
 *
 *     7-2.5.60c249b35917a53d.1f0e…_9a3c…      seq, then epoch, commit (both in base 36), reign, log
 *
 * A token names the last entry that the reader has: its seq and the reign that wrote it. One reign
 * gives each seq once, and two logs that share a record are equal up to it (Raft's log matching),
 * so it names *everything* that the reader has. It also carries the log's identity, and the commit
 * known when it was made: entries up to it stay in this branch of the log for ever.
 *
 * What a node says to a token whose reader has P, while the node has L:
 *
 *     the node is blank                                              wait
 *     the identities are foreign to each other                       reset to 1, other-log
 *     L has the entry                                                go on: L and P are equal up to it, in whatever branch
 *     L is of an earlier branch than P                               wait: the node has yet to learn of the force
 *     L lacks the seq, and nothing says that it cannot come          wait: the node may lag
 *     the entry is *gone* from L, see below                          reset, cut
 *     but nothing shows that L has all that P has committed          wait: L is the one that will be cut
 *
 * *Gone*: another entry has the seq, or L already holds a later epoch and is not that far yet.
 * Epochs only rise along a log, so what comes next is of that epoch or a later one: L cannot get
 * the entry unless it is cut itself. So a reader need not wait until the new history has grown as
 * long as the old one.
 *
 * The reset is to N, where L and P are equal below N:
 * - L holds records of the token's reign, up to seq q. P has them too, for a reign writes its
 *   records in one order and P goes on with it to a seq above q. So both are equal up to q, by log
 *   matching, and part there: N = q + 1. No assumption about commit or branch is made.
 * - else, in the same branch: both sides know some of the log to be committed, and what is
 *   committed is the same everywhere. Once the node knows as much to be committed as the token, L
 *   has the token's committed entries: N = commit + 1. A node that knows less is waited for: it can
 *   hold a tail that lost an election long ago, and agree with P about nothing in it.
 * - else L is of a later branch. A force can give up what was committed, so the token's commit says
 *   nothing: N = 1.
 *
 * In the first case too a node waits unless q or its commit reaches the token's commit. Nothing
 * would be wrong with N, but the reader would be told to drop what is committed, by a node that is
 * about to be cut.
 *
 * A wait that turns out to be for nothing costs time; a reset that turns out to be early (both
 * histories can still win) costs another reset. The reader is right in both cases: what it holds is
 * what a node's log says, or it was told.
 *
 * Without S6 (QUORUM_APPEND=false, two masters at once) commit proves less: the second kind of N
 * can then be too high.
 */
import { IDENTITY_LENGTH_MAX, type Identity, isForeign, isPrefixOf } from './identity';
import type { LogOutline } from './log/outline';

export interface ResumeToken {
  /** Seq of the last entry that the reader has; 0: it has none of this log. */
  readonly seq: number;
  /** Epoch of that entry; 0 with seq 0. */
  readonly epoch: number;
  /** Reign that wrote it; '' with seq 0, or when the log does not say. */
  readonly reign: string;
  /** Seq up to which the log was known to be committed. */
  readonly commit: number;
  readonly log: Identity;
}

/** Where a reader wants to go on: a whole token, or no more than a seq. */
export type ResumePoint =
  | { readonly kind: 'token'; readonly token: ResumeToken }
  | { readonly kind: 'seq'; readonly seq: number };

/** What a node that is asked to go on knows about its log. */
export interface ResumePlace {
  /** Null: blank. */
  readonly log: Identity | null;
  /** Highest seq that readers see. */
  readonly head: number;
  /** Highest seq known to be committed, not above `head`. */
  readonly commit: number;
  /** Head of the master's log; null: not known. */
  readonly logHead: number | null;
}

/** What the judgement asks of a log's outline. */
export type LogShape = Pick<LogOutline, 'lastEpoch' | 'indexOf' | 'seqAt' | 'epochAt' | 'reignAt' | 'endOfEpoch'>;

export type ResumeVerdict =
  | { readonly verdict: 'wait' }
  /** `from` is the next seq that the reader lacks. */
  | { readonly verdict: 'goOn'; readonly from: number }
  /** The reader drops every entry from `from` on. */
  | { readonly verdict: 'reset'; readonly reason: ResetReason; readonly from: number };

export type ResetReason = 'cut' | 'other-log';

/** Entries in a row that one reign wrote. */
export interface ReignRun {
  readonly epoch: number;
  readonly reign: string;
  /** Seq of the last of them. */
  readonly last: number;
}

const WAIT: ResumeVerdict = { verdict: 'wait' };

/** The part of a token behind the seq: the same for every entry of a run. */
export function tokenRest({ epoch, reign, commit, log }: Omit<ResumeToken, 'seq'>): string {
  const path = log.split('/').map(escaped).join('_');
  return `-${epoch.toString(36)}.${commit.toString(36)}.${escaped(reign)}.${path}`;
}

export function tokenText(token: ResumeToken): string {
  return `${token.seq}${tokenRest(token)}`;
}

const TEXT = /^[0-9]{1,15}$/;
const TOKEN =
  /^([0-9]{1,15})-([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.((?:[0-9A-Za-z]|~[0-9a-f]{4})*)\.((?:[0-9A-Za-z_]|~[0-9a-f]{4})*)$/;

/** Reads a `Last-Event-ID`; null when it is neither a token nor a seq. */
export function parseResumePoint(text: string): ResumePoint | null {
  if (TEXT.test(text)) return { kind: 'seq', seq: Number(text) };
  const [, seq, epoch, commit, reign, path] = TOKEN.exec(text) ?? [];
  if (seq === undefined || epoch === undefined || commit === undefined || reign === undefined || path === undefined)
    return null;
  const log = path.split('_').map(unescaped).join('/');
  const numbers = { seq: Number(seq), epoch: Number.parseInt(epoch, 36), commit: Number.parseInt(commit, 36) };
  if (!Object.values(numbers).every(Number.isSafeInteger) || log.length > IDENTITY_LENGTH_MAX) return null;
  return { kind: 'token', token: { ...numbers, reign: unescaped(reign), log } };
}

/** The run that the entry with this seq is in; null: there is no such entry. */
export function reignRunAt(outline: LogShape, seq: number): ReignRun | null {
  const index = outline.indexOf(seq);
  if (index === null) return null;
  const epoch = outline.epochAt(index) ?? 0;
  return { epoch, reign: outline.reignAt(index), last: outline.seqAt(outline.endOfEpoch(epoch).index) };
}

/**
 * The token of a reader that has everything up to `seq` of this log, which is 0 or has an entry;
 * null for a blank log.
 */
export function tokenAt(seq: number, { log, commit }: ResumePlace, outline: LogShape): ResumeToken | null {
  const run = seq === 0 ? { epoch: 0, reign: '' } : reignRunAt(outline, seq);
  return run === null || log === null ? null : { seq, epoch: run.epoch, reign: run.reign, commit, log };
}

/**
 * How a reader with this token goes on at a node. To be asked again after `wait`, whenever the
 * node's log or what it knows of it has changed.
 */
export function judge(token: ResumeToken, place: ResumePlace, outline: LogShape): ResumeVerdict {
  const { log, head, commit } = place;
  if (log === null) return WAIT;
  if (isForeign(token.log, log)) return { verdict: 'reset', reason: 'other-log', from: 1 };
  if (isHeld(token, head, outline)) return { verdict: 'goOn', from: token.seq + 1 };
  const isSameBranch = log === token.log;
  if (!isSameBranch && isPrefixOf(log, token.log)) return WAIT;
  if (!isGone(token, head, outline)) return WAIT;
  const shared = lastOfReign(token, outline);
  // Records of the reign that are not durable yet will be visible in a moment.
  if (shared !== null && shared > head) return WAIT;
  if (isSameBranch && Math.max(shared ?? 0, commit) < token.commit) return WAIT;
  const parted = shared ?? (isSameBranch ? token.commit : 0);
  return { verdict: 'reset', reason: 'cut', from: Math.min(parted, token.seq - 1) + 1 };
}

/**
 * How a reader that names no more than a seq goes on: unchecked, unless the log does not reach that
 * far.
 */
export function judgeSeq(seq: number, { head, logHead }: ResumePlace): ResumeVerdict {
  if (seq <= Math.max(head, logHead ?? 0)) return { verdict: 'goOn', from: seq + 1 };
  return logHead === null ? WAIT : { verdict: 'reset', reason: 'cut', from: Math.max(head, logHead) + 1 };
}

function isHeld({ seq, epoch, reign }: ResumeToken, head: number, outline: LogShape): boolean {
  if (seq === 0) return true;
  const index = seq > head ? null : outline.indexOf(seq);
  return index !== null && outline.epochAt(index) === epoch && outline.reignAt(index) === reign;
}

/** Of an entry that is not held: can it not come any more? */
function isGone({ seq, epoch }: ResumeToken, head: number, outline: LogShape): boolean {
  if (seq <= head) return true;
  return outline.lastEpoch > epoch && outline.seqAt(outline.endOfEpoch(epoch).index) < seq;
}

/**
 * Seq up to which this log has what the token's reign wrote; null: it has no record of that reign.
 */
function lastOfReign({ epoch, reign }: ResumeToken, outline: LogShape): number | null {
  const end = outline.endOfEpoch(epoch);
  return end.index > 0 && end.epoch === epoch && outline.reignAt(end.index) === reign ? outline.seqAt(end.index) : null;
}

/** Reigns are hex; in whatever else one may be, only letters and digits stay as they are. */
function escaped(text: string): string {
  return text.replace(/[^0-9A-Za-z]/g, (unit) => `~${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function unescaped(text: string): string {
  return text.replace(/~([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
