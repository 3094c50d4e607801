/**
 * Answers `POST /messages` for each outcome of an append: this is its table of statuses. Every
 * problem says in `stored` whether the entry is in the log: `false` (in none, now or later), `true`
 * (in the master's, and on its way), or `"unknown"`. Where it is in the master's, `committed` says
 * whether a majority of the voters holds it: only then no later master can remove it.
 */
import type { Context } from 'koa';
import { invalidRequest, PROBLEM_KINDS, type Problem, type ProblemKind, sendProblem } from '#http/problem';
import { answerText } from '#http/text-answer';
import type { AppendOutcome, MissingNode, Refusal } from '#master/core/append';
import { type Answered, answered } from '#process/steps';
import type { MasterPort } from '../ports';

type OutcomeOf<Name extends AppendOutcome['outcome']> = Extract<AppendOutcome, { readonly outcome: Name }>;
type Unresolved = OutcomeOf<'unresolved'>;

const UNSATISFIABLE: ProblemKind = {
  name: 'unsatisfiable-write-concern',
  status: 400,
  title: 'More nodes than there are',
};

/** The kind of problem for an id that belongs to another message. */
export const ID_CONFLICT: ProblemKind = {
  name: 'id-conflict',
  status: 409,
  title: 'The id belongs to another message',
};

const REFUSALS: Readonly<Record<Refusal, ProblemKind>> = {
  'no-quorum': { name: 'no-quorum', status: 503, title: 'Read-only: too few nodes are alive' },
  recovering: { name: 'recovering', status: 503, title: 'The master is starting' },
  'another-log': { name: 'another-log', status: 503, title: 'The members hold another log' },
  standby: { name: 'standby', status: 503, title: 'This node is not the master' },
  overloaded: PROBLEM_KINDS.overloaded,
  storage: PROBLEM_KINDS.storage,
  'shutting-down': PROBLEM_KINDS.shuttingDown,
  deposed: { name: 'deposed', status: 503, title: 'Another master reigns' },
};

const TIMEOUT: ProblemKind = { name: 'write-concern-timeout', status: 504, title: 'The write concern is not met yet' };

/** Seconds after which a waiting client may try again: another process can listen here by then. */
const UNRESOLVED_RETRY_AFTER_S = 1;

/** Whether the entry with this seq is known to be committed. */
export type IsCommitted = (seq: number) => boolean;

/** The `IsCommitted` of a master. */
export function committedAt(master: MasterPort): IsCommitted {
  return (seq) => master.replication(seq)?.committed ?? false;
}

export function sendOutcome(ctx: Context, outcome: AppendOutcome, isCommitted: IsCommitted): void {
  if (outcome.outcome === 'acknowledged') sendAcknowledged(ctx, outcome);
  else sendProblem(ctx, problemOfOutcome(outcome, isCommitted));
}

/** Marks the problem of an append that is in no log and never will be. */
export function notStored(problem: Problem): Problem {
  return { ...problem, members: { ...problem.members, stored: false } };
}

/**
 * The problem of a refused append. The entry is in no log, unless one with the same id was in this
 * node's log: the next reign may keep or truncate it.
 */
export function refusedAppend(outcome: OutcomeOf<'refused'>): Problem {
  const problem = refusedProblem(outcome);
  if (outcome.stored === undefined) return notStored(problem);
  return { ...problem, members: { ...problem.members, stored: outcome.stored } };
}

/**
 * Sends the entry's bytes with `w` and `acks` before the closing brace, so that the message is not
 * parsed and encoded again.
 */
function sendAcknowledged(ctx: Context, { repeated, seq, entry, w, acks }: OutcomeOf<'acknowledged'>): void {
  const text = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength - 1).toString('utf8');
  answerText(ctx, {
    status: repeated ? 200 : 201,
    headers: ['Location', `/messages/${seq}`, 'Content-Type', 'application/json'],
    text: `${text},"w":${w},"acks":${JSON.stringify(acks)}}`,
  });
  if (answered.hasSubscribers) answered.publish({ response: ctx.res, seq } satisfies Answered);
}

