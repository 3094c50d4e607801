/**
 * Keeps durable records in order until the broker has confirmed them, and forms batches of them.
 * The number and the bytes of unconfirmed batches are bounded. Records beyond the bound wait here
 * and count as in flight.
 *
 * A publish fails if it is nacked or returned, or if its channel is lost. Then everything from the
 * first unconfirmed record is published again, in order. Duplicates are harmless; a gap would have
 * to be fetched. A late answer to a batch of an earlier round is ignored.
 */
import {
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  MESSAGE_BYTES_MAX,
  UNCONFIRMED_BATCHES_MAX,
  UNCONFIRMED_BYTES_MAX,
} from '#protocol/limits';
import type { LogRecord } from '#protocol/record';
import { fittingRecords } from '#protocol/wire/batch-size';

/** A batch to publish. */
export interface Publish {
  /** Number of the batch; the broker's confirm names it. */
  readonly id: number;
  readonly records: readonly LogRecord[];
}

interface Sent {
  readonly id: number;
  readonly count: number;
  readonly bytes: number;
  confirmed: boolean;
}

/** The unconfirmed records of one reign. */
export class PublishWindow {
  /** Bytes of the records that the broker has not confirmed. */
  retainedBytes = 0;
  /** Durable and not confirmed, ascending; the first `sentCount` of them are in `sent`. */
  private records: LogRecord[] = [];
  private sentCount = 0;
  private sentBytes = 0;
  private sent: Sent[] = [];
  private nextId = 1;

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.records.push(record);
      this.retainedBytes += record.bytes.length;
    }
  }

  /**
   * The next batch to publish, in a message of `bytesMax` bytes or with a single record; null when
   * nothing waits or the window is full.
   */
  take(bytesMax = MESSAGE_BYTES_MAX): Publish | null {
    if (this.sentCount === this.records.length) return null;
    if (this.sent.length >= UNCONFIRMED_BATCHES_MAX || this.sentBytes >= UNCONFIRMED_BYTES_MAX) return null;
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let at = this.sentCount; at < this.records.length && records.length < BATCH_RECORDS_MAX; at += 1) {
      const record = this.records[at];
      if (record === undefined || (bytes > 0 && bytes + record.bytes.length > BATCH_BYTES_MAX)) break;
      records.push(record);
      bytes += record.bytes.length;
    }
    records.length = Math.max(fittingRecords(records, bytesMax).length, 1);
    bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
    const publish = { id: this.nextId, records };
    this.nextId += 1;
    this.sent.push({ id: publish.id, count: records.length, bytes, confirmed: false });
    this.sentCount += records.length;
    this.sentBytes += bytes;
    return publish;
  }

  /** The broker has confirmed the batch. @returns false for a batch of an earlier round */
  recordConfirm(id: number): boolean {
    const batch = this.sent.find((each) => each.id === id);
    if (batch === undefined) return false;
    batch.confirmed = true;
    let records = 0;
    let batches = 0;
    while (this.sent[batches]?.confirmed === true) {
      records += this.sent[batches]?.count ?? 0;
      batches += 1;
    }
    if (batches > 0) this.forget(batches, records);
    return true;
  }

  /**
   * The broker may not have the batch: all unconfirmed records are published again.
   * @returns false for a batch of an earlier round
   */
  recordFailure(id: number): boolean {
    if (!this.sent.some((each) => each.id === id)) return false;
    this.restart();
    return true;
  }

  /** The channel is lost: no answer comes any more, and all unconfirmed records are due again. */
  restart(): void {
    this.sent = [];
    this.sentCount = 0;
    this.sentBytes = 0;
  }

  /** Drops every record: the reign has ended, or there are no members. */
  clear(): void {
    this.restart();
    this.records = [];
    this.retainedBytes = 0;
  }

  toString(): string {
    return `unconfirmed ${this.records.length} in ${this.sent.length} batches`;
  }

  private forget(batches: number, records: number): void {
    for (const { bytes } of this.sent.splice(0, batches)) {
      this.sentBytes -= bytes;
      this.retainedBytes -= bytes;
    }
    this.records = this.records.slice(records);
    this.sentCount -= records;
  }
}
