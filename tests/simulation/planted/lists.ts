/**
 * Planted bugs in the rules by which the list of voters changes, and by which what needs a majority
 * is answered. The step itself is a pure function of the product (list-change.ts); what is planted
 * is when it is taken, and how often at once.
 */
import type { MasterEffect } from '#master/core/events';
import { type ListWish, nextList } from '#master/core/list-change';
import { Reign, type ReignParts } from '#master/core/reign';
import type { MembersControl, Voter } from '#protocol/record';
import type { PlantedBug } from './bugs';
import { inner, replace } from './planting';

type Next = (list: MembersControl, wish: ListWish) => MembersControl | null;
type MayChange = (reign: Reign, listIndex: number) => boolean;

/** As the product decides it. */
const mayChange: MayChange = (reign, listIndex) => reign.open && listIndex <= reign.commitIndex;

function changesList(next: Next, may: MayChange = mayChange): () => () => void {
  type Wanted = Parameters<Reign['changeList']>[0];
  return () =>
    replace(Reign.prototype, 'changeList', {
      value(this: Reign, { members, isAlive }: Wanted, out: MasterEffect[]) {
        const { log, tracker } = inner<ReignParts>(this, 'parts');
        if (!may(this, log.outline.newestList().index)) return false;
        const storeOf = inner<(node: string, isAlive: boolean) => string | null>(this, 'caughtUpStore');
        const caughtUp = (node: string) => storeOf.call(this, node, isAlive(node));
        const list = next(this.list, { self: inner<Voter>(this, 'self'), members, caughtUp });
        if (list === null) return false;
        inner<(list: MembersControl) => number>(this, 'write').call(this, list);
        tracker.setMembers(list.members);
        this.recount();
        log.flush(out);
        inner<(out: MasterEffect[]) => void>(this, 'release').call(this, out);
        return true;
      },
    });
}

/** Two steps in one record, if the first one does what `isSuch` says. */
function twoSteps(isSuch: (from: MembersControl, to: MembersControl) => boolean): Next {
  return (list, wish) => {
    const first = nextList(list, wish);
    if (first === null || !isSuch(list, first)) return first;
    return nextList(first, wish) ?? first;
  };
}

export const PLANTED_LIST_BUGS: readonly PlantedBug[] = [
  {
    name: 'two voters added at once',
    seeds: 100,
    schedule: 'list changes',
    plant: changesList(twoSteps((from, to) => to.voters.length > from.voters.length && from.voters.length > 1)),
  },
  {
    name: 'the next list does not wait for the commit of the last one',
    seeds: 100,
    schedule: 'list changes',
    plant: changesList(nextList, (reign) => reign.open),
  },
  {
    name: 'w of a majority answered without commit',
    seeds: 1_200,
    wild: true,
    plant: () => {
      const release = inner<(this: Reign, out: MasterEffect[]) => void>(Reign.prototype, 'release');
      return replace(Reign.prototype, 'release', {
        value(this: Reign, out: MasterEffect[]) {
          if (this.waiters.size === 0) return;
          const { log } = inner<ReignParts>(this, 'parts');
          const { commitIndex } = log;
          Reflect.set(log, 'committed', Number.MAX_SAFE_INTEGER);
          release.call(this, out);
          Reflect.set(log, 'committed', commitIndex);
        },
      });
    },
  },
];
