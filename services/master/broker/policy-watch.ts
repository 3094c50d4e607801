/**
 * Policies of the broker's operator that take away what this log needs of its queues: what they drop
 * has to be fetched, said again, or waited for. RabbitMQ shows policies in its management API only;
 * over AMQP their effects are seen (holes, queues that are gone), but not the policy.
 */

import type { Logger } from 'pino';
import { z } from 'zod';
import { logEvent } from '#process/logger';

/**
 * What a policy must not say of these queues; RabbitMQ takes the lower of a policy's limit and the
 * queue's own.
 */
const HARMFUL: ReadonlySet<string> = new Set([
  'delivery-limit',
  'max-length',
  'max-length-bytes',
  'message-ttl',
  'expires',
  'overflow',
]);

export const policySchema = z.object({
  policy: z.string().nullish(),
  operator_policy: z.string().nullish(),
  effective_policy_definition: z.unknown().optional(),
});

export class PolicyWatch {
  /** A sentence for each queue that a policy limits. */
  private readonly limited = new Map<string, string>();

  constructor(private readonly logger: Logger) {}

  get warnings(): readonly string[] {
    return [...this.limited.values()];
  }

  /** Forgets queues that are not asked for any more. */
  keep(queues: ReadonlySet<string>): void {
    for (const queue of this.limited.keys()) if (!queues.has(queue)) this.limited.delete(queue);
  }

  /** A queue as the API has it; null: there is none. Each change is logged once. */
  look(queue: string, answer: z.infer<typeof policySchema> | null): void {
    const definition = answer?.effective_policy_definition;
    const settings = typeof definition === 'object' && definition !== null ? Object.entries(definition) : [];
    const harmful = settings.filter(([key]) => HARMFUL.has(key));
    if (harmful.length === 0) {
      this.limited.delete(queue);
      return;
    }
    const policy = [answer?.policy, answer?.operator_policy].filter((name) => name).join(' and ');
    const said = harmful.map(([key, value]) => `${key}=${String(value)}`).join(', ');
    const sentence = `the policy ${policy} limits the queue ${queue} (${said}): exempt the log's queues from it`;
    if (this.limited.get(queue) === sentence) return;
    this.limited.set(queue, sentence);
    logEvent(this.logger, 'warn', 'queue.policy', { queue, policy, settings: Object.fromEntries(harmful) });
  }
}
