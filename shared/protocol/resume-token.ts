/**
 * Encodes resume tokens and decides how a reader with a token continues. A token is the id of a
 * server-sent event: with it a reader continues at any node, and is told when entries that it has
 * were truncated.
 *
 *     7-2.5.60c249b35917a53d.1f0e…_9a3c…      seq, then epoch, commit (both in base 36), reign, log
 *
 * A token names the last entry that the reader has: its seq and the reign that wrote it. A reign
 * gives each seq once, and two logs that share a record are equal up to it (Raft: log matching), so
 * the token names *everything* that the reader has. It also carries the log's identity, and the
 * commit known when it was made: entries up to it stay in this branch of the log for ever.
 *
 * What a node answers to a token, where P is the log of the reader and L that of the node:
 *
 *     the node is blank                                      wait
 *     the identities are foreign to each other               reset to 1, other-log
 *     L has the entry                                        go on: L and P are equal up to it, in
 *                                                            any branch
 *     L is of an earlier branch than P                       wait: the node has not yet learned of
 *                                                            the force
 *     L lacks the seq, and nothing shows that it is gone     wait: the node may lag
 *     the entry is *gone* from L, see below                  reset, cut
 *       but nothing shows that L has all that P committed    wait: L may be the one to be truncated
 *
 * *Gone*: another entry has the seq, or L already holds a later epoch and ends below the seq.
 * Epochs only rise along a log, so the next record is of that epoch or a later one, and L cannot
 * get the entry unless it is truncated first. So a reader need not wait until the new history is as
 * long as the old one.
 *
 * The reset is to N, where L and P are equal below N:
 * - If L holds records of the token's reign, up to seq q: P has them too, because a reign writes
 *   its records in one order and P continues with it to a seq above q. So both are equal up to q,
 *   by log matching, and differ after it: N = q + 1. This assumes nothing about commit or branch.
 * - Otherwise, in the same branch: both sides know a part of the log to be committed, and committed
 *   records are the same everywhere. Once the node's commit reaches that of the token, L has the
 *   token's committed entries: N = commit + 1. Until then the reader waits, because such a node can
 *   hold the tail of a lost election that has nothing in common with P.
 * - Otherwise L is of a later branch. A force can give up committed entries, so the token's commit
 *   proves nothing: N = 1.
 *
 * In the first case, too, a node waits unless q or its commit reaches the token's commit. N would
 * be right, but a node that is about to be truncated would tell the reader to drop committed
 * entries.
 *
 * An unnecessary wait costs time; a reset that is too early (both histories can still win) costs
 * another reset. The reader is correct in both cases: it holds what a node's log says, or was told
 * to drop it.
 *
 * Without S6 (QUORUM_APPEND=false, two masters at once) commit proves less: the second kind of N
 * can then be too high.
 */
import { IDENTITY_LENGTH_MAX, type Identity, isForeign, isPrefixOf } from './identity';
import type { LogOutline } from './log/outline';

/** The content of a token. */
export interface ResumeToken {
  /** Seq of the last entry that the reader has; 0 when it has no entry of this log. */
  readonly seq: number;
  /** Epoch of that entry; 0 with seq 0. */
  readonly epoch: number;
  /** Reign that wrote the entry; '' with seq 0, or when the log does not say. */
  readonly reign: string;
  /** Seq up to which the log was known to be committed. */
  readonly commit: number;
  readonly log: Identity;
}

/** The position from which a reader wants to continue: a whole token, or only a seq. */
export type ResumePoint =
  | { readonly kind: 'token'; readonly token: ResumeToken }
  | { readonly kind: 'seq'; readonly seq: number };

/** The position of a node in its log. */
export interface ResumePlace {
  /** Identity of the log; null when the node is blank. */
  readonly log: Identity | null;
  /** Highest seq that is visible to readers. */
  readonly head: number;
  /** Highest seq that is known to be committed; not above `head`. */
  readonly commit: number;
  /** Head of the master's log; null when it is not known. */
  readonly logHead: number | null;
}

/** The part of a log's outline that the decision needs. */
export type LogShape = Pick<LogOutline, 'lastEpoch' | 'indexOf' | 'seqAt' | 'epochAt' | 'reignAt' | 'endOfEpoch'>;

