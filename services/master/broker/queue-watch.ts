/**
 * Reads the state of the members' queues from RabbitMQ's management API, if MANAGEMENT_URL names
 * one: their depth, whether their bound drops the oldest messages, and whether a policy limits
 * them. The state is only for `/health` and the logs.
 *
 *     unknown ──answered──▶ known ──not answered for STALE_MS──▶ unknown (left out of /health)
 *
 * Each change is logged once.
 */

import type { Logger } from 'pino';
import { z } from 'zod';
import { logEvent } from '#process/logger';
import { PolicyWatch, policySchema } from './policy-watch';

/** The state of a member's queue. */
interface QueueState {
  /** Batches that are ready or unacknowledged. */
  readonly messages: number;
  /** Bytes of these batches. */
  readonly bytes: number;
  /** The bound has dropped batches since the queue was last empty. The member fetches them. */
  readonly overflowed: boolean;
}

/** The settings of a queue watch. */
interface QueueWatchOptions {
  /** URL of the management API. Without user and password, those of `amqpUrl` apply. */
  readonly managementUrl: string;
  readonly amqpUrl: string;
  readonly queueOf: (node: string) => string;
  /** Queues of the log that are no member's, asked for their policies. */
  readonly otherQueues: () => readonly string[];
  readonly queueBytesMax: number;
  readonly members: () => readonly string[];
  readonly logger: Logger;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

const ASK_EVERY_MS = 2_000;
const ANSWER_MS_MAX = 2_000;
const STALE_MS = 15_000;

const answerSchema = policySchema.extend({
  messages: z.number().optional(),
  message_bytes: z.number().optional(),
});

type Answer = z.infer<typeof answerSchema>;

interface Seen extends QueueState {
  readonly at: number;
}

/** Watches the queues of the members. */
export class QueueWatch {
  private readonly seen = new Map<string, Seen>();
  private readonly policies: PolicyWatch;
  /** Why the API does not answer; null: it does. */
  private failure: string | null = 'not asked yet';
  private timer: NodeJS.Timeout | null = null;
  private isReachable: boolean | null = null;

  constructor(private readonly options: QueueWatchOptions) {
    this.policies = new PolicyWatch(options.logger);
  }

  /** Policies that take away what the log needs, as sentences. */
  get warnings(): readonly string[] {
    return this.policies.warnings;
  }

  /** Why it is not known which policies there are; null: it is. */
  get unknown(): string | null {
    return this.failure;
  }

  start(): void {
    this.timer = setTimeout(() => {
      void this.askAll().finally(() => {
        if (this.timer !== null) this.start();
      });
    }, ASK_EVERY_MS);
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** The member's queue as last seen; null when the API does not say. */
  of(node: string): QueueState | null {
    const seen = this.seen.get(node);
    if (seen === undefined || this.options.now() - seen.at > STALE_MS) return null;
    const { messages, bytes, overflowed } = seen;
    return { messages, bytes, overflowed };
  }

  /** Asks for every member's queue. Never rejects. */
  async askAll(): Promise<void> {
    const members = this.options.members();
    for (const node of [...this.seen.keys()]) if (!members.includes(node)) this.seen.delete(node);
    const { queueOf, otherQueues } = this.options;
    const others = otherQueues();
    this.policies.keep(new Set([...members.map(queueOf), ...others]));
    const answers = await Promise.all([
      ...members.map((node) => this.ask(queueOf(node), (answer) => this.take(node, answer))),
      ...others.map((queue) => this.ask(queue, null)),
    ]);
    const failure = answers.find((answer) => answer !== null) ?? null;
    this.failure = failure;
    if (members.length === 0 || this.isReachable === (failure === null)) return;
    this.isReachable = failure === null;
    if (failure === null) logEvent(this.options.logger, 'info', 'management.up');
    else logEvent(this.options.logger, 'warn', 'management.down', { reason: failure });
  }

  /** Null, or why there is no answer. `take` null: a queue that need not be there. */
  private async ask(queue: string, take: ((answer: Answer) => void) | null): Promise<string | null> {
    const { url, authorization } = this.requestFor(queue);
    try {
      const response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      const isMissing = take === null && response.status === 404;
      if (!response.ok && !isMissing) return `${response.status} ${response.statusText}`;
      const answer = isMissing ? null : answerSchema.parse(await response.json());
      this.policies.look(queue, answer);
      if (answer !== null) take?.(answer);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private take(node: string, answer: Answer): void {
    const { messages = 0, message_bytes: bytes = 0 } = answer;
    const isFull = messages > 0 && bytes + (2 * bytes) / messages >= this.options.queueBytesMax;
    const before = this.seen.get(node);
    const overflowed = messages > 0 && (isFull || (before?.overflowed ?? false));
    if (overflowed && before?.overflowed !== true) {
      logEvent(this.options.logger, 'warn', 'queue.overflowed', { peer: node, messages, bytes });
    }
    this.seen.set(node, { messages, bytes, overflowed, at: this.options.now() });
  }

  private requestFor(queue: string): { readonly url: URL; readonly authorization: string } {
    const { managementUrl, amqpUrl } = this.options;
    const amqp = new URL(amqpUrl);
    const vhost = decodeURIComponent(amqp.pathname.slice(1)) || '/';
    const base = new URL(managementUrl);
    const { username, password } = base.username === '' ? amqp : base;
    const credentials = `${decodeURIComponent(username || 'guest')}:${decodeURIComponent(password || 'guest')}`;
    const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queue)}`;
    const url = new URL(base.pathname.replace(/\/$/, '') + path, base.origin);
    return { url, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  }
}
