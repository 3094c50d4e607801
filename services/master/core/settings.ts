/** Defines the settings and the saved state that a master's machine starts with. */
import type { LogOutline } from '#protocol/log/outline';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';
import type { SeqOfId } from './admission/idempotency';
import type { BirthMode } from './election/birth';

/** Settings of a master's core, with its node name and store id. Durations are milliseconds. */
export interface MasterCoreSettings extends Voter {
  /** Members from the start, up or not. */
  readonly secondaries: readonly string[];
  /** May a node that the settings do not name become a member by joining? */
  readonly openMembership: boolean;
  /** In which case this master begins a log if there is none. */
  readonly birth: BirthMode;
  /** The only log that this node may follow; null: any log, while it holds none. */
  readonly logId: string | null;
  /** The store ends with the process. */
  readonly inMemory: boolean;
  /** False: this master reigns without votes and accepts appends without a quorum. */
  readonly quorumAppend: boolean;
  readonly heartbeatIntervalMs: number;
  readonly suspectAfterMs: number;
  readonly unhealthyAfterMs: number;
  /** Largest number of bytes of entries that are not yet durable or not yet confirmed. */
  readonly inFlightBytesMax: number;
}

/** The state that was on disk when the process started. */
export interface MasterStart {
  readonly outline: LogOutline;
  readonly promised: Promised;
  /** Running CRC-32 at the end of the log. */
  readonly checksum: number;
  /** Looks an id up in the store, synchronously. */
  readonly seqOfId: SeqOfId;
}
