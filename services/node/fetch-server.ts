/**
 * Answers fetches from the store, one at a time for each node. A fetch that comes meanwhile is
 * dropped, and the protocol repeats it. If a record is damaged, the node restarts, which repairs
 * the store. After any other fault of the store the fetch gets no answer.
 */

import type { Logger } from 'pino';
import { logEvent } from '#process/logger';
import { BATCH_BYTES_MAX } from '#protocol/limits';
import type { LogRecord } from '#protocol/record';
import { type LogStore, StorageError } from '#storage/log-store';

/** The records `header.prevIndex` + 1 … `lastIndex`, at most one batch of `limit` records. */
interface Fetch {
  readonly node: string;
  readonly header: { readonly prevIndex: number };
  readonly lastIndex: number;
  readonly limit: number;
}

/** Answers the fetches that a node receives. */
export class FetchServer {
  /** Nodes whose fetch is being answered. */
  private readonly serving = new Set<string>();

  constructor(
    private readonly parts: {
      readonly store: LogStore;
      readonly logger: Logger;
      readonly restart: (error: unknown) => void;
    },
  ) {}

  /** Runs `answer`, which reads the store and sends. Rejects with any error but a StorageError. */
  async serve(asker: string, answer: () => Promise<void>): Promise<void> {
    if (this.serving.has(asker)) return;
    this.serving.add(asker);
    try {
      await answer();
    } catch (err) {
      if (!(err instanceof StorageError)) throw err;
      // This node stops.
      if (err.code === 'closed') return;
      logEvent(this.parts.logger, 'error', 'fetch.failed', { err, peer: asker });
      if (err.code === 'damaged') this.parts.restart(err);
    } finally {
      this.serving.delete(asker);
    }
  }

  async read({ header, lastIndex, limit }: Fetch): Promise<readonly LogRecord[]> {
    if (lastIndex <= header.prevIndex) return [];
    const limits = { to: lastIndex, maxBytes: BATCH_BYTES_MAX, maxRecords: limit };
    return this.parts.store.read(header.prevIndex + 1, limits);
  }
}
