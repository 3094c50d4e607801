/**
 * Holds one session with a broker: two connections and their channels, which end together. Where
 * the broker allows only one, it is both; then an alarm stops everything, not only publishes.
 *
 * There are two connections because a broker that runs low on memory or disk stops *reading* from
 * connections that publish. Requests and settlements use `consume`, which never publishes, so they
 * are answered even then.
 *
 * States: *open* → *ended*, by the first end of a connection or of an essential channel, or by
 * `end`. At the end both sockets are destroyed, and `signal` aborts every wait of the set-up.
 */

import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { AmqpChannel, type ChannelOptions } from './channel';
import { type AmqpConnection, closedHere } from './connection';
import { AmqpError } from './error';

interface PersistOptions {
  readonly policy: RetryPolicy;
  /** Whether another attempt is worthwhile; any other error is thrown. */
  readonly retriable: (error: AmqpError) => boolean;
  /** Called before each wait; `attempt` counts the failures from 1. */
  readonly onFailure: (error: AmqpError, attempt: number) => void;
}

const CHANNEL_CLOSE_TIMEOUT_MS = 1000;

/** One session; made by `AmqpLink`. Its methods reject with an `AmqpError`. */
export class AmqpSession {
  /** Resolves with the reason when the session has ended; never rejects. */
  readonly ended: Promise<AmqpError>;
  private readonly over = new AbortController();
  private readonly channels = new Set<AmqpChannel>();
  private resolveEnded: (error: AmqpError) => void = () => undefined;
  private endReason: AmqpError | null = null;

  constructor(
    readonly publish: AmqpConnection,
    readonly consume: AmqpConnection,
  ) {
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    for (const connection of this.connections) void connection.ended.then((error) => this.end(error));
  }

  get isOpen(): boolean {
    return this.endReason === null && this.publish.isOpen && this.consume.isOpen;
  }

  /** Aborted when the session has ended. */
  get signal(): AbortSignal {
    return this.over.signal;
  }

  private get connections(): readonly AmqpConnection[] {
    return this.publish === this.consume ? [this.publish] : [this.publish, this.consume];
  }

  /** Opens a channel that the session cannot do without: the session ends when it ends. */
  async openEssential(
    side: 'publish' | 'consume',
    purpose: string,
    options: ChannelOptions = {},
  ): Promise<AmqpChannel> {
    const channel = await this.openChannel(side, purpose, options);
    void channel.ended.then((error) => this.end(error));
    return channel;
  }

  /** Opens a channel whose end its owner handles. It is closed with the session. */
  async openChannel(side: 'publish' | 'consume', purpose: string, options: ChannelOptions = {}): Promise<AmqpChannel> {
    const channel = await AmqpChannel.open(side === 'publish' ? this.publish : this.consume, purpose, options);
    this.channels.add(channel);
    void channel.ended.then(() => this.channels.delete(channel));
    return channel;
  }

  /**
   * Runs requests that the broker may refuse on a channel of their own, so that a refusal ends only
   * that channel.
   */
  async onThrowAwayChannel<T>(purpose: string, step: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    const channel = await this.openChannel('consume', purpose);
    try {
      return await step(channel);
    } finally {
      await channel.close(CHANNEL_CLOSE_TIMEOUT_MS);
    }
  }

  /**
   * Repeats a step, each time on a new channel, until it succeeds. Rejects with an error that is
   * not retriable, or with the reason of the session's end.
   */
  async persist<T>(purpose: string, options: PersistOptions, step: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.onThrowAwayChannel(purpose, step);
      } catch (error) {
        if (!this.isOpen || !(error instanceof AmqpError) || !options.retriable(error)) throw error;
        options.onFailure(error, attempt);
      }
      await pause(retryDelayMs(options.policy, attempt, Math.random()), this.signal);
      if (this.endReason !== null) throw this.endReason;
    }
  }

  /** Ends the session at once; the first reason is kept. */
  end(error: AmqpError): void {
    if (this.endReason !== null) return;
    this.endReason = error;
    this.resolveEnded(error);
    this.over.abort();
    for (const connection of this.connections) connection.destroy(error);
  }

  /**
   * Sends what is buffered, frees exclusive queues and ends. Resolves within `timeoutMs`
   * milliseconds.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.endReason !== null) return;
    const overdue = setTimeout(() => this.end(closedHere()), timeoutMs);
    // The close of a connection overtakes what its channels have buffered; that of a channel does
    // not.
    await Promise.all([...this.channels].map((channel) => channel.close(timeoutMs)));
    await Promise.all(this.connections.map((connection) => connection.close(timeoutMs)));
    clearTimeout(overdue);
    this.end(closedHere());
  }
}

/** Resolves after `delayMs` milliseconds, or at once when the signal aborts. Never rejects. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
  });
}
