/** What the nodes say of themselves over HTTP: whether they are ready, and their health. */
import { setTimeout as delay } from 'node:timers/promises';

/** Between two questions to one node. */
const ASK_EVERY_MS = 100;
/** For one answer. */
const ANSWER_MS_MAX = 2_000;

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface NodeHealth {
  /** Entries in its log. */
  readonly entries: number;
  /** Of a master: all members that it knows, this start's or an earlier one's. */
  readonly members: readonly string[];
  /** Id of its log; null: it belongs to none. */
  readonly log: string | null;
  /** Of a master that does not reign: what would end that; null: nothing has to. */
  readonly waitingFor: string | null;
}

/**
 * Returns as soon as the node is ready, else when the time is over, with what it said last.
 * @throws the signal's reason when aborted.
 */
export async function awaitReady(url: string, boundMs: number, signal: AbortSignal): Promise<Readiness> {
  const deadline = performance.now() + boundMs;
  for (;;) {
    const readiness = await askReady(url);
    signal.throwIfAborted();
    if (readiness.ready || performance.now() >= deadline) return readiness;
    // An aborted delay rejects with an error of its own; the signal's reason is what is to be said.
    await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function askReady(url: string): Promise<Readiness> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const body = (await response.json()) as { readonly detail?: unknown };
    return response.ok ? { ready: true } : { ready: false, reason: String(body.detail ?? response.status) };
  } catch (error) {
    const { cause, message } = error as Error & { readonly cause?: { readonly code?: string } };
    return { ready: false, reason: `does not answer (${cause?.code ?? message})` };
  }
}

/** null when it cannot be had. */
export async function readHealth(url: string, apiToken: string | null): Promise<NodeHealth | null> {
  const headers: Record<string, string> = apiToken === null ? {} : { authorization: `Bearer ${apiToken}` };
  try {
    const response = await fetch(`${url}/health`, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (!response.ok) return null;
    const health = (await response.json()) as HealthBody;
    return {
      entries: health.applied ?? health.head ?? 0,
      members: (health.secondaries ?? []).map(({ id }) => id),
      log: health.log ?? null,
      waitingFor: health.waitingFor ?? null,
    };
  } catch {
    return null;
  }
}

interface HealthBody {
  readonly head?: number;
  readonly applied?: number;
  readonly log?: string | null;
  readonly waitingFor?: string;
  readonly secondaries?: readonly { readonly id: string }[];
}
