/**
 * Serves the log over HTTP, in the same way on every node: `GET /messages` and `GET
 * /messages/:seq`. A reader gets the log as it was when its request was taken, and the headers
 * (Rlog-Head, Rlog-Commit …) say which state that was. As server-sent events (tail.ts) the answer
 * continues from there.
 */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { CLIENT_LIMITS, type ClientLimits } from '#process/node-settings';
import { logIdOf } from '#protocol/identity';
import { parseResumePoint, type ResumePoint } from '#protocol/resume-token';
import { requestIdOf } from '../app';
import { type Places, waitingPlaces } from '../places';
import { invalidRequest, PROBLEM_KINDS, ProblemError, sendProblem } from '../problem';
import { readsQuery } from '../query';
import { waitSignal } from '../wait-signal';
import type { LogReader, ReaderPosition } from './log-reader';
import { EVERYTHING, parseLogQuery, parseReadingQuery, type ReadingQuery, refusedByTails } from './query';
import { Reads } from './reads';
import { type EntryFormat, entriesBody, JSON_ARRAY, JSON_LINES, type SeqRange } from './stream';
import { EntryTails, EVENT_STREAM, foreignLog } from './tail';

/** Limits that are left out are the defaults. */
interface ReadingOptions extends Partial<ClientLimits> {
  readonly reader: LogReader;
  /** Aborts when the server stops: waiting clients get a problem. */
  readonly stopping: AbortSignal;
  /** For those who wait until a seq is visible. Left out: places of their own. */
  readonly waits?: Places;
}

interface Reading extends ClientLimits {
  readonly reader: LogReader;
  readonly stopping: AbortSignal;
  readonly tails: EntryTails;
  readonly reads: Reads;
  readonly waits: Places;
}

const FORMATS: readonly EntryFormat[] = [JSON_ARRAY, JSON_LINES];
const MEDIA_TYPES = [...FORMATS.map(({ mediaType }) => mediaType), EVENT_STREAM];

/** Adds both routes. */
export function addReadingRoutes(router: Router, options: ReadingOptions): void {
  const limits = { ...CLIENT_LIMITS, ...options };
  const { waits = waitingPlaces(limits.readersMax) } = options;
  const reading = { ...limits, waits, tails: new EntryTails(limits), reads: new Reads(limits) };
  router.get(
    '/messages',
    readsQuery((ctx) => sendEntries(ctx, reading)),
  );
  router.get(
    '/messages/:seq',
    readsQuery((ctx) => sendEntry(ctx, options.reader, seqParameter(ctx.params.seq))),
  );
}

/** The seq in a path. Throws a `ProblemError` (400) when it is not a number. */
export function seqParameter(text: string | undefined): number {
  if (text !== undefined && /^[0-9]+$/.test(text)) return Number(text);
  throw new ProblemError(invalidRequest([{ path: 'seq', message: 'must be a whole number of 1 or more' }]));
}

/** The error (404) for a seq that has no entry here. */
export function noSuchEntry(seq: number, { head }: ReaderPosition): ProblemError {
  const detail = `there is no entry ${seq} here; the head is ${head}`;
  return new ProblemError({ kind: PROBLEM_KINDS.notFound, detail });
}

async function sendEntries(ctx: Context, reading: Reading): Promise<void> {
  const { reader, tails, reads } = reading;
  const format = formatFor(ctx);
  const query = queryOf(ctx);
  checkLog(query.log, reader);
  if (query.minSeq > 0) {
    if (!(await reading.waits.within(() => waitForSeq(ctx, query, reading)))) return;
    checkLog(query.log, reader);
  }
  const position = reader.position();
  if (format === 'events') {
    setPosition(ctx, position);
    return sendTail(ctx, query, tails);
  }
  const end = query.committed ? position.commit : position.head;
  const range = await rangeOf(query, end, reader);
  const body = await entriesBody(reader, range, format, reads.begin(ctx.res));
  setPosition(ctx, position);
  if (query.id === null && range.to < end) ctx.set('Link', nextLink(ctx, range.to + 1));
  ctx.set('Vary', 'Accept');
  ctx.set('Content-Type', format.mediaType);
  ctx.status = 200;
  ctx.body = body;
}

