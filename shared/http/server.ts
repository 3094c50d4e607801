/**
 * Listens for HTTP requests of a service, bounds how long their arrival takes, and stops in order.
 *
 * A client may wait an hour for its write concern, so no request is cut off once it has arrived;
 * only the arrival has a time limit. A client whose machine died is detected by TCP keep-alive.
 *
 * The number of connections is bounded, so that clients leave the store the file descriptors that
 * it needs; a connection above the bound is closed at once.
 *
 * Stopping, in order: no new connections, and answers carry `Connection: close`; idle connections
 * are closed; the caller answers the waiting clients; each connection is closed after its last
 * answer; the rest is cut off after the time limit. Connections are counted here because Node's
 * `closeIdleConnections` leaves connections open that never sent a request.
 */

import { randomUUID } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type Koa from 'koa';
import type { Logger } from 'pino';
import { logEvent } from '#process/logger';
import { systemErrorCode } from '#process/system-error';
import { PROBLEM_KINDS, PROBLEM_MEDIA_TYPE, type Problem, problemBody } from './problem';

/**
 * Time limit for the arrival of one request, body included: 16 MiB over a slow line take minutes.
 */
const REQUEST_RECEIVE_MS_MAX = 300_000;
const HEADERS_RECEIVE_MS_MAX = 60_000;
/**
 * More than the 60 s that clients and proxies commonly keep a connection, so that they close it
 * rather than this side, which could do so just as a request arrives.
 */
const KEEP_ALIVE_MS = 65_000;
const TCP_KEEP_ALIVE_DELAY_MS = 30_000;
/** Part of the 10 s in which a process has to stop. */
const CLOSE_MS_MAX = 5_000;

/** EX_UNAVAILABLE of sysexits.h. */
const EXIT_UNAVAILABLE = 69;

/**
 * Descriptors that are kept from clients: those of the runtime (some 25), the broker's connections,
 * the files of the log and of its id index.
 */
const DESCRIPTORS_KEPT = 128;
/** A request may read the log, with a descriptor of its own. */
const DESCRIPTORS_PER_CONNECTION = 2;
/** Enough for probes and an operator where the limit is absurdly low. */
const CONNECTIONS_LEAST = 8;

/**
 * Most connections under the process's limit of open files (`ulimit -n`); none where the system has
 * no limit.
 */
export function connectionsMaxOf(descriptorsMax: number | 'unlimited' | undefined): number {
  if (typeof descriptorsMax !== 'number') return Number.POSITIVE_INFINITY;
  return Math.max(CONNECTIONS_LEAST, Math.floor((descriptorsMax - DESCRIPTORS_KEPT) / DESCRIPTORS_PER_CONNECTION));
}

function descriptorsMax(): number | 'unlimited' | undefined {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | 'unlimited' } } };
  return report.userLimits?.open_files?.soft;
}

interface ListeningAt {
  readonly host: string;
  readonly port: number;
  /** URL for clients on this machine: a wildcard host is shown as the loopback address. */
  readonly url: string;
}

/** The server cannot listen at its address; `message` says what to do. */
export class ListenError extends Error {
  readonly exitCode = EXIT_UNAVAILABLE;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ListenError';
  }
}

/** The server of one process; `listen` and `close` are called once. */
export class HttpServer {
  private readonly server: Server;
  private readonly stop = new AbortController();
  /** Number of unanswered requests of each open connection. */
  private readonly pending = new Map<Duplex, number>();
  /** Connections were refused since there were last few. */
  private isFull = false;

  constructor(
    private readonly logger: Logger,
    private readonly connectionsMax = connectionsMaxOf(descriptorsMax()),
  ) {
    setMaxListeners(0, this.stop.signal);
    this.server = createServer({
      requestTimeout: REQUEST_RECEIVE_MS_MAX,
      headersTimeout: HEADERS_RECEIVE_MS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
    });
    this.server.timeout = 0;
    if (Number.isFinite(connectionsMax)) this.server.maxConnections = connectionsMax;
    this.server.on('drop', () => this.becomeFull());
    this.server.on('connection', (socket: Socket) => this.watchConnection(socket));
    this.server.on('request', (_, response) => this.watchAnswer(response));
    this.server.on('clientError', (error, socket) => this.refuseGarbage(error, socket));
  }

