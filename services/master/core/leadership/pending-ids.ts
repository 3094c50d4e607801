/**
 * Keeps the ids of records that are in the log and not durable yet. The store may not know these
 * ids: it has not received the group that collects, and it drops the ids of a failed write before
 * the core learns of the failure.
 *
 * The ids outlive the reign that wrote them, as their records do. Otherwise a client that tries
 * again after the reign would be told that its entry is in no log.
 */
import type { LogRecord } from '#protocol/record';

/** Ids that clients chose, each with its record. */
export class PendingIds {
  private readonly byId = new Map<string, LogRecord>();

  get(id: string): LogRecord | null {
    return this.byId.get(id) ?? null;
  }

  add(id: string, record: LogRecord): void {
    this.byId.set(id, record);
  }

  /** These records are durable, so the store knows their ids. */
  recordStored(records: readonly LogRecord[]): void {
    if (this.byId.size > 0) for (const { id } of records) if (id !== null) this.byId.delete(id);
  }

  /** The records that were not durable are no longer in the log. */
  clear(): void {
    this.byId.clear();
  }
}
