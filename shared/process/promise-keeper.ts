/**
 * Saves a node's newest promise (Raft's persistent state) and retries until it is durable. Without
 * it the node can neither vote nor follow, so it never gives up. A newer promise replaces one that
 * is being retried.
 */

import type { Logger } from 'pino';
import type { Promised } from '#protocol/promised';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { type LogStore, StorageError } from '#storage/log-store';
import { logEvent } from './logger';

const RETRY: RetryPolicy = { delayMsMin: 100, delayMsMax: 5_000 };

/** One for each node; `save` may be called at any moment. */
export class PromiseKeeper {
  private newest: Promised | null = null;
  private isSaving = false;

  constructor(
    private readonly options: {
      readonly store: LogStore;
      readonly logger: Logger;
      /** Called with each promise that has become durable; a replaced one may be skipped. */
      readonly saved: (promised: Promised) => void;
      /** Called when the store has failed for good; no promise is saved after that. */
      readonly fail: (error: unknown) => void;
    },
  ) {}

  /** Starts to save the promise; returns at once. */
  save(promised: Promised): void {
    this.newest = promised;
    if (this.isSaving) return;
    this.isSaving = true;
    this.keepSaving().catch((error: unknown) => this.options.fail(error));
  }

  private async keepSaving(): Promise<void> {
    for (let attempt = 1; this.newest !== null; attempt += 1) {
      const promised = this.newest;
      try {
        await this.options.store.savePromise(promised);
      } catch (err) {
        // This node is stopping, and no peer was told of a promise that is not durable.
        if (err instanceof StorageError && err.code === 'closed') return;
        if (!(err instanceof StorageError) || err.fatal) throw err;
        if (attempt === 1) logEvent(this.options.logger, 'error', 'promise.failed', { err });
        await new Promise((resolve) => setTimeout(resolve, retryDelayMs(RETRY, attempt, Math.random())));
        continue;
      }
      attempt = 0;
      if (this.newest === promised) this.newest = null;
      this.options.saved(promised);
    }
    // Cleared in the same turn in which the queue is found empty, so that a promise made a moment
    // later starts a new loop.
    this.isSaving = false;
  }
}
