/** A candidacy for the tests: what a master would do around it. */
import { type BirthSituation, Candidacy } from '#master/core/election/candidacy';
import type { MasterEffect } from '#master/core/events';
import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { controlRecord, entryRecord, type LogRecord, type Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

export const SELF: Voter = { node: 'master', store: 'M' };
export const S1: Voter = { node: 's1', store: 'A' };
export const S2: Voter = { node: 's2', store: 'B' };
export const INTERVAL_MS = 500;
const TS = '2026-01-01T00:00:00.000Z';
export const CLAIM = { epoch: 5, reign: 'r5', log: 'r1' };
/** A broker that knows of the log, and nothing that speaks for a birth. */
export const SITUATION: BirthSituation = {
  mode: 'auto',
  inMemory: false,
  freshBroker: false,
  someoneHoldsALog: true,
  hasListened: true,
  isForced: false,
};
/** The same, and nobody was heard to hold a log. */
export const NOWHERE: BirthSituation = { ...SITUATION, someoneHoldsALog: false };

/** An entry of the candidate’s log. */
export const entry = (index: number, epoch = 1): LogRecord =>
  entryRecord(index, { seq: index - 2, epoch, id: `i${index}`, ts: TS, message: '' });

/** A log of two control records and two entries. */
export function logOf(voters: readonly Voter[]): LogRecord[] {
  const first = { control: 'epoch', reign: 'r1', ...SELF } as const;
  const list = { control: 'members', voters, members: ['s1', 's2'] } as const;
  const controls = [first, list].map((control, at) => controlRecord({ index: at + 1, epoch: 1, seq: 0 }, control));
  return [...controls, entry(3), entry(4)];
}

/** What a candidacy begins with. */
export interface Given {
  readonly records?: readonly LogRecord[];
  readonly commit?: number;
  readonly log?: string | null;
  readonly needsVotes?: boolean;
  readonly forced?: boolean;
}

/** A candidacy of the moment 0, with the log that it is about. */
export class Candidate {
  readonly log: ReplicaLog;
  readonly candidacy: Candidacy;

  constructor({ records = logOf([SELF, S1, S2]), commit = 0, log = 'r1', needsVotes = true, forced = false }: Given) {
    const outline = new LogOutline();
    for (const record of records) outline.append(record);
    this.log = new ReplicaLog({ outline, checksum: 0, commit });
    const options = { claim: { ...CLAIM, log }, self: SELF, secondaries: ['s1', 's2'], needsVotes, forced };
    this.candidacy = new Candidacy(this.log, { ...options, heartbeatIntervalMs: INTERVAL_MS });
  }

  promised(): this {
    this.candidacy.recordPromised(0, []);
    return this;
  }

  verdict(now = 0, birth = SITUATION) {
    return this.candidacy.verdict(now, birth);
  }

  /** Takes a vote; by default it is granted to this claim. */
  hear(from: Voter, said: Partial<MessageOf<'vote'>> = {}, replyTo: string | null = `q-${from.node}`): MasterEffect[] {
    const end = { lastIndex: 4, lastEpoch: 1, lastReign: 'r1', lastLog: 'r1', lastSeq: 2 };
    const about = { granted: true, claimed: CLAIM.epoch, storeKind: 'disk', voters: [] as Voter[] } as const;
    const out: MasterEffect[] = [];
    this.candidacy.recordVote(0, { type: 'vote', ...CLAIM, ...from, ...end, ...about, ...said }, replyTo, out);
    return out;
  }

  tick(now: number): MasterEffect[] {
    const out: MasterEffect[] = [];
    this.candidacy.tick(now, out);
    return out;
  }

  receive(message: MessageOf<'entries' | 'diverged'>): MasterEffect[] {
    const out: MasterEffect[] = [];
    this.candidacy.receive(0, message, out);
    return out;
  }

  /** The store has written what it was given. */
  store(effects: readonly MasterEffect[]): MasterEffect[] {
    const out: MasterEffect[] = [];
    for (const effect of effects) {
      if (effect.do !== 'store') continue;
      this.log.recordStored(effect.generation, 0);
      this.candidacy.recordStored(0, out);
    }
    return out;
  }
}

/** A refusal by a node with two entries more. */
export const BEHIND = { granted: false, lastIndex: 6, lastSeq: 4 } as const;
/** The answer to the first fetch of a candidate that is behind. */
export const FOLLOWING = {
  type: 'entries',
  ...CLAIM,
  prevIndex: 4,
  prevEpoch: 1,
  prevReign: 'r1',
  commit: 0,
  records: [entry(5), entry(6)],
} as const;

/** A candidate whose vote s1 has refused, as its log has two entries more. */
export function behind(given: Given = {}): Candidate {
  const candidate = new Candidate(given).promised();
  candidate.hear(S1, BEHIND);
  return candidate;
}
