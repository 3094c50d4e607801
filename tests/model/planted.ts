/**
 * Changes of the rules, each of which loses or mixes something. The search must find every one of
 * them, or it proves nothing.
 */
import { includesVoter } from '#protocol/voters';
import { majority } from '#protocol/write-concern';
import type { Broken } from './invariants';
import { REAL_RULES, type Rules } from './rules';
import { type Setup, SMALL } from './setups';
import type { Start } from './steps/starts';

interface PlantedChange {
  readonly name: string;
  readonly rules: Rules;
  readonly setup: Setup;
  readonly start: Start;
  readonly depth: number;
  /** What it breaks, and under what circumstances at most: none that the documents except. */
  readonly breaks: Broken['rule'];
  readonly under: Broken['circumstances'];
}

const most = { ...SMALL.most, losses: 1, entries: 2 };

export const PLANTED_CHANGES: readonly PlantedChange[] = [
  {
    name: 'begins on the word of m - 1 on any broker',
    rules: {
      ...REAL_RULES,
      mayBegin: (facts) => REAL_RULES.mayBegin({ ...facts, freshBroker: true }),
    },
    setup: { ...SMALL, most },
    start: 'young',
    depth: 8,
    breaks: 'two logs',
    under: ['anyLost', 'young'],
  },
  {
    name: 'begins on a broker that knows of no log without asking anybody',
    rules: {
      ...REAL_RULES,
      mayBegin: (facts) => REAL_RULES.mayBegin({ ...facts, needsVotes: false }),
    },
    setup: { ...SMALL, most: { ...most, brokerLosses: true } },
    start: 'grown',
    depth: 5,
    breaks: 'stuck',
    under: ['anyLost', 'brokerLost'],
  },
  {
    name: 'takes the log of a minority',
    rules: {
      ...REAL_RULES,
      mayAdopt: (claimant, source, adoptable) => REAL_RULES.mayAdopt(claimant, source, adoptable, true),
    },
    setup: { ...SMALL, secondaries: 4, most: { ...most, losses: 2, strangeFolders: 'secondaries' } },
    start: 'grown',
    depth: 3,
    breaks: 'stuck',
    under: ['anyLost', 'strangeFolder'],
  },
  {
    // The commit index alone holds a node back from that, where it is on disk.
    name: 'follows a master whatever log it has, and trusts it to cut',
    rules: { ...REAL_RULES, mayFollow: () => true, isForeign: () => false, cutTo: (_node, common) => common },
    setup: { ...SMALL, most: { ...most, strangeFolders: 'anybody' } },
    start: 'grown',
    depth: 4,
    breaks: 'foreign cut',
    under: ['anyLost', 'strangeFolder'],
  },
  {
    name: 'tells voters by their node alone, so that a lost store goes unnoticed',
    rules: { ...REAL_RULES, sameVoter: (a, b) => a.node === b.node },
    setup: { ...SMALL, standby: true, most },
    start: 'grown',
    depth: 8,
    breaks: 'lost',
    under: ['anyLost'],
  },
  {
    name: 'votes for a log that ends before its own',
    rules: { ...REAL_RULES, grants: () => true },
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0 } },
    start: 'grown',
    depth: 6,
    breaks: 'superseded',
    under: [],
  },
  {
    name: 'cuts below its commit index',
    rules: { ...REAL_RULES, cutTo: (_node, common) => common },
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0, forces: true } },
    start: 'grown',
    depth: 6,
    breaks: 'cut below commit',
    under: ['forced'],
  },
  {
    name: 'counts the acks of a foreign node',
    rules: { ...REAL_RULES, counts: () => true },
    setup: { ...SMALL, most: { ...most, strangeFolders: 'anybody' } },
    start: 'young',
    depth: 4,
    breaks: 'too few copies',
    under: ['anyLost', 'strangeFolder', 'young'],
  },
  {
    name: 'forces a log into being from nothing',
    rules: { ...REAL_RULES, mayForce: () => true },
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0, forces: true } },
    start: 'young',
    depth: 7,
    breaks: 'two logs',
    under: ['forced', 'young'],
  },
  {
    name: 'takes two voters in at once beside others',
    rules: {
      ...REAL_RULES,
      nextList(list, wish) {
        const next = REAL_RULES.nextList(list, wish);
        if (next === null || list.voters.length < majority(list.members.length + 1)) return next;
        const twice = REAL_RULES.nextList(next, wish);
        return twice ?? next;
      },
    },
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0 } },
    start: 'taken over',
    depth: 8,
    breaks: 'superseded',
    under: [],
  },
  {
    // Former fault: four voters, of which a second loss leaves two.
    name: 'takes a new store in beside the former one of its node',
    rules: {
      ...REAL_RULES,
      nextList(list, wish) {
        const next = REAL_RULES.nextList(list, wish);
        const fresh = wish.members
          .map((node) => ({ node, store: wish.caughtUp(node) ?? '' }))
          .filter(({ node, store }) => store !== '' && list.voters.some((voter) => voter.node === node))
          .find((each) => !includesVoter(list.voters, each));
        return next === null && fresh !== undefined ? { ...list, voters: [...list.voters, fresh] } : next;
      },
    },
    setup: { ...SMALL, most: { ...most, entries: 1, losses: 2 } },
    start: 'grown',
    depth: 6,
    breaks: 'stuck',
    under: ['anyLost'],
  },
  {
    // Former fault: a log is begun a second time, under its own id.
    name: 'takes the first records of another store for a torn first write',
    rules: { ...REAL_RULES, isTornBirth: (founder) => founder !== null },
    setup: { ...SMALL, mode: 'new', most: { ...most, entries: 1 } },
    start: 'grown',
    depth: 6,
    breaks: 'superseded',
    under: ['anyLost', 'newAsked'],
  },
  {
    name: 'follows a reign below the epoch that it has promised',
    rules: { ...REAL_RULES, isBound: () => false },
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0 } },
    start: 'grown',
    depth: 6,
    breaks: 'superseded',
    under: [],
  },
];
