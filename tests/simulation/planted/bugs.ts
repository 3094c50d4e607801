/**
 * Bugs that are planted to see that the simulator finds them: a machine that is wrapped, or a leaf
 * of it that is replaced. They live here alone; no branch of the product knows them. `seeds` says
 * within how many seeds each has to be found.
 *
 * Changes of the rules that nothing can show, and why:
 * - A lost store leaves the list and the new one enters in one record. A lost store never votes, so of k voters at most k − 1 can decide by the old list, and
 *   they need ⌊k/2⌋ + 1. By the new list at least ⌊k/2⌋ of the same k − 1 are needed beside the new store. Together that is more than k − 1: every two
 *   majorities share a node. Two steps are kept for a disk that was away and is put back.
 * - Epochs that are compared without their reigns. A reign of a log is won by a majority that votes once in an epoch, so no log has two reigns of one
 *   epoch, and epochs of different logs are told apart by identity before they are compared.
 * - What a foreign node says is counted. It never says that it holds anything of this epoch: it has not compared its log with this one. What its former store
 *   had said is another matter, and planted.
 *
 * Not found in 250 seeds, though it could matter: a list that changes before the first record of
 * its reign is committed. A reign that waits for the commit of the list that it finds waits for
 * that record, too, unless an own former reign had committed this list. For harm that list must
 * have an even number of voters, and the other master must have changed it meanwhile: this one adds
 * a voter, and the other one takes one out.
 */

import { Election } from '#master/core/election/election';
import type { MasterEffect, MasterEvent } from '#master/core/events';
import { Reign } from '#master/core/leadership/reign';
import { MasterMachine } from '#master/core/master';
import { AckTracker } from '#master/core/members/ack-tracker';
import { LogOutline } from '#protocol/log/outline';
import type { LogRecord, Voter } from '#protocol/record';
import { includesVoter } from '#protocol/voters';
import type { EntriesMessage } from '#protocol/wire/messages';
import { majority } from '#protocol/write-concern';
import { GapRepair } from '#secondary/core/entries/gap-repair';
import { ReorderBuffer } from '#secondary/core/entries/reorder-buffer';
import { type SecondaryParts, secondaryParts } from '#secondary/core/parts';
import { SecondaryMachine } from '#secondary/core/secondary';
import type { DiskModel } from '../model/disk';
import { type Cores, REAL_CORES } from '../model/world';
import type { Schedule } from '../nemesis/profile';
import { PLANTED_BORDER_BUGS } from './borders';
import { PLANTED_ID_BUGS } from './ids';
import { PLANTED_LIST_BUGS } from './lists';
import { replace, secondariesThat } from './planting';

export interface PlantedBug {
  readonly name: string;
  /** Within how many seeds it has to be found. */
  readonly seeds: number;
  /** A schedule that is known to bring it out; left out: any. */
  readonly schedule?: Schedule;
  /** Only a run at the borders of a log's life can show it. */
  readonly wild?: true;
  readonly cores?: Cores;
  /** Puts the bug into a leaf of all machines; returns what takes it out again. */
  readonly plant?: () => () => void;
}

/** What is handed to the store is acked at once. */
const acksBeforeStore = secondariesThat((step, { log, reporter }) => (now, event) => {
  const out = step(now, event);
  if (out.some((effect) => effect.do === 'store')) reporter.ack(log.outline.lastIndex, out);
  return out;
});

class PublishesBeforeStore extends MasterMachine {
  private published = 0;

  override step(now: number, event: MasterEvent): MasterEffect[] {
    const out = super.step(now, event);
    const { reign } = this.view;
    if (reign === null) return out;
    return out.flatMap((effect): MasterEffect[] => {
      const [first] = effect.do === 'store' ? effect.records : [];
      if (effect.do !== 'store' || first === undefined) return [effect];
      this.published -= 1;
      const publish = { id: this.published, records: effect.records };
      return [effect, { do: 'publish', publish, header: reign.header(first.index - 1) }];
    });
  }
}

/** A client whose reign is over is told that its entry is stored, whether it is or not. */
class SaysStored extends MasterMachine {
  override step(now: number, event: MasterEvent): MasterEffect[] {
    return super.step(now, event).map((effect) => {
      const isUnresolved = effect.do === 'answer' && effect.answer.outcome === 'unresolved';
      return isUnresolved ? { ...effect, answer: { ...effect.answer, stored: true } } : effect;
    });
  }
}

/** Changes the batches that reach a secondary. */
function secondariesThatRead(change: (batch: EntriesMessage, parts: SecondaryParts) => EntriesMessage): Cores {
  return secondariesThat((step, parts) => (now, event) => {
    if ((event.type !== 'delivery' && event.type !== 'wire') || event.message.type !== 'entries')
      return step(now, event);
    return step(now, { ...event, message: change(event.message, parts) });
  });
}

