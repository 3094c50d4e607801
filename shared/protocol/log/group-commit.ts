/**
 * Forms groups of records that are made durable with one sync (databases: group commit). While one
 * group is being written, the next one collects. It closes when the store is ready or at a size
 * bound. So low load pays no timer, and high load shares one sync.
 *
 *     collecting ──take()──▶ storing ──stored()──▶ durable
 *         └──────────────────────┴──dropAfter()──▶ forgotten (a failed write, a truncation)
 *
 * A `dropAfter` begins a new generation. A late completion of an older generation is ignored,
 * because other records may have its indexes now.
 */
import { BATCH_BYTES_MAX, BATCH_RECORDS_MAX } from '../limits';
import type { LogRecord } from '../record';

/** Consecutive records for one write. `generation` names the write in its completion. */
export interface Group {
  readonly generation: number;
  readonly records: readonly LogRecord[];
}

/** The durable and the waiting records of one log. */
export class GroupCommit {
  /** Index of the last durable record; 0: none. */
  durableIndex: number;
  /** Bytes of the records that are not durable. */
  pendingBytes = 0;
  private generation = 0;
  private collecting: LogRecord[] = [];
  /** Units of more than one record among the collected ones, ascending. */
  private units: { readonly first: number; readonly last: number }[] = [];
  private storing: readonly LogRecord[] | null = null;

  constructor(durableIndex: number) {
    this.durableIndex = durableIndex;
  }

  add(record: LogRecord): void {
    this.collecting.push(record);
    this.pendingBytes += record.bytes.length;
  }

  /**
   * Adds records that become durable together or not at all: no group ends between them, even if
   * the group is larger than its bound.
   */
  addUnit(records: readonly LogRecord[]): void {
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) return;
    if (last.index > first.index) this.units.push({ first: first.index, last: last.index });
    for (const record of records) this.add(record);
  }

  /** The next group for the store; null while one is under way or nothing waits. */
  take(): Group | null {
    if (this.storing !== null || this.collecting.length === 0) return null;
    const size = this.withWholeUnit(groupSize(this.collecting));
    this.storing = size === this.collecting.length ? this.collecting : this.collecting.slice(0, size);
    this.collecting = size === this.collecting.length ? [] : this.collecting.slice(size);
    return { generation: this.generation, records: this.storing };
  }

  /**
   * The group under way is durable.
   * @returns its records; empty when the completion is late
   */
  stored(generation: number): readonly LogRecord[] {
    if (generation !== this.generation || this.storing === null) return [];
    const records = this.storing;
    this.storing = null;
    this.pendingBytes -= sizeOf(records);
    this.durableIndex = records.at(-1)?.index ?? this.durableIndex;
    return records;
  }

  /** Forgets every record after `index`, durable or not. */
  dropAfter(index: number): void {
    this.generation += 1;
    this.storing = null;
    this.collecting = [];
    this.units = [];
    this.pendingBytes = 0;
    this.durableIndex = Math.min(this.durableIndex, index);
  }

  /** Is every added record durable? */
  get isIdle(): boolean {
    return this.storing === null && this.collecting.length === 0;
  }

  /** Is a completion of this generation still awaited? */
  isCurrent(generation: number): boolean {
    return generation === this.generation;
  }

  /** `size`, extended to the end of a unit that would be split there. */
  private withWholeUnit(size: number): number {
    const start = this.collecting[0]?.index ?? 0;
    const end = start + size - 1;
    const cut = this.units.find(({ first, last }) => first <= end && last > end);
    const whole = cut?.last ?? end;
    this.units = this.units.filter(({ last }) => last > whole);
    return whole - start + 1;
  }

  toString(): string {
    return `durable ${this.durableIndex} storing ${this.storing?.length ?? 0} collecting ${this.collecting.length}`;
  }
}

function groupSize(records: readonly LogRecord[]): number {
  let bytes = 0;
  for (const [at, record] of records.entries()) {
    bytes += record.bytes.length;
    if (bytes >= BATCH_BYTES_MAX || at + 1 >= BATCH_RECORDS_MAX) return at + 1;
  }
  return records.length;
}

function sizeOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
