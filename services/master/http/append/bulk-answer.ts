/**
 * Answers a bulk append for each outcome, as answer.ts does for a single one, with the first and
 * the last seq and with numbers of lines.
 */
import type { Context } from 'koa';
import { type Problem, type ProblemKind, sendProblem } from '#http/problem';
import { answerText } from '#http/text-answer';
import type { BulkOutcome } from '#master/core/append';
import {
  ID_CONFLICT,
  type IsCommitted,
  notStored,
  refusedAppend,
  tooLargeForBroker,
  unresolvedProblem,
  unsatisfiableProblem,
} from './answer';

const IDS_KNOWN: ProblemKind = { name: 'ids-known', status: 409, title: 'Some ids were appended before' };

type OutcomeOf<Name extends BulkOutcome['outcome']> = Extract<BulkOutcome, { readonly outcome: Name }>;

/** @param lines of the entries in the body, from 1 */
export function sendBulkOutcome(
  ctx: Context,
  outcome: BulkOutcome,
  lines: readonly number[],
  isCommitted: IsCommitted,
): void {
  if (outcome.outcome === 'acknowledged') sendAcknowledged(ctx, outcome);
  else sendProblem(ctx, problemOfOutcome(outcome, lines, isCommitted));
}

function sendAcknowledged(ctx: Context, { repeated, first, last, count, w, acks }: OutcomeOf<'acknowledged'>): void {
  answerText(ctx, {
    status: repeated ? 200 : 201,
    headers: ['Location', `/messages?from=${first}&limit=${count}`, 'Content-Type', 'application/json'],
    text: JSON.stringify({ first, last, count, w, acks }),
  });
}

function problemOfOutcome(
  outcome: Exclude<BulkOutcome, { readonly outcome: 'acknowledged' }>,
  lines: readonly number[],
  isCommitted: IsCommitted,
): Problem {
  switch (outcome.outcome) {
    case 'unsatisfiable':
      return notStored(unsatisfiableProblem(outcome));
    case 'too-large':
      return notStored(tooLarge(linesOf(outcome.lines, lines), outcome.bytesMax));
    case 'refused':
      return refusedAppend(outcome);
    case 'ids-conflict':
      return notStored(conflict(linesOf(outcome.lines, lines)));
    case 'ids-known':
      return notStored(known(linesOf(outcome.lines, lines)));
    case 'unresolved':
      return unresolved(outcome, isCommitted(outcome.last));
  }
}

/** The lines of the body for entries with these numbers. */
function linesOf(entries: readonly number[], lines: readonly number[]): readonly number[] {
  return entries.map((entry) => lines[entry - 1] ?? entry);
}

function conflict(lines: readonly number[]): Problem {
  const detail = `the ids of ${lines.length} lines belong to other messages; to append new messages, give them new ids`;
  return { kind: ID_CONFLICT, detail, members: { lines } };
}

function tooLarge(lines: readonly number[], bytesMax: number): Problem {
  const { members, ...problem } = tooLargeForBroker(`each of ${lines.length} lines`, bytesMax);
  return { ...problem, members: { ...members, lines } };
}

function known(lines: readonly number[]): Problem {
  const detail = `${lines.length} lines were appended before and the others were not; nothing was appended, send the others alone`;
  return { kind: IDS_KNOWN, detail, members: { lines } };
}

function unresolved({ first, last, count, ...outcome }: OutcomeOf<'unresolved'>, committed: boolean): Problem {
  const what = `entries ${first} to ${last}`;
  return unresolvedProblem(outcome, { what, ids: 'the same ids', members: { first, last, count }, committed });
}
