/** What the nodes say of themselves over HTTP: whether they are ready, and their health. */
import { setTimeout as delay } from 'node:timers/promises';

/** Between two questions to one node. */
const ASK_EVERY_MS = 100;
/** For one answer. */
const ANSWER_MS_MAX = 2_000;

/** The part of /health that is shown. */
export interface NodeHealth {
  /** Entries in its log: of a master, of a secondary. */
  readonly head?: number;
  readonly applied?: number;
  /** Id of its log; null: it belongs to none. */
  readonly log?: string | null;
  /** Of a master that does not reign: what would end that. */
  readonly waitingFor?: string;
  /** Of a master: all members that it knows, this start's or an earlier one's. */
  readonly secondaries?: readonly { readonly id: string }[];
}

/**
 * Returns null as soon as the node is ready, or, when the time is over, why it is not.
 * @throws the signal's reason when aborted.
 */
export async function awaitReady(url: string, boundMs: number, signal: AbortSignal): Promise<string | null> {
  for (const deadline = performance.now() + boundMs; ; ) {
    const reason = await whyNotReady(url);
    signal.throwIfAborted();
    if (reason === null || performance.now() >= deadline) return reason;
    // An aborted delay rejects with an error of its own; the signal's reason is what is to be said.
    await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function whyNotReady(url: string): Promise<string | null> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const { detail } = (await response.json()) as { readonly detail?: unknown };
    return response.ok ? null : String(detail ?? response.status);
  } catch (error) {
    const { cause, message } = error as Error & { readonly cause?: { readonly code?: string } };
    return `does not answer (${cause?.code ?? message})`;
  }
}

/** null when it cannot be had. */
export async function readHealth(url: string, apiToken: string | null): Promise<NodeHealth | null> {
  const headers: Record<string, string> = apiToken === null ? {} : { authorization: `Bearer ${apiToken}` };
  try {
    const response = await fetch(`${url}/health`, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return response.ok ? ((await response.json()) as NodeHealth) : null;
  } catch {
    return null;
  }
}
