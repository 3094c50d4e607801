/** When to stop waiting on behalf of a client: it has gone, or this node is stopping. */
import type { ServerResponse } from 'node:http';

/** Longest wait that a timer of Node can measure, 24 days; a longer one would end at once. */
export const WAIT_MS_MAX = 2 ** 31 - 1;

/** Aborts when the client leaves before it has its answer, or with `stopping` when one is given. */
export function waitSignal(response: ServerResponse, stopping?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (response.closed || stopping?.aborted) abort();
  stopping?.addEventListener('abort', abort, { once: true });
  response.once('close', () => {
    stopping?.removeEventListener('abort', abort);
    if (!response.writableFinished) abort();
  });
  return controller.signal;
}
