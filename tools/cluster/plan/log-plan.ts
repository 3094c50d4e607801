/**
 * Which log the nodes are told to follow, and whether the master may begin one although the broker
 * remembers one. Pure.
 *
 * The first start leaves LOG_ID at `auto`: nothing is known yet. Every later start passes the id
 * that the first one kept, so no node that has lost its disk can begin a second log. What the user
 * has set in LOG_ID is passed on as it is.
 *
 * Under `auto` a log begins only on a broker that knows of none. RabbitMQ's data can outlive the
 * data folder: a broker that the user gives, or the volume of a container. The first start of an
 * empty folder therefore permits its master to begin one log; it then listens for
 * UNHEALTHY_AFTER_MS and begins unless a node that it hears holds a log. A private RabbitMQ whose
 * data is new remembers nothing, and those seconds are saved.
 */
import { majority } from '#protocol/write-concern';

export interface LogFacts {
  /** LOG_ID in the environment; null: it is not set. */
  readonly given: string | null;
  readonly memory: boolean;
  /** The id that an earlier start has kept; null: none. */
  readonly kept: string | null;
  /** For each node: does its folder hold a store? */
  readonly holds: readonly boolean[];
  /** The broker may know of a log that was begun before this start. */
  readonly brokerMayRemember: boolean;
}

export interface LogPlan {
  /** LOG_ID for every node; null: what the environment says. */
  readonly logId: string | null;
  readonly permitsBirth: boolean;
  /**
   * The kept log: `gone` when no folder has any of it, `short` when fewer than a majority of the
   * folders hold a store.
   */
  readonly state: 'fine' | 'short' | 'gone';
}

export function planLog({ given, memory, kept, holds, brokerMayRemember }: LogFacts): LogPlan {
  if (memory || given !== null) return { logId: null, permitsBirth: false, state: 'fine' };
  const stores = holds.filter(Boolean).length;
  if (kept === null) return { logId: null, permitsBirth: stores === 0 && brokerMayRemember, state: 'fine' };
  const isShort = stores < majority(holds.length);
  return { logId: kept, permitsBirth: false, state: stores === 0 ? 'gone' : isShort ? 'short' : 'fine' };
}
