/** What a master's machine is told when it is made. */
import type { LogOutline } from '../../../shared/protocol/log-outline';
import type { Voter } from '../../../shared/protocol/record';
import type { EpochId } from '../../../shared/protocol/wire';

export interface MasterSettings extends Voter {
  /** Members from the start, up or not. */
  readonly secondaries: readonly string[];
  /** May a node that the settings do not name become a member by joining? */
  readonly openMembership: boolean;
  /** May it begin a log when there is none? One master of a log may. */
  readonly mayBegin: boolean;
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
  readonly promised: EpochId & { readonly freshBroker?: true };
  /** Running checksum of the log's end. */
  readonly checksum: number;
}
