/** What a master's machine is told when it is made. */
import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';
import type { SeqOfId } from './admission/idempotency';
import type { BirthMode } from './election/birth';

export interface MasterCoreSettings extends Voter {
  /** Members from the start, up or not. */
  readonly secondaries: readonly string[];
  /** May a node that the settings do not name become a member by joining? */
  readonly openMembership: boolean;
  /** When it begins a log, if there is none. One master of a log may. */
  readonly birth: BirthMode;
  /** The one log that this node may follow; null: any, while it holds none. */
  readonly logId: string | null;
  /** The store ends with the process. */
  readonly inMemory: boolean;
  /** False: reigns without votes and takes appends without a quorum. */
  readonly quorumAppend: boolean;
  readonly heartbeatIntervalMs: number;
  readonly suspectAfterMs: number;
  readonly unhealthyAfterMs: number;
  /** Bytes of entries that are not yet durable here or not yet confirmed by the broker. */
  readonly inFlightBytesMax: number;
}

/** What was known when the process started. */
export interface MasterStart {
  readonly outline: LogOutline;
  readonly promised: Promised;
  /** Running checksum of the log's end. */
  readonly checksum: number;
  /** Looks an id up in the store, at once. */
  readonly seqOfId: SeqOfId;
}
