/**
 * Refuses appends while a master cannot accept them. The gates come in the order in which an
 * operator wants to learn of them. Safety does not depend on them, only on the commit rule
 * (reign.ts).
 */
import { nodeCount } from '#protocol/write-concern';
import type { LockOwner } from '../broker-link';
import type { Quorum } from '../quorum-gate';
import { noQuorum, type Refused, refused, type Situation, withoutVoters } from '../refusals';

/** Clients that may wait at once. Each costs some hundred bytes here and a socket at the edge. */
const WAITERS_MAX = 100_000;

/** The facts about a master that the gates need. */
export interface GateFacts {
  readonly isStopping: boolean;
  readonly phaseName: 'standby' | 'recovering' | 'reigning';
  /** The master that reigns instead; null: none was heard. */
  readonly reigningElsewhere: LockOwner | null;
  /** There is no log yet, as far as is known. */
  isBeginning(now: number): boolean;
  /** The missing condition, as words that follow "waiting for". */
  waitingFor(now: number): string;
  /** A sentence about members with another log that keep this one from reigning; null: none. */
  anotherLog(now: number): string | null;
  readonly link: { readonly blocked: boolean; readonly trouble?: string };
  readonly members: readonly string[];
  readonly quorum: Quorum;
  /** Could an entry that is appended now be committed? */
  readonly hasVoters: boolean;
  readonly voters: readonly string[];
  readonly inFlightBytes: number;
  readonly inFlightBytesMax: number;
  /** Requests that wait for their write concern. */
  readonly waiting: number;
  situation(now: number): Situation;
}

/** Why an append is refused now; null: it is accepted. */
export function refusalOf(master: GateFacts, now: number): Refused | null {
  const refuse = (problem: Parameters<typeof refused>[0], detail: string) =>
    refused(problem, detail, master.situation(now));
  const { phaseName, quorum } = master;
  const withoutQuorum = () => noQuorum(master.situation(now), nodeCount(master.members.length), master.link.trouble);
  if (master.isStopping) return refuse('shutting-down', 'This master is stopping.');
  if (phaseName === 'standby') {
    const holder = master.reigningElsewhere?.node ?? 'Another process';
    return refuse('standby', `${holder} is the reigning master: it has the lock of this log.`);
  }
  const anotherLog = master.anotherLog(now);
  if (anotherLog !== null) return refuse('another-log', anotherLog);
  if (phaseName === 'recovering') {
    if (master.isBeginning(now) && !quorum.ok) return withoutQuorum();
    return refuse('recovering', `Not ready yet: waiting for ${master.waitingFor(now)}.`);
  }
  // A broker that blocks publishers silences the secondaries too, so name the broker first.
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