/** Hands the response over to the tail: Koa would wait for the end of the stream. */
function sendTail(ctx: Context, query: ReadingQuery, tails: EntryTails): void {
  const faults = refusedByTails(query);
  if (faults.length > 0) throw new ProblemError(invalidRequest(faults));
  const { refusal } = tails;
  if (refusal !== null) return sendProblem(ctx, refusal);
  const resume = resumePoint(ctx);
  ctx.set({ Vary: 'Accept', 'Content-Type': EVENT_STREAM, 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' });
  ctx.set('X-Request-Id', requestIdOf(ctx));
  ctx.status = 200;
  ctx.respond = false;
  ctx.res.flushHeaders();
  if (ctx.method === 'HEAD') ctx.res.end();
  else tails.follow(ctx.res, { ...query, resume });
}

/** The position in Last-Event-ID; null when the client does not resume. */
function resumePoint(ctx: Context): ResumePoint | null {
  const text = ctx.get('Last-Event-ID');
  if (text === '') return null;
  const point = parseResumePoint(text);
  if (point !== null) return point;
  const message = 'must be the id of an event as it was sent ("7-2.5.…"), or the seq of an entry';
  throw new ProblemError(invalidRequest([{ path: 'Last-Event-ID', message }]));
}

/** Throws a `ProblemError` unless this node has the log that was asked for. */
function checkLog(asked: string | null, reader: LogReader): void {
  if (asked === null) {
    const foreign = reader.foreign();
    if (foreign !== null) throw new ProblemError(foreignLog(foreign));
    return;
  }
  const { log } = reader.position();
  if (log !== null && (asked === log || asked === logIdOf(log))) return;
  const detail = `the log ${asked} is not here: this node holds ${log === null ? 'none yet' : log}`;
  throw new ProblemError({ kind: PROBLEM_KINDS.notFound, detail, members: { log } });
}

async function sendEntry(ctx: Context, reader: LogReader, seq: number): Promise<void> {
  checkLog(logOf(ctx), reader);
  const position = reader.position();
  const [entry] = seq < 1 || seq > position.head ? [] : await reader.read({ from: seq, to: seq, maxBytes: 1 });
  if (entry === undefined) throw noSuchEntry(seq, position);
  setPosition(ctx, position);
  ctx.set('Content-Type', 'application/json');
  ctx.status = 200;
  ctx.body = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
}

function formatFor(ctx: Context): EntryFormat | 'events' {
  const accepted = ctx.headers.accept === undefined ? JSON_ARRAY.mediaType : ctx.accepts(MEDIA_TYPES);
  if (accepted === EVENT_STREAM) return 'events';
  const format = FORMATS.find(({ mediaType }) => mediaType === accepted);
  if (format !== undefined) return format;
  const detail = `entries come as ${MEDIA_TYPES.join(' or ')}, not as ${ctx.get('Accept')}`;
  throw new ProblemError({ kind: PROBLEM_KINDS.notAcceptable, detail });
}

function queryOf(ctx: Context): ReadingQuery {
  if (ctx.querystring === '') return EVERYTHING;
  const read = parseReadingQuery(ctx.query);
  if ('faults' in read) throw new ProblemError(invalidRequest(read.faults));
  return read.query;
}

function logOf(ctx: Context): string | null {
  if (ctx.querystring === '') return null;
  const read = parseLogQuery(ctx.query);
  if ('faults' in read) throw new ProblemError(invalidRequest(read.faults));
  return read.log;
}

/**
 * Waits until the query's seq is visible. Resolves with false when it did not become visible; a
 * problem has been sent then.
 */
async function waitForSeq(
  ctx: Context,
  { minSeq, timeoutMs, committed }: ReadingQuery,
  { reader, stopping, waitMsMax }: Reading,
) {
  const signal = waitSignal(ctx.res, stopping);
  const bound = Math.min(timeoutMs ?? waitMsMax, waitMsMax);
  if (await reader.whenVisible(minSeq, { timeoutMs: bound, signal, committed })) return true;
  const { head, commit } = reader.position();
  if (stopping.aborted) {
    const detail = `entry ${minSeq} is not visible here yet, and this node stops; ask another one`;
    sendProblem(ctx, { kind: PROBLEM_KINDS.shuttingDown, detail, members: { minSeq, head } });
  } else {
    const seen = committed
      ? `is not known to be committed here yet: the commit index is ${commit}`
      : `is not visible here yet: the head is ${head}`;
    const detail = `entry ${minSeq} ${seen}`;
    sendProblem(ctx, { kind: PROBLEM_KINDS.notYetVisible, detail, members: { minSeq, head } });
  }
  return false;
}

async function rangeOf({ from, limit, id }: ReadingQuery, end: number, reader: LogReader): Promise<SeqRange> {
  if (id !== null) {
    const seq = await reader.findId(id);
    return seq === null || seq < from || seq > end ? { from, to: from - 1 } : { from: seq, to: seq };
  }
  return { from, to: limit === null ? end : Math.min(end, from + limit - 1) };
}

function setPosition(ctx: Context, { head, commit, epoch, log }: ReaderPosition): void {
  if (log !== null) ctx.set('Rlog-Log', log);
  ctx.set('Rlog-Head', String(head));
  ctx.set('Rlog-Commit', String(commit));
  ctx.set('Rlog-Epoch', String(epoch));
}

/** The Link header (RFC 8288) to the rest: the same query from the next seq. */
function nextLink(ctx: Context, from: number): string {
  const query = new URLSearchParams(ctx.querystring);
  query.set('from', String(from));
  return `</messages?${query.toString()}>; rel="next"`;
}
