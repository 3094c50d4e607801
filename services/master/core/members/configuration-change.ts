/**
 * Computes the next configuration on the way to the wanted one, in which every member is a voter
 * with its present store.
 *
 * These are Raft's single-server changes (thesis §4.1). If two configurations differ by one voter,
 * any two of their majorities share a voter, so a step is safe once the one before is committed.
 * The first step away from a single voter may be larger (`isOnlyVoter`). Further rules:
 *
 * - Replace a lost store in two steps, remove and add, once the new store has caught up.
 * - Remove lost stores before a master that only stands by.
 * - Never remove a voter unless the live voters that remain can commit the change. Otherwise the
 *   removed node may be the only one that holds the former configuration.
 * - Do not stop at an even number of voters while more members are to come. Two of two is no safer
 *   than one, and stops when either stops.
 */
import { type MembersControl, REMOVED_MAX, type Voter } from '#protocol/record';
import { includesVoter, isMajority, sameVoter } from '#protocol/voters';
import { nodeCount } from '#protocol/write-concern';

/** The configuration that the steps lead to. */
export interface WantedConfiguration {
  /** This master, always a voter in the end. */
  readonly self: Voter;
  /** The wanted members. */
  readonly members: readonly string[];
  /** The present store of a member that is up and caught up; null for any other. */
  caughtUp(node: string): string | null;
}

/**
 * Computes the next step. The step drops the mark of a forced configuration.
 * @returns null when no step is possible or needed now
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
  // Two stores of one node would raise the majority, but only one of them can be up.
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
 * Is this node the only voter? Then it may add several voters at once. The only majority of the
 * former configuration is this node itself, which has the new one, so no two majorities can decide
 * independently. One voter at a time would pass through two of two, which stops for good if the
 * second one loses its store at that moment.
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
 * Removes a member together with its vote: still a difference of one voter. If it is the last
 * voter, the step first adds this node, because no voters have no majority.
 */
function withoutMember(list: MembersControl, node: string, self: Voter): MembersControl {
  const voters = list.voters.filter((voter) => voter.node !== node);
  if (voters.length === 0) return { ...list, voters: [...list.voters, self] };
  const removed = [...(list.removed ?? []).filter((each) => each !== node), node].slice(-REMOVED_MAX);
  return { ...list, members: list.members.filter((each) => each !== node), voters, removed };
}

/** Adds members; they are no longer among the removed nodes. */
function withMembers({ removed = [], ...list }: MembersControl, added: readonly string[]): MembersControl {
  const left = removed.filter((node) => !added.includes(node));
  const members = [...list.members, ...added];
  return left.length > 0 ? { ...list, members, removed: left } : { ...list, members };
}

/** Is the voter's store lost? It is if its node has caught up with another store. */
function isReplaced(voter: Voter, candidates: readonly Voter[]): boolean {
  return candidates.some((each) => each.node === voter.node && !sameVoter(each, voter));
}

/** Is the voter neither this node nor a wanted member, such as a former master? */
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

/** Would so many more voters make an even number, with members still to come? */
function restsAtEven({ voters, members }: MembersControl, more: number): boolean {
  const size = voters.length + more;
  return size % 2 === 0 && size < nodeCount(members.length);
}
