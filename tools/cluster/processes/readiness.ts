/**
 * What the nodes say of themselves over HTTP: whether they are ready, and their health. Every wait
 * is bounded.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Between two questions to one node. */
const ASK_EVERY_MS = 100;
/** For one answer. */
const ANSWER_MS_MAX = 2_000;

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface WaitOptions {
  readonly boundMs: number;
  /** Ends the wait with its reason. */
  readonly signal: AbortSignal;
}

/**
 * Returns as soon as the node is ready, else when the time is over, with what it said last. Rejects
 * when aborted.
 */
export async function awaitReady(url: string, { boundMs, signal }: WaitOptions): Promise<Readiness> {
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
    return { ready: false, reason: `does not answer (${reasonOf(error)})` };
  }
}

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
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

interface HealthBody {
  readonly head?: number;
  readonly applied?: number;
  readonly log?: string | null;
  readonly waitingFor?: string;
  readonly secondaries?: readonly { readonly id: string }[];
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { readonly code?: unknown } | undefined;
  return typeof cause?.code === 'string' ? cause.code : error.message;
}
