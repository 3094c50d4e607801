/** What a secondary's machine is told when it is made. */
import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';

export interface SecondarySettings extends Voter {
  /** The store ends with the process. */
  readonly inMemory: boolean;
  /** The one log that this node may follow; null: any, while it holds none. */
  readonly logId: string | null;
  readonly heartbeatIntervalMs: number;
  readonly gapTimeoutMs: number;
}

/** What was known when the process started. */
export interface SecondaryStart {
  readonly outline: LogOutline;
  readonly promised: Promised;
  /** Running checksum of the log's end. */
  readonly checksum: number;
}
