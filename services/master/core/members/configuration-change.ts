/**
 * The next list on the way to one that names all members, with the store that each of them has now
 * as a voter. Raft's single-server changes (thesis §4.1): two lists that differ by one voter share
 * a voter in any two majorities, so each step is safe once the former is committed. The first step
 * away from a single voter may be a larger one (`isAlone`).
 *
 * A lost store is replaced in two steps, out and in, and only after the new one has caught up. Lost
 * stores leave before a master that only stands by, and nobody leaves a list that those who are
 * left could not commit: the former one may still be held by who has gone. A list does not rest at
 * an even number of voters while more members are to come: two of two is no safer than one, and
 * stops when either stops.
 */
import { type MembersControl, REMOVED_MAX, type Voter } from '#protocol/record';
import { includesVoter, isMajority, sameVoter } from '#protocol/voters';
import { nodeCount } from '#protocol/write-concern';

export interface WantedConfiguration {
  readonly self: Voter;
  /** Members that there shall be. */
  readonly members: readonly string[];
  /** The present store of a member that is up and caught up; null for any other. */
  caughtUp(node: string): string | null;
}

/**
 * One step, or null when there is none to take now. A forced list stays marked as such until the
 * next one.
 */
export function nextConfiguration(
  { forced: _, ...list }: MembersControl,
  wish: WantedConfiguration,
): MembersControl | null {
  const candidates = candidatesOf(wish);
  const live = candidatesOf({ ...wish, members: [...list.members, ...wish.members] });
  const canCommit = (voters: readonly Voter[]) => isMajority(voters, (voter) => includesVoter(live, voter));
  const removed = list.members.find((node) => !wish.members.includes(node));
  if (removed !== undefined) {
    const rest = withoutMember(list, removed, wish.self);
    if (canCommit(rest.voters)) return rest;
  }
  const added = wish.members.filter((node) => !list.members.includes(node));
  if (added.length > 0) return withMembers(list, added);
  // Two stores of one node would raise the majority, and only one of them can be up.
  const missing = candidates.filter((each) => !list.voters.some(({ node }) => node === each.node));
  const replaced = list.voters.filter((voter) => isReplaced(voter, candidates));
  for (const obsolete of [...replaced, ...list.voters.filter((voter) => isOutside(voter, wish))]) {
    const voters = list.voters.filter((voter) => voter !== obsolete);
    if (canCommit(voters)) return { ...list, voters };
  }
  const voters = isOnlyVoter(list, wish.self) ? withoutEvenRest(list, missing) : nextVoter(list, missing);
  return voters.length === 0 ? null : { ...list, voters: [...list.voters, ...voters] };
}

/**
 * While this node is the only voter it may take in several at once: a majority of the former list
 * is this node itself, which has the new list, so no two majorities can decide without knowing of
 * each other. One at a time would pass through two of two, which stops for good if the second one
 * loses its store right then.
 */
function isOnlyVoter({ voters }: MembersControl, self: Voter): boolean {
  return voters.length === 1 && voters.some((voter) => sameVoter(voter, self));
}

function withoutEvenRest(list: MembersControl, missing: readonly Voter[]): readonly Voter[] {
  return restsAtEven(list, missing.length) ? missing.slice(0, -1) : missing;
}

function nextVoter(list: MembersControl, missing: readonly Voter[]): readonly Voter[] {
  return missing.length === 1 && restsAtEven(list, 1) ? [] : missing.slice(0, 1);
}

/**
 * A member leaves with its vote: still one voter's difference. The last voter waits until this node
 * is one: an empty list has no majority.
 */
function withoutMember(list: MembersControl, node: string, self: Voter): MembersControl {
  const voters = list.voters.filter((voter) => voter.node !== node);
  if (voters.length === 0) return { ...list, voters: [...list.voters, self] };
  const removed = [...(list.removed ?? []).filter((each) => each !== node), node].slice(-REMOVED_MAX);
  return { ...list, members: list.members.filter((each) => each !== node), voters, removed };
}

/** Whoever comes in is removed no more. */
function withMembers({ removed = [], ...list }: MembersControl, added: readonly string[]): MembersControl {
  const left = removed.filter((node) => !added.includes(node));
  const members = [...list.members, ...added];
  return left.length > 0 ? { ...list, members, removed: left } : { ...list, members };
}

/** Its store is lost: the node has caught up with another one. */
function isReplaced(voter: Voter, candidates: readonly Voter[]): boolean {
  return candidates.some((each) => each.node === voter.node && !sameVoter(each, voter));
}

/** Its node is no part of this log any more: a master that has gone, or stands by. */
function isOutside({ node }: Voter, { self, members }: WantedConfiguration): boolean {
  return node !== self.node && !members.includes(node);
}

function candidatesOf({ self, members, caughtUp }: WantedConfiguration): Voter[] {
  const candidates = [self];
  for (const node of members) {
    const store = caughtUp(node);
    if (store !== null) candidates.push({ node, store });
  }
  return candidates;
}

/** Would so many more voters make an even list, with members still to come? */
function restsAtEven({ voters, members }: MembersControl, more: number): boolean {
  const size = voters.length + more;
  return size % 2 === 0 && size < nodeCount(members.length);
}
