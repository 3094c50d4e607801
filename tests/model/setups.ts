/** The clusters that are searched. */
import type { Setup } from './cluster';

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
    rollbacks: false,
    strangeFolders: 'nobody',
    returns: false,
    forces: false,
  },
};
