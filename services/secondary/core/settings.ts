/** Defines what a secondary's machine is given when it is created. */
import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';

/** `node` and `store` name this node and its store. */
export interface SecondarySettings extends Voter {
  /** The store ends with the process. */
  readonly inMemory: boolean;
  /** The one log that this node may follow; null: any, while it holds none. */
  readonly logId: string | null;
  readonly heartbeatIntervalMs: number;
  /** How long a gap may stay open before the missing records are fetched. */
  readonly gapTimeoutMs: number;
  /** Bytes of records in the reorder buffer; left out: `REORDER_BYTES_MAX`. */
  readonly reorderBytesMax?: number;
}

/** What the store held when the process started. */
export interface SecondaryStart {
  /** Of the records in the store. From here on only the machine changes it. */
  readonly outline: LogOutline;
  readonly promised: Promised;
  /** Running CRC-32 of all records' bytes. */
  readonly checksum: number;
}
