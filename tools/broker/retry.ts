import { setTimeout as delay } from 'node:timers/promises';

/**
 * Attempts every `everyMs` until one succeeds or `boundMs` is over; 0: one attempt.
 * @throws the last attempt's error; the signal's reason when aborted.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  { boundMs, everyMs, signal }: { boundMs: number; everyMs: number; signal?: AbortSignal | undefined },
): Promise<T> {
  for (const deadline = performance.now() + boundMs; ; ) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    // An aborted delay rejects with an error of its own, not with the signal's reason.
    await delay(everyMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
  }
}
