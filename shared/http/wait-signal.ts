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

/** A client whose request is under way. */
export interface WaitingClient {
  readonly hasLeft: boolean;
  /**
   * Replaces the listener, which is called once, when the client leaves; null: nobody waits for
   * that any more.
   */
  onLeave(listener: (() => void) | null): void;
}

/** As much of an AbortSignal as an append needs: one listener, no event target for each request. */
export class HttpClient implements WaitingClient {
  hasLeft: boolean;
  private listener: (() => void) | null = null;

  constructor(response: ServerResponse) {
    this.hasLeft = response.closed;
    response.once('close', () => {
      if (!response.writableFinished) this.leave();
    });
  }

  onLeave(listener: (() => void) | null): void {
    this.listener = listener;
  }

  private leave(): void {
    this.hasLeft = true;
    this.listener?.();
  }
}
