/**
 * Keeps one session with one of several brokers, and replaces it whenever it ends.
 *
 * States, and how each is left:
 *
 *     connecting   both connections open → setting up; an error → waiting
 *     setting up   the role's `setUp` succeeded → up; it failed or the session ended → waiting
 *     up           the session ended → waiting
 *     waiting      capped exponential backoff with jitter after each round of the list, then
 *                  connecting to the next address
 *     closed       from any of them, by `close`; final
 *
 * Nothing is carried over from one session to the next: when a part of a session ends, all of it is
 * dropped and set up again. So there are no half-alive sessions (a dead channel on a living
 * connection, a consumer on the old one of two connections). amqplib's own recovery was rejected:
 * it reconnects only the connection, to one address, and can adopt a dead one.
 */
import type { LogEvent } from '#protocol/log-events';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { AmqpConnection, closedHere } from './connection';
import { AmqpError, amqpErrorOf, describeUrl } from './error';
import { isConnectionLimit } from './refusal';
import { AmqpSession, pause } from './session';

/** Levels of the lines that a link logs. */
export type TraceLevel = 'debug' | 'info' | 'warn' | 'error';
/** Logs a constant sentence with the facts as fields. */
export type Trace = (level: TraceLevel, event: LogEvent, fields: Readonly<Record<string, unknown>>) => void;

interface LinkOptions {
  /** AMQP URLs, one or more, tried in turn. */
  readonly urls: readonly string[];
  /** Connections of a session; with 2 it makes do with one where the broker allows no more. */
  readonly connections: 1 | 2;
  /** AMQP heartbeat in seconds. */
  readonly heartbeatS: number;
  /** Node id, for the names of the connections. */
  readonly node: string;
  readonly retry?: RetryPolicy;
  /** Time limit in milliseconds for each connection. */
  readonly connectTimeoutMs?: number;
}

/**
 * The role-specific part of a session. A callback that throws is reported to `callbackThrew`, and
 * the loop continues.
 */
export interface LinkRole<Ready> {
  /**
   * Declares, binds and consumes. A rejection ends the session, and the next session tries again.
   * It must not wait for anything but the session.
   */
  setUp(session: AmqpSession): Promise<Ready>;
  up(ready: Ready, session: AmqpSession): void;
  /** Called once after `up`, unless `close` was called. */
  down(error: AmqpError): void;
  /**
   * The broker blocks our publishes for this reason; null when it has unblocked them or the
   * connection has ended.
   */
  blockedChanged(reason: string | null): void;
  /**
   * Why there is no session, in the broker's words; null when one has lasted. Called when it changes.
   */
  troubleChanged(reason: string | null): void;
  callbackThrew(error: unknown): void;
  trace: Trace;
}

/** The state of the link, for /health. */
export interface LinkStatus {
  /** Both connections are open. */
  readonly connected: boolean;
  readonly blocked: boolean;
  /** The role's `setUp` has succeeded. */
  readonly up: boolean;
  /** Why there is no lasting session, in the broker's words; null while there is one. */
  readonly trouble: string | null;
}

interface SessionEnd {
  readonly phase: 'connecting' | 'setting up' | 'up';
  readonly error: AmqpError;
}

const EVENT_OF_END: Readonly<Record<SessionEnd['phase'], LogEvent>> = {
  connecting: 'broker.unreachable',
  'setting up': 'broker.session-failed',
  up: 'broker.session-ended',
};

const RETRY: RetryPolicy = { delayMsMin: 100, delayMsMax: 5000 };
const CONNECT_TIMEOUT_MS = 5000;
/**
 * A session that was up for a shorter time counts as a failed attempt, so that a broker that closes
 * every session at once is not flooded with connections.
 */
const STABLE_AFTER_MS = 2000;
const CLOSE_TIMEOUT_MS = 2000;
/** Of ends that the broker's settings cause, and that the next session may meet again. */
const KEPT_CODES: ReadonlySet<string> = new Set<AmqpError['code']>(['denied', 'mismatch', 'too-large']);

/** The session loop of one node. The constructor throws when there is no URL. */
export class AmqpLink<Ready> {
  private readonly stop = new AbortController();
  private session: AmqpSession | null = null;
  private running: Promise<void> | null = null;
  private closing: Promise<void> | null = null;
  private isUp = false;
  /** Failed attempts since the last stable session. */
  private failures = 0;
  /** Subject of the last warning; a repetition is logged at debug level. Null when up. */
  private trouble: string | null = null;
  /** As last told to the role. */
  private toldTrouble: string | null = null;
  private steady: NodeJS.Timeout | null = null;
  /** When the last session ended, or became up, in milliseconds of the monotonic clock. */
  private downSinceMs = performance.now();

  constructor(
    private readonly options: LinkOptions,
    private readonly role: LinkRole<Ready>,
  ) {
    if (options.urls.length === 0) throw new Error('a link needs an address');
  }

  /** Starts the loop; returns at once. */
  start(): void {
    this.running ??= this.run();
  }

  /**
   * Closes the session in order and starts no other. May be called in every state; resolves within
   * two seconds.
   */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  status(): LinkStatus {
    const session = this.session;
    const connected = session?.isOpen ?? false;
    return {
      connected,
      blocked: connected && (session?.publish.isBlocked ?? false),
      up: this.isUp,
      trouble: this.toldTrouble,
    };
  }

  /** What `status` and `troubleChanged` say is in the way. */
  tellTrouble(reason: string | null): void {
    if (this.toldTrouble === reason) return;
    this.toldTrouble = reason;
    this.call(() => this.role.troubleChanged(reason));
  }

