/**
 * Creates the parts of a secondary's machine. A part is a leaf: it holds its own state, and knows
 * the log at most, never another part. The machine (secondary.ts, replication.ts) connects them.
 */
import { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { type Counters, noCounts } from './counters';
import { Deliveries } from './entries/deliveries';
import { GapRepair } from './entries/gap-repair';
import { Placement } from './entries/placement';
import { ReorderBuffer } from './entries/reorder-buffer';
import { ForeignWatch } from './identity/foreign-watch';
import { Integrity } from './identity/integrity';
import { Reporter } from './reporter';
import { Session } from './session';
import type { SecondarySettings, SecondaryStart } from './settings';
import { Ballot } from './voting/ballot';
import { MasterWatch } from './voting/master-watch';

/** Each part is created once, and lives as long as the machine. */
export interface SecondaryParts {
  /** This node and its store. */
  readonly self: Voter;
  readonly counters: Counters;
  /** This node's copy of the log. */
  readonly log: ReplicaLog;
  /** Where a batch belongs in the log. */
  readonly placement: Placement;
  /** How each delivery is settled. */
  readonly deliveries: Deliveries;
  /** When to fetch missing records. */
  readonly gap: GapRepair;
  /** The epoch followed, and the vote in it. */
  readonly ballot: Ballot;
  /** What the master announced last. */
  readonly master: MasterWatch;
  /** Whether this log is the master's. */
  readonly integrity: Integrity;
  /** Whether the master is one of another log. */
  readonly foreign: ForeignWatch;
  /** The messages to the master. */
  readonly reporter: Reporter;
  /** The connection to the broker. */
  readonly session: Session;
}

/** The parts of a machine that begins with what the store held when the process started. */
export function secondaryParts(settings: SecondarySettings, start: SecondaryStart): SecondaryParts {
  const { node, store, inMemory, logId, heartbeatIntervalMs: intervalMs } = settings;
  const { outline, promised, checksum } = start;
  const self = { node, store };
  const counters = noCounts();
  const log = new ReplicaLog({ outline, checksum, commit: promised.commit });
  const ballot = new Ballot({ self, inMemory, logId, log }, promised);
  const isSynced = promised.epoch > 0 && ballot.follows({ epoch: outline.lastEpoch, reign: outline.lastReign });
  const buffer = new ReorderBuffer(settings.reorderBytesMax);
  return {
    self,
    counters,
    log,
    placement: new Placement({ log, counters, buffer, isSynced }),
    deliveries: new Deliveries(),
    gap: new GapRepair(settings.gapTimeoutMs),
    ballot,
    master: new MasterWatch(intervalMs),
    integrity: new Integrity({ node, outline, following: ballot }, intervalMs),
    foreign: new ForeignWatch(),
    reporter: new Reporter({ self, inMemory, log, following: ballot }, intervalMs),
    session: new Session(),
  };
}
