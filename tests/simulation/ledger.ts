/**
 * Which stores may be lost: never more than a minority of the voters of any list that may be in force, or what was promised with w ≥ m would
 * not have to survive (S4). A voter is lost when its node has another store by now.
 */
import type { MembersControl, Voter } from '../../shared/protocol/record';
import type { World } from './world';

/** May the present store of this node be lost? One that is no voter yet may become one in the moment it is lost, so it counts as if it were. */
export function mayLose(world: World, node: string): boolean {
  const store = world.diskOf(node).store;
  return listsInForce(world).every(({ voters }) => {
    const isVoter = voters.some((voter) => voter.node === node && voter.store === store);
    const size = voters.length + (isVoter ? 0 : 1);
    const lost = voters.filter((voter) => isLost(world, voter)).length;
    return lost + 1 <= Math.floor((size - 1) / 2);
  });
}

function isLost(world: World, { node, store }: Voter): boolean {
  return world.diskOf(node).lostStores.has(store);
}

/** Of every log the newest two lists: the newest may be cut again. */
function listsInForce(world: World): MembersControl[] {
  const lists: MembersControl[] = [];
  for (const { view, platter } of world.disks.values()) {
    for (const log of view === platter ? [platter] : [view, platter]) {
      let found = 0;
      for (let at = log.length - 1; at >= 0 && found < 2; at -= 1) {
        const control = log[at]?.control;
        if (control?.control !== 'members') continue;
        found += 1;
        lists.push(control);
      }
    }
  }
  return lists;
}
