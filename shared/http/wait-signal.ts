/**
 * Signals when to stop waiting on behalf of a client: the client has left, or this node is
 * stopping.
 */
import type { ServerResponse } from 'node:http';

/** Longest delay of a Node timer, 24 days; a longer one would expire at once. */
export const WAIT_MS_MAX = 2 ** 31 - 1;

/**
 * A signal that aborts when the client leaves before it has its answer, or when `stopping` aborts.
 */
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

/** A client whose request is in progress. */
export interface WaitingClient {
  readonly hasLeft: boolean;
  /** Replaces the listener, which is called once, when the client leaves; null for none. */
  onLeave(listener: (() => void) | null): void;
}

/**
 * The `WaitingClient` of an HTTP request: the part of an AbortSignal that an append needs, with one
 * listener and no EventTarget per request.
 */
export class HttpClient implements WaitingClient {
  hasLeft: boolean;
  private listener: (() => void) | null = null;

  constructor(response: ServerResponse) {
    this.hasLeft = response.closed;
    response.on('close', () => {
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