/** The answer to a reader that wants to continue at a node. */
export type ResumeVerdict =
  | { readonly verdict: 'wait' }
  /** `from` is the next seq that the reader lacks. */
  | { readonly verdict: 'goOn'; readonly from: number }
  /** The reader drops every entry from `from` on. */
  | { readonly verdict: 'reset'; readonly reason: ResetReason; readonly from: number };

/** `cut`: entries that the reader has were truncated. `other-log`: the node holds a foreign log. */
export type ResetReason = 'cut' | 'other-log';

/** Consecutive entries that one reign wrote. */
export interface ReignRun {
  readonly epoch: number;
  readonly reign: string;
  /** Seq of the last one. */
  readonly last: number;
}

const WAIT: ResumeVerdict = { verdict: 'wait' };

/** The part of a token after the seq, which is the same for every entry of a run. */
export function tokenRest({ epoch, reign, commit, log }: Omit<ResumeToken, 'seq'>): string {
  const path = log.split('/').map(escaped).join('_');
  return `-${epoch.toString(36)}.${commit.toString(36)}.${escaped(reign)}.${path}`;
}

/** The text of a token: the id of an event. */
export function tokenText(token: ResumeToken): string {
  return `${token.seq}${tokenRest(token)}`;
}

const TEXT = /^[0-9]{1,15}$/;
const TOKEN =
  /^([0-9]{1,15})-([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.((?:[0-9A-Za-z]|~[0-9a-f]{4})*)\.((?:[0-9A-Za-z_]|~[0-9a-f]{4})*)$/;

/** Parses a `Last-Event-ID`; null when it is neither a token nor a seq. */
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

/** The run that contains the entry with this seq; null when there is no such entry. */
export function reignRunAt(outline: LogShape, seq: number): ReignRun | null {
  const index = outline.indexOf(seq);
  if (index === null) return null;
  const epoch = outline.epochAt(index) ?? 0;
  return { epoch, reign: outline.reignAt(index), last: outline.seqAt(outline.endOfEpoch(epoch).index) };
}

/**
 * The token of a reader that has everything up to `seq`, which is 0 or the seq of an entry; null
 * for a blank log.
 */
export function tokenAt(seq: number, { log, commit }: ResumePlace, outline: LogShape): ResumeToken | null {
  const run = seq === 0 ? { epoch: 0, reign: '' } : reignRunAt(outline, seq);
  return run === null || log === null ? null : { seq, epoch: run.epoch, reign: run.reign, commit, log };
}

/**
 * How a reader with this token continues, by the rules at the head of this file. After `wait` the
 * caller asks again whenever the node's log, or what it knows of the log, has changed.
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
  // Records of the reign that are not visible yet will be in a moment.
  if (shared !== null && shared > head) return WAIT;
  if (isSameBranch && Math.max(shared ?? 0, commit) < token.commit) return WAIT;
  const parted = shared ?? (isSameBranch ? token.commit : 0);
  return { verdict: 'reset', reason: 'cut', from: Math.min(parted, token.seq - 1) + 1 };
}

/**
 * How a reader that names only a seq continues: unchecked, unless the log does not reach that far.
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

/** Whether an entry that is not held can no longer arrive. */
function isGone({ seq, epoch }: ResumeToken, head: number, outline: LogShape): boolean {
  if (seq <= head) return true;
  return outline.lastEpoch > epoch && outline.seqAt(outline.endOfEpoch(epoch).index) < seq;
}

/**
 * Seq up to which this log has what the token's reign wrote; null when it has no record of that
 * reign.
 */
function lastOfReign({ epoch, reign }: ResumeToken, outline: LogShape): number | null {
  const end = outline.endOfEpoch(epoch);
  return end.index > 0 && end.epoch === epoch && outline.reignAt(end.index) === reign ? outline.seqAt(end.index) : null;
}

/** Reigns are hex; in any other text only letters and digits stay as they are. */
function escaped(text: string): string {
  return text.replace(/[^0-9A-Za-z]/g, (unit) => `~${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function unescaped(text: string): string {
  return text.replace(/~([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
