/** What the nodes say of themselves over HTTP: whether they are ready, and their health. */
import { messageOf } from '../broker/launch-error';
import { retry } from '../broker/retry';

/** Between two questions to one node. */
const ASK_EVERY_MS = 100;
/** For one answer. */
const ANSWER_MS_MAX = 2_000;

/**
 * The part of /health that is shown. Entries: `head` of a master, `applied` of a secondary. `log`:
 * an id; null: it belongs to none. `waitingFor`: what would end a master's recovery.
 */
export interface NodeHealth {
  readonly head?: number;
  readonly applied?: number;
  readonly log?: string | null;
  readonly waitingFor?: string;
  /** All members that a master knows, this start's or an earlier one's. */
  readonly secondaries?: readonly { readonly id: string }[];
}

/**
 * Returns null as soon as the node is ready, or, when the time is over, why it is not.
 * @throws the signal's reason when aborted.
 */
export async function awaitReady(url: string, boundMs: number, signal: AbortSignal): Promise<string | null> {
  try {
    await retry(() => requireReady(url), { boundMs, everyMs: ASK_EVERY_MS, signal });
    return null;
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

async function requireReady(url: string): Promise<void> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) }).catch((error) => {
    throw new Error(`does not answer (${error.cause?.code ?? error.message})`);
  });
  const { detail } = (await response.json()) as { readonly detail?: unknown };
  if (!response.ok) throw new Error(String(detail ?? response.status));
}

/** null when it cannot be had. */
export async function readHealth(url: string, apiToken: string | null): Promise<NodeHealth | null> {
  const headers: Record<string, string> = apiToken === null ? {} : { authorization: `Bearer ${apiToken}` };
  return fetch(`${url}/health`, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    .then((response) => (response.ok ? (response.json() as Promise<NodeHealth>) : null))
    .catch(() => null);
}
