/**
 * Makes a node's newest promise durable, however often the disk refuses: without it the node can
 * neither vote nor follow, so there is nothing better to do than to try again. A newer promise
 * replaces one that is still being tried.
 */

import type { Logger } from 'pino';
import type { Promised } from '#protocol/promised';
import { type RetryPolicy, retryDelayMs } from '#protocol/retry-policy';
import { type LogStore, StorageError } from '#storage/log-store';

const RETRY: RetryPolicy = { delayMsMin: 100, delayMsMax: 5_000 };

export class PromiseKeeper {
  private newest: Promised | null = null;
  private isSaving = false;

  constructor(
    private readonly options: {
      readonly store: LogStore;
      readonly logger: Logger;
      /** The promise is durable. */
      readonly saved: (promised: Promised) => void;
      /** The store is broken for good. */
      readonly fail: (error: unknown) => void;
    },
  ) {}

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
        // This node stops: what was not promised durably was told to nobody.
        if (err instanceof StorageError && err.code === 'closed') return;
        if (!(err instanceof StorageError) || err.fatal) throw err;
        if (attempt === 1) this.options.logger.error({ err }, 'a promise cannot be stored, trying again');
        await new Promise((resolve) => setTimeout(resolve, retryDelayMs(RETRY, attempt, Math.random())));
        continue;
      }
      attempt = 0;
      if (this.newest === promised) this.newest = null;
      this.options.saved(promised);
    }
    // In the turn in which nothing was left to do: a promise made a moment later must find nobody
    // at it.
    this.isSaving = false;
  }
}
