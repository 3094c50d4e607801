/**
 * Describes error answers as problem details (RFC 9457). A problem is a value; a handler that
 * cannot return one throws it inside a `ProblemError`, and the app answers with it.
 */
import type { Context } from 'koa';
import { StorageError } from '#storage/log-store';
import { answerText } from './text-answer';

/**
 * A kind of problem. Its type is `/problems/<name>`; name, status and title are constant for a
 * kind.
 */
export interface ProblemKind {
  readonly name: string;
  readonly status: number;
  readonly title: string;
}

/** One problem: the body and headers of an error answer. */
export interface Problem {
  readonly kind: ProblemKind;
  /** A sentence about this occurrence, for a person. */
  readonly detail: string;
  /** Extension members of the body (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Additional headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The kinds that every service has. */
export const PROBLEM_KINDS = {
  invalidRequest: { name: 'invalid-request', status: 400, title: 'The request is not valid' },
  unauthorized: { name: 'unauthorized', status: 401, title: 'A valid token is needed' },
  notFound: { name: 'not-found', status: 404, title: 'Not found' },
  methodNotAllowed: { name: 'method-not-allowed', status: 405, title: 'The method is not allowed here' },
  notAcceptable: { name: 'not-acceptable', status: 406, title: 'No such format' },
  requestTimeout: { name: 'request-timeout', status: 408, title: 'The request did not arrive in time' },
  tooLarge: { name: 'too-large', status: 413, title: 'Too large' },
  unsupportedMediaType: { name: 'unsupported-media-type', status: 415, title: 'The content type is not supported' },
  misdirected: { name: 'misdirected-request', status: 421, title: 'Another host was meant' },
  headersTooLarge: { name: 'headers-too-large', status: 431, title: 'The headers are too large' },
  internal: { name: 'internal', status: 500, title: 'Internal error' },
  storage: { name: 'storage', status: 503, title: 'The log cannot be read or written' },
  slowReader: { name: 'slow-reader', status: 408, title: 'The reader was too slow' },
  overloaded: { name: 'overloaded', status: 503, title: 'Too much is under way' },
  foreignLog: { name: 'foreign-log', status: 503, title: 'This node holds another log' },
  notReady: { name: 'not-ready', status: 503, title: 'Not ready' },
  shuttingDown: { name: 'shutting-down', status: 503, title: 'This node is shutting down' },
  notYetVisible: { name: 'not-yet-visible', status: 504, title: 'Not visible here yet' },
} as const satisfies Record<string, ProblemKind>;

/**
 * One fault of a request: where it is, and what the value must be. `path` is '' for the body as a
 * whole.
 */
export interface RequestFault {
  readonly path: string;
  readonly message: string;
}

/** The problem (400) with all faults of a request. */
export function invalidRequest(errors: readonly RequestFault[]): Problem {
  const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return { kind: PROBLEM_KINDS.invalidRequest, detail, members: { errors } };
}

/** The JSON body of an answer with this problem. */
export function problemBody({ kind, detail, members }: Problem): string {
  return JSON.stringify({ type: `/problems/${kind.name}`, title: kind.title, status: kind.status, detail, ...members });
}

/** Answers the request with this problem. */
export function sendProblem(ctx: Context, problem: Problem): void {
  const headers = [...Object.entries(problem.headers ?? {}).flat(), 'Content-Type', PROBLEM_MEDIA_TYPE];
  answerText(ctx, { status: problem.kind.status, headers, text: problemBody(problem) });
}

/**
 * Answers a request that nothing was done for, whatever it is; an append is told that it is in no
 * log.
 */
export function sendRefusal(ctx: Context, problem: Problem): void {
  const isAppend = ctx.method === 'POST' && /^\/messages\/?$/.test(ctx.path);
  sendProblem(ctx, isAppend ? { ...problem, members: { ...problem.members, stored: false } } : problem);
}

/** RFC 9457 §6.1. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** Carries a problem to the app as an exception. */
export class ProblemError extends Error {
  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(`${problem.kind.name}: ${problem.detail}`, options);
    this.name = 'ProblemError';
  }
}

/**
 * The problem to answer an error with: its own, that of a `StorageError` (503) or of an HTTP
 * library's error; null for an unexpected error.
 */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof StorageError) return { kind: PROBLEM_KINDS.storage, detail: error.message };
  const { status, message } = httpErrorOf(error);
  if (status === 413) return { kind: PROBLEM_KINDS.tooLarge, detail: message };
  if (status === 415) return { kind: PROBLEM_KINDS.unsupportedMediaType, detail: message };
  if (status >= 400 && status < 500) return invalidRequest([{ path: '', message }]);
  return null;
}

/** Errors of HTTP libraries carry a status and a message that may be shown to the client. */
function httpErrorOf(error: unknown): { readonly status: number; readonly message: string } {
  const { status, message } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  return { status: typeof status === 'number' ? status : 500, message: String(message) };
}
