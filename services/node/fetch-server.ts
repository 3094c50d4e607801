/**
 * Answers fetches from the store, one at a time for each asker: what is asked for meanwhile is
 * dropped, and the protocol asks again. A damaged record is mended by the next start; any other
 * fault of the store leaves the fetch without an answer.
 */
import type { Logger } from 'pino';
import { BATCH_BYTES_MAX } from '#protocol/limits';
import type { LogRecord } from '#protocol/record';
import { type LogStore, StorageError } from '#storage/log-store';

/** Records `header.prevIndex` + 1 … `lastIndex`, as far as one batch of `limit` records goes. */
export interface Fetch {
  readonly node: string;
  readonly header: { readonly prevIndex: number };
  readonly lastIndex: number;
  readonly limit: number;
}

export class FetchServer {
  /** Askers whose fetch is being answered. */
  private readonly serving = new Set<string>();

  constructor(
    private readonly parts: {
      readonly store: LogStore;
      readonly logger: Logger;
      readonly restart: (error: unknown) => void;
    },
  ) {}

  /** `answer` reads the store and sends. Rejects with what is no fault of the store. */
  async serve(asker: string, answer: () => Promise<void>): Promise<void> {
    if (this.serving.has(asker)) return;
    this.serving.add(asker);
    try {
      await answer();
    } catch (err) {
      if (!(err instanceof StorageError)) throw err;
      // This node stops.
      if (err.code === 'closed') return;
      this.parts.logger.error({ err, peer: asker }, 'a fetch cannot be answered');
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
