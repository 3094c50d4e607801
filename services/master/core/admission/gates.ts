/**
 * Why a master takes no append at this moment, if it does not: the gates in the order in which an
 * operator would want to hear of them. Whether an append that passes is safe is not decided here,
 * but by the commit rule (reign.ts).
 */
import { nodeCount } from '#protocol/write-concern';
import type { LockOwner } from '../broker-link';
import type { Quorum } from '../quorum-gate';
import { noQuorum, type Refused, refused, type Situation, withoutVoters } from '../refusals';

/** Clients that may wait at once; each costs some hundred bytes here and a socket at the edge. */
const WAITERS_MAX = 100_000;

/** What the gates ask of a master. */
export interface GateFacts {
  readonly isStopping: boolean;
  readonly phaseName: 'standby' | 'recovering' | 'reigning';
  readonly reigningElsewhere: LockOwner | null;
  isBeginning(now: number): boolean;
  waitingFor(now: number): string;
  /**
   * Members that hold another log, when they are more than those that hold this one; null: they are
   * not.
   */
  anotherLog(now: number): string | null;
  readonly link: { readonly blocked: boolean };
  readonly members: readonly string[];
  readonly quorum: Quorum;
  /** Could what is appended now be committed? */
  readonly hasVoters: boolean;
  readonly voters: readonly string[];
  readonly inFlightBytes: number;
  readonly inFlightBytesMax: number;
  /** Requests that wait for their write concern. */
  readonly waiting: number;
  situation(now: number): Situation;
}

/** Null: an append would be taken. */
export function refusalOf(master: GateFacts, now: number): Refused | null {
  const refuse = (problem: Parameters<typeof refused>[0], detail: string) =>
    refused(problem, detail, master.situation(now));
  const { phaseName, quorum } = master;
  const withoutQuorum = () => noQuorum(master.situation(now), nodeCount(master.members.length));
  if (master.isStopping) return refuse('shutting-down', 'This master is stopping.');
  if (phaseName === 'standby') {
    const holder = master.reigningElsewhere?.node ?? 'Another process';
    return refuse('standby', `${holder} reigns: it has the lock of this log.`);
  }
  const anotherLog = master.anotherLog(now);
  if (anotherLog !== null) return refuse('another-log', anotherLog);
  if (phaseName === 'recovering') {
    if (master.isBeginning(now) && !quorum.ok) return withoutQuorum();
    return refuse('recovering', `Not ready yet: waiting for ${master.waitingFor(now)}.`);
  }
  // Blocked, the secondaries fall silent too: then the broker is what an operator has to look
  // after.
  if (master.link.blocked)
    return refuse('overloaded', 'The broker has blocked its publishers: its memory or disk alarm is on.');
  if (!quorum.ok) return withoutQuorum();
  if (!master.hasVoters) return withoutVoters(master.voters, master.situation(now));
  if (master.inFlightBytes >= master.inFlightBytesMax)
    return refuse('overloaded', `${master.inFlightBytes} bytes are in flight, which is the limit.`);
  if (master.waiting >= WAITERS_MAX)
    return refuse('overloaded', `${WAITERS_MAX} requests are waiting, which is the limit.`);
  return null;
}
