/**
 * Serves `POST /messages` with `Content-Type: application/x-ndjson`: appends many consecutive
 * entries, all of them or none. Behind the edge it is an append like a single one; its records
 * become durable together. With `atomic=false` each line is an append of its own.
 */
import type { Context } from 'koa';
import { readRawBody } from '#http/body/raw';
import { invalidRequest, PROBLEM_KINDS, type Problem, type RequestFault, sendProblem } from '#http/problem';
import { HttpClient } from '#http/wait-signal';
import type { BulkOutcome } from '#master/core/append';
import { type BulkQuery, parseBulkQuery } from '../wait-query';
import { committedAt, notStored } from './answer';
import { sendBulkOutcome } from './bulk-answer';
import { BULK_LINES_MAX, type BulkBody, type BulkLines, type LineFault, NO_LINE, parseBulkBody } from './bulk-request';
import { type AppendOptions, boundsOf } from './options';
import { ID_HEADER } from './request';
import { LineAnswers, sendAnswers } from './separate-answer';
import { parseSeparateBody } from './separate-request';

/** Largest number of faults in `errors`; `lines` has the numbers of all bad lines. */
const FAULTS_SHOWN_MAX = 1_000;
/** Largest number of faults in the sentence for people. */
const FAULTS_SAID_MAX = 10;

/** Is the body NDJSON in UTF-8, by its content type? */
export function isBulk(ctx: Context): boolean {
  const contentType = ctx.headers['content-type'] ?? '';
  if (contentType === 'application/json') return false;
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';');
  const isForeign = parameters.some((parameter) => /^\s*charset\s*=\s*(?!"?utf-?8"?\s*$)/.test(parameter));
  return mediaType.trim() === 'application/x-ndjson' && !isForeign;
}

type Begun =
  | { readonly outcome: Promise<BulkOutcome>; readonly lines: readonly number[] }
  | { readonly answers: LineAnswers }
  | { readonly problem: Problem };

/** Appends the entries of the body, and answers once their write concern is met. */
export async function answerBulk(ctx: Context, options: AppendOptions): Promise<void> {
  const begun = await beginBulk(ctx, options);
  if ('problem' in begun) sendProblem(ctx, notStored(begun.problem));
  else if ('answers' in begun) await sendAnswers(ctx, begun.answers);
  else sendBulkOutcome(ctx, await begun.outcome, begun.lines, committedAt(options.master));
}

/** Returns before the wait begins, so that a waiting request does not keep the messages alive. */
async function beginBulk(ctx: Context, options: AppendOptions): Promise<Begun> {
  const body = await readRawBody(ctx.req, boundsOf(options));
  if ('problem' in body) return body;
  const wait = parseBulkQuery(ctx.query);
  const faults = [...headerFaults(ctx), ...('faults' in wait ? wait.faults : [])];
  if (!('faults' in wait) && faults.length === 0 && !wait.atomic) return beginEach(ctx, body.bytes, wait, options);
  const parsed = parseBulkBody(body.bytes, options.messageBytesMax);
  if ('faults' in parsed) return { problem: badLines([...faults, ...parsed.faults]) };
  if ('faults' in wait || faults.length > 0) return { problem: invalidRequest(faults) };
  if (!('entries' in parsed)) return { problem: problemOf(parsed, options) };
  const writeConcern = wait.writeConcern ?? options.defaultWriteConcern;
  const request = { entries: parsed.entries, writeConcern, timeoutMs: wait.timeoutMs };
  return { outcome: options.master.appendAll(request, new HttpClient(ctx.res)), lines: parsed.lines };
}

function beginEach(ctx: Context, body: Buffer, wait: BulkQuery, options: AppendOptions): Begun {
  const lines = parseSeparateBody(body, { ...options, ...wait });
  if (lines === null) return { problem: tooManyLines(BULK_LINES_MAX) };
  if (lines.count === 0) return { problem: invalidRequest([NO_LINE]) };
  const { count, ids, problems } = lines;
  const answers = new LineAnswers({ count, ids }, problems, options.master);
  options.master.appendEach(lines.sections, new HttpClient(ctx.res), answers);
  return { answers };
}

function headerFaults(ctx: Context): readonly RequestFault[] {
  if (ctx.headers['idempotency-key'] === undefined) return [];
  return [{ path: ID_HEADER, message: 'is for one entry: give each line its own id' }];
}

function problemOf(
  parsed: Exclude<BulkBody, BulkLines | { readonly faults: unknown }>,
  { messageBytesMax: bytesMax }: AppendOptions,
): Problem {
  if ('tooMany' in parsed) return tooManyLines(parsed.tooMany);
  const { largeLines: lines } = parsed;
  const detail = `${saidLines(lines)}: larger than ${bytesMax} bytes in UTF-8, the most that this log takes`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { lines, bytesMax } };
}

function tooManyLines(linesMax: number): Problem {
  const detail = `the body has more than ${linesMax} lines; send it in several`;
  return { kind: PROBLEM_KINDS.tooLarge, detail, members: { linesMax } };
}

function badLines(faults: readonly (LineFault | RequestFault)[]): Problem {
  const lines = [...new Set(faults.flatMap((fault) => ('line' in fault ? [fault.line] : [])))];
  const { detail, ...problem } = invalidRequest(faults.slice(0, FAULTS_SAID_MAX));
  const more = faults.length - FAULTS_SAID_MAX;
  const errors = faults.slice(0, FAULTS_SHOWN_MAX);
  const said = more > 0 ? `${detail}; and ${more} more` : detail;
  return { ...problem, detail: said, members: lines.length === 0 ? { errors } : { errors, lines } };
}

/** "line 3", "lines 3, 5 and 9 more". */
function saidLines(lines: readonly number[]): string {
  const shown = lines.slice(0, FAULTS_SAID_MAX).join(', ');
  const more = lines.length - FAULTS_SAID_MAX;
  return `${lines.length === 1 ? 'line' : 'lines'} ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}