export function problemOfOutcome(
  outcome: Exclude<AppendOutcome, { readonly outcome: 'acknowledged' }>,
  isCommitted: IsCommitted,
): Problem {
  switch (outcome.outcome) {
    case 'unsatisfiable':
      return notStored(unsatisfiableProblem(outcome));
    case 'id-conflict':
      return notStored(idConflict(outcome));
    case 'id-reserved':
      return notStored(invalidRequest([{ path: 'id', message: ID_RESERVED }]));
    case 'too-large':
      return notStored(tooLargeForBroker('the entry', outcome.bytesMax));
    case 'refused':
      return refusedAppend(outcome);
    case 'unresolved':
      return unresolved(outcome, isCommitted);
  }
}

const ID_RESERVED = 'must not have the form of the ids that masters make; this one was never given';

/** The problem for a message that is larger than this log takes. */
export function messageTooLarge(bytes: number, bytesMax: number): Problem {
  const detail = `the message has ${bytes} bytes in UTF-8; the most that this log takes is ${bytesMax}`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { bytes, bytesMax } };
}

/** `what`: the entry, or its lines. */
export function tooLargeForBroker(what: string, bytesMax: number): Problem {
  const detail = `${what} would make a message of more than ${bytesMax} bytes, the most that the broker takes (max_message_size)`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { brokerBytesMax: bytesMax } };
}

export function unsatisfiableProblem({ w, nodes }: OutcomeOf<'unsatisfiable'>): Problem {
  const detail = `w asks for ${w} nodes, and this log has ${nodes}`;
  return { kind: UNSATISFIABLE, detail, members: { w, nodes } };
}

function idConflict({ seq }: OutcomeOf<'id-conflict'>): Problem {
  const detail = `entry ${seq} has this id and another message; to append a new message, give it a new id`;
  return { kind: ID_CONFLICT, detail, members: { seq } };
}

/** The problem for a refusal, without `stored`: also for requests that store no entry. */
export function refusedProblem({ problem, detail, retryAfterS, quorum, missing }: OutcomeOf<'refused'>): Problem {
  return {
    kind: REFUSALS[problem],
    detail,
    members: { quorum, missing: missing.map(shownMissing) },
    headers: { 'Retry-After': String(retryAfterS) },
  };
}

function shownMissing({ id, status, lastSeenMs, left }: MissingNode): MissingNode {
  return { id, status, lastSeenMs, ...(left === true ? { left } : {}) };
}

function unresolved({ seq, id, ...outcome }: Unresolved, isCommitted: IsCommitted): Problem {
  const committed = isCommitted(seq);
  return unresolvedProblem(outcome, { what: `entry ${seq}`, ids: `the id ${id}`, members: { seq, id }, committed });
}

const COMMITTED = 'in the log and committed, so that no later master removes it';
const NOT_COMMITTED = 'in the log of this master and not committed, so that a later master may keep it or remove it';

/**
 * The problem for a write concern that was not met.
 * @param entry `what`: the entries that the client waited for; `ids`: the ids to retry with, both
 *   as words; `members`: further members of the problem
 */
export function unresolvedProblem(
  { problem, w, acks, stored }: Omit<Unresolved, 'seq' | 'id' | 'outcome'>,
  entry: {
    readonly what: string;
    readonly ids: string;
    readonly members: Readonly<Record<string, unknown>>;
    readonly committed: boolean;
  },
): Problem {
  const members = { ...entry.members, w, acks, stored };
  if (problem === 'write-concern-timeout') {
    const { committed } = entry;
    const fate = committed ? COMMITTED : NOT_COMMITTED;
    const detail = `${entry.what}: ${fate}; replication goes on: ${acks.length} of ${w} nodes are known to hold it; to retry with ${entry.ids} is safe`;
    return { kind: TIMEOUT, detail, members: { ...members, committed } };
  }
  const why = problem === 'deposed' ? 'this master lost its reign' : 'this master stops';
  const detail = `${why} while ${entry.what} waited for ${w} nodes; retry with ${entry.ids}: it is appended once at most`;
  return { kind: REFUSALS[problem], detail, members, headers: { 'Retry-After': String(UNRESOLVED_RETRY_AFTER_S) } };
}
