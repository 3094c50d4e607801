/**
 * Wraps one AMQP connection of amqplib: opened within a time limit, observed from its first moment,
 * ended exactly once.
 *
 * States: *opening* (left by open-ok, an error, the timeout or the caller's signal) → *open* →
 * *ended* (the broker closed it, the socket failed, heartbeats were missed, or `close`/`destroy`
 * was called). `ended` tells why; an ended connection is never revived.
 *
 * The callback API of amqplib is used because it hands over the connection in the same turn in
 * which it opens. With its promises there is a turn in between, in which an error event has no
 * listener and ends the process. What remains is amqplib's own gap: a fatal close in the very
 * packet that carries open-ok. The socket is destroyed through an abort signal, because amqplib
 * only half-closes it, and a dead peer would keep the socket, and with it this process, alive for
 * minutes.
 */
import { type Connection, connect } from 'amqplib/callback_api';
import { AmqpError, amqpErrorOf, describeUrl } from './error';
import { credentialsOf, keepReasonOfClose } from './handshake';

keepReasonOfClose();

interface ConnectOptions {
  readonly url: string;
  /**
   * AMQP heartbeat in seconds, 1 or more; overrides the URL's. A dead peer is detected after two to
   * three heartbeats.
   */
  readonly heartbeatS: number;
  /** Shown by the broker's tools: the node, and the purpose of the connection. */
  readonly name: string;
  /** Time limit for all of opening: name lookup, socket, TLS and handshake, in milliseconds. */
  readonly timeoutMs: number;
  /** Aborts opening. */
  readonly signal: AbortSignal;
}

/** Time for the last frames (close-ok, a last publish) to leave before the socket is destroyed. */
const LINGER_MS = 500;

/** One connection; made by `open`. */
export class AmqpConnection {
  /** Resolves with the reason when the connection has ended; never rejects. */
  readonly ended: Promise<AmqpError>;
  /** The connection of amqplib, for channels. */
  readonly model: Connection;
  private endReason: AmqpError | null = null;
  private resolveEnded: (error: AmqpError) => void = () => undefined;
  private blockedReason: string | null = null;

  private constructor(
    model: Connection,
    private readonly socket: AbortController,
    readonly name: string,
    private readonly onBlockedChange: (reason: string | null) => void,
  ) {
    this.model = model;
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    model.on('error', (cause: unknown) => this.becomeEnded(cause));
    model.on('close', (cause: unknown) => this.becomeEnded(cause ?? new Error('closed')));
    model.on('blocked', (reason: string) => this.becomeBlocked(reason));
    model.on('unblocked', () => this.becomeBlocked(null));
  }

  /**
   * Opens a connection. `onBlockedChange` is called with the broker's reason when it blocks
   * publishes (connection.blocked), and with null when it unblocks them. Rejects with an
   * `AmqpError`: `unreachable`, `denied`, `timeout`, or `closed` when the signal aborted.
   */
  static open(
    options: ConnectOptions,
    onBlockedChange: (reason: string | null) => void = () => undefined,
  ): Promise<AmqpConnection> {
    const socket = new AbortController();
    const what = `cannot connect to ${describeUrl(options.url)}`;
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) => {
        release();
        socket.abort();
        reject(amqpErrorOf(cause, { what, on: 'connecting' }));
      };
      const timer = setTimeout(() => fail(timeoutError(what, options.timeoutMs)), options.timeoutMs);
      const giveUp = () =>
        fail(new AmqpError('closed while connecting', { code: 'closed', blastRadius: 'connection' }));
      const release = () => {
        clearTimeout(timer);
        options.signal.removeEventListener('abort', giveUp);
      };
      options.signal.addEventListener('abort', giveUp, { once: true });
      if (options.signal.aborted) return giveUp();
      const taken = (error: Error | null, model?: Connection) => {
        if (model === undefined || error !== null) return fail(error ?? new Error('no connection'));
        const connection = new AmqpConnection(model, socket, options.name, onBlockedChange);
        release();
        resolve(connection);
      };
      try {
        dial(options, socket.signal, taken);
      } catch (cause) {
        fail(cause);
      }
    });
  }

  get isOpen(): boolean {
    return this.endReason === null;
  }

  get isBlocked(): boolean {
    return this.blockedReason !== null;
  }

  /** Why the connection ended; null while it is open. */
  get reason(): AmqpError | null {
    return this.endReason;
  }

  /**
   * Closes in order (connection.close), so that the broker frees exclusive queues at once. Resolves
   * when the broker has agreed or `timeoutMs` milliseconds have passed. Never rejects.
   */
  async close(timeoutMs: number): Promise<void> {
    if (!this.isOpen) return;
    const timer = setTimeout(() => this.destroy(closedHere()), timeoutMs);
    try {
      this.model.close();
      await this.ended;
    } catch (cause) {
      this.destroy(amqpErrorOf(cause, { what: 'closing', on: 'connection' }));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection at once, without connection.close. */
  destroy(error: AmqpError): void {
    this.becomeEnded(error);
    this.socket.abort();
  }

  private becomeEnded(cause: unknown): void {
    if (this.endReason !== null) return;
    this.endReason = amqpErrorOf(cause, { what: `${this.name}: connection ended`, on: 'connection' });
    setTimeout(() => this.socket.abort(), LINGER_MS).unref();
    if (this.blockedReason !== null) this.becomeBlocked(null);
    this.resolveEnded(this.endReason);
  }

  private becomeBlocked(reason: string | null): void {
    if (reason === this.blockedReason) return;
    this.blockedReason = reason;
    this.onBlockedChange(reason);
  }
}

/** The `AmqpError` `closed` of an end that this side asked for. */
export function closedHere(): AmqpError {
  return new AmqpError('closed on this side', { code: 'closed', blastRadius: 'connection' });
}

function timeoutError(what: string, timeoutMs: number): AmqpError {
  return new AmqpError(`${what}: no answer within ${timeoutMs} ms`, { code: 'timeout', blastRadius: 'connection' });
}

/** `signal` is an option of net and tls sockets that amqplib passes on but its types omit. */
function dial(
  options: ConnectOptions,
  signal: AbortSignal,
  taken: (error: Error | null, model?: Connection) => void,
): void {
  const socketOptions = {
    timeout: options.timeoutMs,
    noDelay: true,
    clientProperties: { connection_name: options.name },
    credentials: credentialsOf(options.url),
    signal,
  };
  connect(withHeartbeat(options.url, options.heartbeatS), socketOptions, taken);
}

function withHeartbeat(address: string, heartbeatS: number): string {
  const url = new URL(address);
  url.searchParams.set('heartbeat', String(heartbeatS));
  return url.href;
}