  private async run(): Promise<void> {
    for (let at = 0; !this.stop.signal.aborted; at += 1) {
      const url = this.options.urls[at % this.options.urls.length] ?? '';
      const end = await this.runSession(url);
      if (this.stop.signal.aborted) return;
      this.failures += 1;
      this.reportEnd(url, end);
      await pause(this.retryDelayMs(), this.stop.signal);
    }
  }

  /**
   * The backoff grows with the rounds through the list; within a round the next address is tried
   * almost at once. Otherwise each address without a broker would delay by a full wait the moment
   * at which a node finds the one broker that is back.
   */
  private retryDelayMs(): number {
    const { urls, retry = RETRY } = this.options;
    const isRoundOver = this.failures % urls.length === 0;
    return retryDelayMs(retry, isRoundOver ? this.failures / urls.length : 1, Math.random());
  }

  /** Resolves with the reason why the session ended; never rejects. */
  private async runSession(url: string): Promise<SessionEnd> {
    let session: AmqpSession;
    try {
      session = await this.connect(url);
    } catch (error) {
      return { phase: 'connecting', error: amqpErrorOf(error, { what: 'connecting', on: 'connecting' }) };
    }
    this.session = session;
    if (this.stop.signal.aborted) session.end(closedHere());
    else this.reportConnected(url);
    await this.setUp(session);
    const phase = this.isUp ? 'up' : 'setting up';
    const error = await session.ended;
    this.session = null;
    this.becomeDown(error);
    return { phase, error };
  }

  private async connect(url: string): Promise<AmqpSession> {
    const { node, heartbeatS, connectTimeoutMs: timeoutMs = CONNECT_TIMEOUT_MS } = this.options;
    const open = (purpose: string, onBlocked?: (reason: string | null) => void) =>
      AmqpConnection.open(
        { url, heartbeatS, timeoutMs, name: `${node} ${purpose}`, signal: this.stop.signal },
        onBlocked,
      );
    const publish = await open('publish', (reason) => this.call(() => this.reportBlocked(reason)));
    if (this.options.connections === 1) return new AmqpSession(publish, publish);
    try {
      return new AmqpSession(publish, await open('consume'));
    } catch (error) {
      if (error instanceof AmqpError && isConnectionLimit(error.message) && publish.isOpen) {
        this.role.trace('warn', 'broker.one-connection', {
          reason: error.message,
        });
        return new AmqpSession(publish, publish);
      }
      publish.destroy(closedHere());
      throw error;
    }
  }

  private async setUp(session: AmqpSession): Promise<void> {
    try {
      const ready = await this.role.setUp(session);
      if (session.isOpen) this.becomeUp(ready, session);
    } catch (error) {
      // The AMQP edge throws only AmqpErrors: any other error is a bug of the role.
      if (!(error instanceof AmqpError)) this.role.callbackThrew(error);
      session.end(amqpErrorOf(error, { what: 'set-up', on: 'channel' }));
    }
  }

  private becomeUp(ready: Ready, session: AmqpSession): void {
    this.isUp = true;
    const lasted = { elapsedMs: Math.round(performance.now() - this.downSinceMs), attempts: this.failures + 1 };
    this.role.trace('info', 'broker.session-up', lasted);
    this.downSinceMs = performance.now();
    this.becomeSteadySoon();
    this.call(() => this.role.up(ready, session));
  }

  /**
   * A right to write or to read may be missed only when it is used, so a session shows that the
   * trouble is over by lasting.
   */
  private becomeSteadySoon(): void {
    const isLost = this.toldTrouble === null || !KEPT_CODES.has(this.trouble?.split(' ').at(-1) ?? '');
    const settle = () => {
      this.trouble = null;
      this.tellTrouble(null);
    };
    if (isLost) settle();
    else this.steady = setTimeout(settle, STABLE_AFTER_MS);
  }

  private becomeDown(error: AmqpError): void {
    if (!this.isUp) return;
    this.isUp = false;
    if (this.steady !== null) clearTimeout(this.steady);
    if (performance.now() - this.downSinceMs >= STABLE_AFTER_MS) this.failures = 0;
    this.downSinceMs = performance.now();
    if (!this.stop.signal.aborted) this.call(() => this.role.down(error));
  }

  private async shutDown(): Promise<void> {
    this.stop.abort();
    await this.session?.close(CLOSE_TIMEOUT_MS);
    await this.running;
  }

  private reportConnected(url: string): void {
    const facts = {
      url: describeUrl(url),
      elapsedMs: Math.round(performance.now() - this.downSinceMs),
      attempts: this.failures + 1,
    };
    const repeated = this.trouble?.startsWith('setting up') ?? false;
    this.role.trace(repeated ? 'debug' : 'info', 'broker.connected', facts);
  }

  private reportEnd(url: string, { phase, error }: SessionEnd): void {
    const trouble = `${phase} ${error.code}`;
    const level = trouble === this.trouble ? 'debug' : 'warn';
    this.trouble = trouble;
    if (error.code !== 'closed') this.tellTrouble(error.message);
    const facts = { url: describeUrl(url), code: error.code, reason: error.message, attempts: this.failures };
    this.role.trace(level, EVENT_OF_END[phase], facts);
  }

  private reportBlocked(reason: string | null): void {
    if (reason === null) this.role.trace('info', 'broker.unblocked', {});
    else this.role.trace('warn', 'broker.blocked', { reason });
    this.role.blockedChanged(reason);
  }

  private call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.role.callbackThrew(error);
    }
  }
}
