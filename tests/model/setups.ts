/** The clusters that are searched. */
import type { BirthMode } from '#master/core/election/birth';

export interface Setup {
  readonly secondaries: number;
  readonly standby: boolean;
  readonly mode: BirthMode;
  /** LOG_ID names the log that was begun first. */
  readonly logIdNamed: boolean;
  /** Every node keeps its log in memory: what is lost is lost by a restart. */
  readonly inMemory: boolean;
  readonly most: {
    readonly entries: number;
    readonly epochs: number;
    readonly losses: number;
    readonly brokerLosses: boolean;
    /** A log can be used before the broker is told that it has begun. */
    readonly brokerUntold: boolean;
    readonly rollbacks: boolean;
    readonly strangeFolders: 'nobody' | 'secondaries' | 'anybody';
    readonly returns: boolean;
    readonly forces: boolean;
  };
}

export const SMALL: Setup = {
  secondaries: 2,
  standby: false,
  mode: 'auto',
  logIdNamed: false,
  inMemory: false,
  most: {
    entries: 1,
    epochs: 3,
    losses: 1,
    brokerLosses: false,
    brokerUntold: false,
    rollbacks: false,
    strangeFolders: 'nobody',
    returns: false,
    forces: false,
  },
};
