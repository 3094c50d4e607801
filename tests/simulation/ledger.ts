/**
 * Which stores may be lost: never more than a minority of the voters of any list that may be in force, or what was promised with w ≥ m would
 * not have to survive (S4). A voter is lost when its node has another store by now.
 */
import type { MembersControl, Voter } from '../../shared/protocol/record';
import type { World } from './world';

/**
 * May the present store of this node be lost? One that is no voter yet may become one in the moment it is lost, or with a store that is lost already
 * when its ack is late; so it counts as if it were. And while one is lost, a new master that does not know it yet may drop the former one from
 * the list: then the rest of the list has to bear the next loss, too. (Two stores lost within the moment of a list change can leave a list that only an
 * operator's force mends; so it is with Raft's changes of one server at a time.)
 */
export function mayLose(world: World, node: string): boolean {
  const masters = world.options.masters;
  return listsInForce(world).every((list) => {
    const concerned = concernedBy(world, list, node);
    const lost = concerned.filter((voter) => isLost(world, voter)).length;
    const rest = lost === 0 ? concerned : concerned.filter((voter) => !masters.includes(voter.node));
    return [concerned, rest].every((voters) => lost + 1 <= Math.floor((voters.length - 1) / 2));
  });
}

/** The voters of a list, and who may become one: this node, and members that have lost a store, with the store that they lost. */
function concernedBy(world: World, { voters, members }: MembersControl, node: string): Voter[] {
  const all = [...voters];
  for (const other of new Set([...members, node])) {
    if (voters.some((voter) => voter.node === other && (other !== node || !isLost(world, voter)))) continue;
    const { store, lostStores } = world.diskOf(other);
    const former = [...lostStores].at(-1);
    if (other === node) all.push({ node, store });
    else if (former !== undefined) all.push({ node: other, store: former });
  }
  return all;
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
