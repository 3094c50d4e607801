/**
 * Planted bugs at the borders of a log's life: birth, identity, force, removal, and what a disk
 * keeps beside the log.
 */

import type { BirthSituation } from '#master/core/election/candidacy';
import { Listening } from '#master/core/election/listening';
import type { MasterEffect, MasterEvent } from '#master/core/events';
import { Reign } from '#master/core/leadership/reign';
import { MasterMachine } from '#master/core/master';
import { MemberTable } from '#master/core/members/member-table';
import { Membership } from '#master/core/members/membership';
import { MasterView } from '#master/core/view';
import { Ballot } from '#secondary/core/voting/ballot';
import { REAL_CORES } from '../model/world';
import type { PlantedBug } from './bugs';
import { replace, secondariesThat } from './planting';

class LeadsAtOnce extends MasterMachine {
  override step(now: number, event: MasterEvent): MasterEffect[] {
    this.state.declaration.recordConfirmed();
    const out = super.step(now, event);
    this.state.declaration.recordConfirmed();
    return out;
  }
}

function beginsOnAnyBroker(): () => void {
  const { birth } = MasterView.prototype;
  return replace(MasterView.prototype, 'birth', {
    value(now: number): BirthSituation {
      return { ...birth.call(this, now), freshBroker: true };
    },
  });
}

const votesBeforePromise = secondariesThat((step, { ballot }) => (now, event) => {
  const out = step(now, event);
  if (event.type !== 'wire' || event.message.type !== 'claim' || event.replyTo === null) return out;
  if (out.some((effect) => effect.do === 'savePromise')) ballot.sendVote(event.message, event.replyTo, out);
  return out;
});

/**
 * As before there was a commit index on disk: what is committed is not known after a start, and to
 * be told to cut it is taken for impossible.
 */
const throwsBelowCommit = secondariesThat((step) => (now, event) => {
  const out = step(now, event);
  const refuses = out.some((effect) => effect.do === 'trace' && effect.event === 'log.master-lacks-committed');
  if (refuses) throw new Error('told to cut what is committed');
  return out;
});

export const PLANTED_BORDER_BUGS: readonly PlantedBug[] = [
  {
    name: 'a birth on the word of m - 1 on any broker',
    seeds: 100,
    schedule: 'births',
    plant: beginsOnAnyBroker,
  },
  {
    name: 'announces before the first list is durable',
    seeds: 200,
    schedule: 'births',
    cores: { ...REAL_CORES, master: (settings, start) => new LeadsAtOnce(settings, start) },
    plant: () => replace(Reign.prototype, 'isFounded', { get: () => true }),
  },
  {
    name: 'the former acks of a foreign node count on',
    seeds: 300,
    wild: true,
    plant: () => replace(MemberTable.prototype, 'recordForeign', { value: () => undefined }),
  },
  {
    name: 'identity ignored when following',
    seeds: 300,
    wild: true,
    plant: () => replace(Ballot.prototype, 'accepts', { value: () => true }),
  },
  {
    name: 'force without listening',
    seeds: 500,
    schedule: 'lost majority',
    plant: () => replace(Listening.prototype, 'isComplete', { value: () => true }),
  },
  {
    name: 'commit index not kept on disk',
    seeds: 200,
    schedule: 'lost majority',
    cores: {
      ...REAL_CORES,
      secondary: (settings, { promised, ...start }) =>
        REAL_CORES.secondary(settings, { ...start, promised: { ...promised, commit: 0 } }),
    },
  },
  {
    name: 'a cut below commit that throws',
    seeds: 120,
    schedule: 'lost majority',
    cores: throwsBelowCommit,
  },
  {
    name: 'removed members come back',
    seeds: 30,
    schedule: 'list changes',
    plant: () => replace(Membership.prototype, 'removed', { get: () => [] }),
  },
  {
    name: 'a vote that does not wait for its promise',
    seeds: 250,
    schedule: 'split votes',
    cores: votesBeforePromise,
  },
];
