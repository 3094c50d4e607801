/** What a secondary's machine is told when it is made. */
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import type { PromisedEpoch } from './ballot';

export interface SecondarySettings extends Voter {
  readonly heartbeatIntervalMs: number;
  readonly gapTimeoutMs: number;
}

/** What was known when the process started. */
export interface SecondaryStart {
  readonly outline: LogOutline;
  readonly promised: PromisedEpoch;
  /** Running checksum of the log's end. */
  readonly checksum: number;
}
