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

/** The state of a member's queue. */
export interface QueueState {
  /** Batches that are ready or unacknowledged. */
  readonly messages: number;
  /** Bytes of these batches. */
  readonly bytes: number;
  /** The bound has dropped batches since the queue was last empty. The member fetches them. */
  readonly overflowed: boolean;
}

/** The settings of a queue watch. */
export interface QueueWatchOptions {
  /** URL of the management API. Without user and password, those of `amqpUrl` apply. */
  readonly managementUrl: string;
  readonly amqpUrl: string;
  readonly queueOf: (node: string) => string;
  readonly queueBytesMax: number;
  readonly members: () => readonly string[];
  readonly logger: Logger;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

const ASK_EVERY_MS = 2_000;
const ANSWER_MS_MAX = 2_000;
const STALE_MS = 15_000;

/**
 * Policy keys that must not apply to these queues: RabbitMQ uses the lower of a policy's limit and
 * the queue's own.
 */
const HARMFUL = ['delivery-limit', 'max-length', 'max-length-bytes', 'message-ttl', 'expires', 'overflow'] as const;

const answerSchema = z.object({
  messages: z.number().optional(),
  message_bytes: z.number().optional(),
  policy: z.string().nullish(),
  effective_policy_definition: z.unknown().optional(),
});

interface Seen extends QueueState {
  readonly at: number;
}

/** Watches the queues of the members. */
export class QueueWatch {
  private readonly seen = new Map<string, Seen>();
  /** The policy that was logged for each queue, so that it is logged once. */
  private readonly policies = new Map<string, string>();
  private timer: NodeJS.Timeout | null = null;
  private isReachable: boolean | null = null;

  constructor(private readonly options: QueueWatchOptions) {}

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
    const answers = await Promise.all(members.map((node) => this.ask(node)));
    const failure = answers.find((answer) => answer !== null) ?? null;
    if (members.length === 0 || this.isReachable === (failure === null)) return;
    this.isReachable = failure === null;
    if (failure === null) this.options.logger.info('the management api answers');
    else this.options.logger.warn({ reason: failure }, 'the management api does not answer: queue depths are left out');
  }

  /** @returns null, or the reason why there is no answer */
  private async ask(node: string): Promise<string | null> {
    const { url, authorization } = this.requestFor(node);
    try {
      const response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      if (!response.ok) return `${response.status} ${response.statusText}`;
      this.take(node, answerSchema.parse(await response.json()));
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private take(node: string, answer: z.infer<typeof answerSchema>): void {
    const { messages = 0, message_bytes: bytes = 0 } = answer;
    const isFull = messages > 0 && bytes + (2 * bytes) / messages >= this.options.queueBytesMax;
    const before = this.seen.get(node);
    const overflowed = messages > 0 && (isFull || (before?.overflowed ?? false));
    if (overflowed && before?.overflowed !== true) {
      this.options.logger.warn(
        { peer: node, messages, bytes },
        'the queue of a member is full: it drops the oldest batches',
      );
    }
    this.seen.set(node, { messages, bytes, overflowed, at: this.options.now() });
    this.recordDepth(node, answer);
  }

  /** A policy may have come or gone. */
  private recordDepth(
    node: string,
    { policy, effective_policy_definition: definition }: z.infer<typeof answerSchema>,
  ): void {
    const settings = typeof definition === 'object' && definition !== null ? definition : {};
    const harmful = Object.entries(settings).filter(([key]) => (HARMFUL as readonly string[]).includes(key));
    const said = JSON.stringify([policy, harmful]);
    const isNew = harmful.length > 0 && this.policies.get(node) !== said;
    this.policies.set(node, said);
    if (!isNew) return;
    const facts = { peer: node, queue: this.options.queueOf(node), policy, settings: Object.fromEntries(harmful) };
    this.options.logger.warn(facts, 'a policy limits the queue of a member: dropped batches have to be fetched');
  }

  private requestFor(node: string): { readonly url: URL; readonly authorization: string } {
    const { managementUrl, amqpUrl, queueOf } = this.options;
    const amqp = new URL(amqpUrl);
    const vhost = decodeURIComponent(amqp.pathname.slice(1)) || '/';
    const base = new URL(managementUrl);
    const { username, password } = base.username === '' ? amqp : base;
    const credentials = `${decodeURIComponent(username || 'guest')}:${decodeURIComponent(password || 'guest')}`;
    const path = `/api/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queueOf(node))}`;
    const url = new URL(base.pathname.replace(/\/$/, '') + path, base.origin);
    return { url, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  }
}
