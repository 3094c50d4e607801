/**
 * The ids of records that are in the log and not durable yet. The store may not know them: a group
 * that collects was not handed to it, and a write without room takes its ids out of the store
 * before the core hears of it. They outlive the reign that wrote them, as their records do: a
 * client that tries again after the reign has ended must not hear that its entry is in no log.
 */
import type { LogRecord } from '#protocol/record';

export class PendingIds {
  private readonly byId = new Map<string, LogRecord>();

  get(id: string): LogRecord | null {
    return this.byId.get(id) ?? null;
  }

  add(id: string, record: LogRecord): void {
    this.byId.set(id, record);
  }

  /** The store knows them now. */
  recordStored(records: readonly LogRecord[]): void {
    if (this.byId.size > 0) for (const { id } of records) if (id !== null) this.byId.delete(id);
  }

  /** What was not durable is in the log no more. */
  clear(): void {
    this.byId.clear();
  }
}