const takesAnyEpoch = secondariesThatRead((batch, { ballot }) => {
  const { epoch, reign } = ballot.id;
  return { ...batch, epoch, reign };
});

const beginsAnywhere = secondariesThatRead((batch, { log }) => {
  const [first] = batch.records;
  if (log.outline.lastIndex > 0 || first === undefined) return batch;
  const before = first.control === null ? first.seq - 1 : first.seq;
  const records = batch.records.map((record): LogRecord => {
    return { ...record, index: record.index - batch.prevIndex, seq: record.seq - before };
  });
  return { ...batch, prevIndex: 0, prevEpoch: 0, prevReign: '', records };
});

/** The next fetch is never due. */
class OneFetch extends GapRepair {
  override recordFetch(_now: number, random: number): void {
    super.recordFetch(Number.POSITIVE_INFINITY, random);
  }
}

/** A disk goes on under the name that it had first, whatever it loses. */
function keepsItsName(disk: DiskModel): void {
  const { store } = disk;
  Reflect.defineProperty(disk, 'store', { get: () => store, set: () => undefined });
}

/** Votes of voters for this claim. */
function votesFor({ voters, granted }: Election): readonly Voter[] {
  return granted.filter((voter) => includesVoter(voters, voter));
}

/** What the former store of a member had acknowledged counts for its new one. */
function keepsPositions(): () => void {
  const { recordJoin } = AckTracker.prototype;
  return replace(AckTracker.prototype, 'recordJoin', {
    value({ node, store }: Voter) {
      const index = this.indexOf({ node, store: this.storeOf(node) });
      const applied = this.appliedOf(node);
      recordJoin.call(this, { node, store });
      this.recordAck({ node, store, index, applied });
      return false;
    },
  });
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'ack before store',
    seeds: 20,
    cores: acksBeforeStore,
  },
  {
    name: 'publish before store',
    seeds: 60,
    cores: { ...REAL_CORES, master: (settings, start) => new PublishesBeforeStore(settings, start) },
  },
  {
    name: 'what may be lost is said to be stored',
    seeds: 60,
    cores: { ...REAL_CORES, master: (settings, start) => new SaysStored(settings, start) },
  },
  {
    name: 'no epoch fence',
    seeds: 300,
    schedule: 'figure 8',
    cores: takesAnyEpoch,
  },
  {
    name: 'one vote too few',
    seeds: 60,
    plant: () =>
      replace(Election.prototype, 'won', {
        get() {
          const { length } = this.voters;
          return length > 0 && votesFor(this).length >= Math.max(1, majority(length) - 1);
        },
      }),
  },
  {
    name: 'a wiped store that still votes',
    seeds: 100,
    schedule: 'wipe after ack',
    cores: { ...REAL_CORES, disk: keepsItsName },
  },
  {
    name: 'a standby that counts itself',
    seeds: 60,
    plant: () =>
      replace(Election.prototype, 'won', {
        get() {
          const votes = votesFor(this);
          const own = includesVoter(votes, this.self) ? 0 : 1;
          return this.voters.length > 0 && votes.length + own >= majority(this.voters.length);
        },
      }),
  },
  {
    name: 'old entries committed by counting (figure 8)',
    seeds: 60,
    schedule: 'figure 8',
    plant: () => replace(Reign.prototype, 'mayCount', { value: () => true }),
  },
  {
    name: 'truncation that looks only at the last epoch',
    seeds: 100,
    schedule: 'figure 8',
    plant: () =>
      replace(LogOutline.prototype, 'cutFor', {
        value(this: LogOutline, { endIndex }: { endIndex: number }) {
          return Math.min(this.lastIndex, endIndex);
        },
      }),
  },
  {
    name: 'a reorder buffer that survives a new epoch',
    seeds: 1_500,
    schedule: 'figure 8',
    plant: () => replace(ReorderBuffer.prototype, 'clear', { value: () => undefined }),
  },
  {
    name: 'prefix from the lowest seq',
    seeds: 250,
    cores: beginsAnywhere,
  },
  {
    name: 'a position that outlives its store',
    seeds: 300,
    schedule: 'wipe after ack',
    plant: keepsPositions,
  },
  {
    name: 'a fetch that is not repeated',
    seeds: 80,
    cores: {
      ...REAL_CORES,
      secondary: (settings, start) =>
        new SecondaryMachine({ ...secondaryParts(settings, start), gap: new OneFetch(settings.gapTimeoutMs) }),
    },
  },
  ...PLANTED_ID_BUGS,
  ...PLANTED_LIST_BUGS,
  ...PLANTED_BORDER_BUGS,
];
