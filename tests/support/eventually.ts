/**
 * Waiting for a condition on real processes, where nothing announces it: look, and look again until
 * it holds or time is up.
 *
 * The bound is for a loaded machine and says nothing about how fast the product is; a test that
 * needs an order of events compares events. The pause between looks is the only one in the
 * integration tests, and no outcome depends on its length.
 */
import { setTimeout as pause } from 'node:timers/promises';

const WITHIN_MS = 30_000;
const BETWEEN_LOOKS_MS = 15;

export interface Patience {
  readonly withinMs?: number;
}

/**
 * Resolves with what `look` gives as soon as it no longer throws, so a look is written with
 * `expect`. Rejects with `what` and the last look's error when time is up.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  { withinMs = WITHIN_MS }: Patience = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (let looks = 1; ; looks += 1) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() >= deadline) throw overdue(what, { looks, withinMs }, error);
    }
    await pause(BETWEEN_LOOKS_MS);
  }
}

function overdue(what: string, tried: { looks: number; withinMs: number }, cause: unknown): Error {
  const last = cause instanceof Error ? cause.message : String(cause);
  return new Error(`not so within ${tried.withinMs / 1000} s and ${tried.looks} looks: ${what}\n${last}`, { cause });
}