  /** Aborts at the start of `close`. */
  get stopping(): AbortSignal {
    return this.stop.signal;
  }

  /**
   * Listens and passes requests to `app`. Port 0 takes a free port. Rejects with a `ListenError`.
   */
  async listen(app: Koa, at: { readonly host: string; readonly port: number }): Promise<ListeningAt> {
    const handle = app.callback();
    this.server.on('request', (request, response) => void handle(request, response));
    this.server.listen({ host: at.host, port: at.port });
    try {
      await once(this.server, 'listening');
    } catch (cause) {
      throw new ListenError(whyNotListening(cause, at), { cause });
    }
    const { address, port } = this.server.address() as AddressInfo;
    return { host: address, port, url: urlOf(at.host, port) };
  }

  /**
   * Stops in the order described at the head of this file. `answerBlocked` answers every waiting
   * request; `withinMs` is the time limit in milliseconds. Never rejects because of a client;
   * rejects if `answerBlocked` does.
   */
  async close(options: { readonly answerBlocked?: () => Promise<void> | void; readonly withinMs?: number } = {}) {
    this.stop.abort();
    const closed = this.server.listening ? once(this.server, 'close') : Promise.resolve();
    this.server.close();
    for (const [socket, count] of this.pending) if (count === 0) socket.destroy();
    const cut = setTimeout(() => this.cutConnections(), options.withinMs ?? CLOSE_MS_MAX);
    try {
      await options.answerBlocked?.();
      await closed;
    } finally {
      clearTimeout(cut);
    }
  }

  private cutConnections(): void {
    logEvent(this.logger, 'warn', 'http.connections-cut', { connections: this.pending.size });
    for (const socket of this.pending.keys()) socket.destroy();
  }

  private watchConnection(socket: Socket): void {
    this.pending.set(socket, 0);
    socket.once('close', () => {
      this.pending.delete(socket);
      this.isFull &&= this.pending.size > this.connectionsMax / 2;
    });
  }

  private becomeFull(): void {
    if (this.isFull) return;
    this.isFull = true;
    const facts = { connections: this.pending.size, connectionsMax: this.connectionsMax };
    logEvent(this.logger, 'warn', 'http.connections-refused', facts);
  }

  private watchAnswer(response: ServerResponse): void {
    const { socket } = response.req;
    this.pending.set(socket, (this.pending.get(socket) ?? 0) + 1);
    response.on('close', () => this.recordAnswered(socket));
  }

  private recordAnswered(socket: Socket): void {
    const count = this.pending.get(socket);
    if (count === undefined) return;
    this.pending.set(socket, count - 1);
    if (count === 1 && this.stop.signal.aborted) socket.destroySoon();
  }

  /**
   * Answers bytes that are not HTTP, unless an answer is in progress on that connection: the two
   * would be mixed.
   */
  private refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
    const isBusy = (this.pending.get(socket) ?? 0) > 0;
    if (!socket.writable || isBusy || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    socket.end(rawAnswer(garbageProblem(error.code)));
  }
}

function garbageProblem(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return { kind: PROBLEM_KINDS.headersTooLarge, detail: 'the headers are larger than this server takes' };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { kind: PROBLEM_KINDS.requestTimeout, detail: 'the request did not arrive in time' };
  }
  return { kind: PROBLEM_KINDS.invalidRequest, detail: 'not an HTTP request', members: { errors: [] } };
}

function rawAnswer(problem: Problem): string {
  const body = problemBody(problem);
  return [
    `HTTP/1.1 ${problem.kind.status} ${problem.kind.title}`,
    `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${randomUUID()}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

function whyNotListening(cause: unknown, { host, port }: { readonly host: string; readonly port: number }): string {
  const code = systemErrorCode(cause);
  if (code === 'EADDRINUSE') {
    return `port ${port} on ${host} is in use: stop what listens there, or set HTTP_PORT to another port (0 picks a free one)`;
  }
  if (code === 'EACCES') {
    return `port ${port} on ${host} needs more rights than this process has: set HTTP_PORT to one above 1023`;
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return `${host} is no address of this machine: set HTTP_HOST to one (127.0.0.1, or 0.0.0.0 for all)`;
  }
  return `cannot listen on ${host}, port ${port}: ${cause instanceof Error ? cause.message : String(cause)}`;
}

function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
