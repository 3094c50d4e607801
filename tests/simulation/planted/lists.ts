/**
 * Planted bugs in the rules by which the list of voters changes, and by which what needs a majority
 * is answered. The step itself is a pure function of the product (list-change.ts); what is planted
 * is when it is taken, and how often at once.
 */

import { Reign } from '#master/core/leadership/reign';
import { nextConfiguration, type WantedConfiguration } from '#master/core/members/configuration-change';
import { Membership } from '#master/core/members/membership';
import type { MembersControl } from '#protocol/record';
import type { PlantedBug } from './bugs';
import { replace } from './planting';

type Next = (list: MembersControl, wish: WantedConfiguration) => MembersControl | null;

function changesConfigurationBy(next: Next): () => () => void {
  return () =>
    replace(Membership.prototype, 'nextConfiguration', {
      value(commitIndex: number) {
        return next(this.configuration, this.wantedConfiguration(commitIndex));
      },
    });
}

/** Two steps in one record, if the first one does what `isSuch` says. */
function twoSteps(isSuch: (from: MembersControl, to: MembersControl) => boolean): Next {
  return (list, wish) => {
    const first = nextConfiguration(list, wish);
    if (first === null || !isSuch(list, first)) return first;
    return nextConfiguration(first, wish) ?? first;
  };
}

export const PLANTED_LIST_BUGS: readonly PlantedBug[] = [
  {
    name: 'two voters added at once',
    seeds: 100,
    schedule: 'list changes',
    plant: changesConfigurationBy(
      twoSteps((from, to) => to.voters.length > from.voters.length && from.voters.length > 1),
    ),
  },
  {
    name: 'the next list does not wait for the commit of the last one',
    seeds: 100,
    schedule: 'list changes',
    plant: () =>
      replace(Reign.prototype, 'canChangeConfiguration', {
        get() {
          return this.open;
        },
      }),
  },
  {
    name: 'w of a majority answered without commit',
    seeds: 1_200,
    wild: true,
    plant: () => replace(Reign.prototype, 'needsCommit', { value: () => false }),
  },
];
