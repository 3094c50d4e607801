/**
 * What a client is told when it does not get what it asked for: RFC 9457 problem details. A problem
 * is a value; where a handler has to leave at once it throws it inside a `ProblemError`, and the
 * app answers with it.
 */
import type { Context } from 'koa';
import { StorageError } from '#storage/log-store';

/**
 * A kind of problem. Its type is `/problems/<name>`; name, status and title never change from one
 * occurrence to the next.
 */
export interface ProblemKind {
  readonly name: string;
  readonly status: number;
  readonly title: string;
}

export interface Problem {
  readonly kind: ProblemKind;
  /** A sentence about this occurrence, for a person. */
  readonly detail: string;
  /** Further members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Further headers of the answer. */
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
 * One fault of a request: where it is, and what it must be. `path` is '' for the body as a whole.
 */
export interface RequestFault {
  readonly path: string;
  readonly message: string;
}

/** 400 with all the faults of a request. */
export function invalidRequest(errors: readonly RequestFault[]): Problem {
  const detail = errors.map(({ path, message }) => (path === '' ? message : `${path} ${message}`)).join('; ');
  return { kind: PROBLEM_KINDS.invalidRequest, detail, members: { errors } };
}

/** The problem as a client gets it. */
export function problemBody({ kind, detail, members }: Problem): string {
  return JSON.stringify({ type: `/problems/${kind.name}`, title: kind.title, status: kind.status, detail, ...members });
}

export function sendProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.kind.status;
  if (problem.headers !== undefined) ctx.set({ ...problem.headers });
  ctx.set('Content-Type', PROBLEM_MEDIA_TYPE);
  ctx.body = problemBody(problem);
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

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
 * The problem that an error stands for: its own, that of a library's HTTP error, or null for one
 * that nobody foresaw.
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

/** Errors of the HTTP libraries carry a status, and a message that is fit for the client. */
function httpErrorOf(error: unknown): { readonly status: number; readonly message: string } {
  const { status, message } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  return { status: typeof status === 'number' ? status : 500, message: String(message) };
}
