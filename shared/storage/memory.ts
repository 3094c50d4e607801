/**
 * Implements the log store in memory: what the first version of the task asks for, and what tests
 * use. The log is lost with the process, so every start is a new store with a new id. "Durable"
 * here means stored in memory, which is immediate.
 *
 * Every change takes effect within the call; only the answer is a promise.
 */
import { randomBytes } from 'node:crypto';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import { crcOf } from './disk/segments/crc';
import { FrameKind } from './disk/segments/frame';
import { joinEntries, withinLimits } from './disk/tail-cache';
import type { EntryBytes, LogStore, ReadLimits } from './log-store';
import { seqOfGeneratedId, takeRecords } from './record-kind';
import { closedFault } from './storage-fault';
import { checkExtends } from './store-identity';

/**
 * The `LogStore` of kind `memory`. After `close` every call fails with a `StorageError` `closed`.
 */
export class MemoryLogStore implements LogStore {
  readonly storeId = randomBytes(8).toString('hex');
  readonly kind = 'memory';
  readonly opened = new LogOutline();
  /** The permission is a file in a folder, and this store has none. */
  readonly mayBegin = false;
  readonly shortage = null;
  promised: Promised = NO_PROMISE;

  private readonly outline = new LogOutline();
  private readonly records: LogRecord[] = [];
  /** Running CRC-32 after each record. */
  private readonly running: number[] = [];
  private readonly indexOfId = new Map<string, number>();
  private closed = false;

  get durableIndex(): number {
    return this.outline.lastIndex;
  }

  get checksum(): number {
    return this.running.at(-1) ?? 0;
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    this.checkOpen();
    const kinds = takeRecords(this.outline, records);
    records.forEach((record, at) => {
      this.running.push(crcOf(record.bytes, 0, record.bytes.length, this.checksum));
      this.records.push(record);
      if (kinds[at] === FrameKind.namedEntry && record.id !== null) this.indexOfId.set(record.id, record.index);
    });
  }

  async savePromise(promised: Promised): Promise<void> {
    this.checkOpen();
    checkExtends(this.promised.identity, promised.identity);
    this.promised = promised;
  }

  /** Every start is a new store. */
  async renew(): Promise<void> {
    this.checkOpen();
  }

  async consumePermission(): Promise<void> {
    this.checkOpen();
  }

  async truncateAfter(index: number): Promise<void> {
    this.checkOpen();
    for (const { id, index: at } of this.records.splice(index)) {
      if (id !== null && this.indexOfId.get(id) === at) this.indexOfId.delete(id);
    }
    this.running.length = this.records.length;
    this.outline.truncateAfter(index);
  }

  async read(from: number, limits: ReadLimits): Promise<readonly LogRecord[]> {
    this.checkOpen();
    return withinLimits(this.records, Math.max(from, 1) - 1, limits);
  }

  async readEntries(from: number, limits: ReadLimits, separator: number): Promise<EntryBytes> {
    return joinEntries(await this.read(from, limits), separator);
  }

  seqOfId(id: string): number | null {
    this.checkOpen();
    const seq = seqOfGeneratedId(this.outline, id);
    if (seq !== null) return seq;
    const index = this.indexOfId.get(id);
    return index === undefined ? null : this.outline.seqAt(index);
  }

  async checksumAt(index: number): Promise<number> {
    this.checkOpen();
    return this.running[index - 1] ?? 0;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  private checkOpen(): void {
    if (this.closed) throw closedFault();
  }
}
