/**
 * The searches, and what each of them finds: the exceptions that the documents name, and nothing
 * else. A finding is written as its rule and the circumstances without which it does not occur.
 */
import { type Setup, SMALL } from './setups';
import type { Start } from './steps/starts';

export interface NamedSearch {
  readonly name: string;
  readonly setup: Setup;
  readonly start: Start;
  readonly depth: number;
  readonly checksRecovery?: boolean;
  readonly isExcused?: boolean;
  readonly finds: readonly string[];
}

const { most } = SMALL;
const named = { mode: 'never', logIdNamed: true } as const;
/**
 * What a sole voter can not survive: nothing is lost, but nobody else may reign without an
 * operator.
 */
const YOUNG_IS_STUCK = 'stuck: anyLost young';
/** Nobody heard holds the log, and the broker has forgotten it. */
const YOUNG_IS_FORGOTTEN = 'two logs: anyLost brokerLost young';

export const SEARCHES: readonly NamedSearch[] = [
  {
    name: 'three nodes from the first start on, all states within one lost disk and two epochs',
    setup: { ...SMALL, most: { ...most, epochs: 2 } },
    start: 'empty',
    depth: 100,
    checksRecovery: true,
    finds: [YOUNG_IS_STUCK],
  },
  {
    name: 'a young log, one lost disk, and a broker that forgets',
    setup: { ...SMALL, most: { ...most, brokerLosses: true, entries: 2 } },
    start: 'young',
    depth: 7,
    finds: [YOUNG_IS_FORGOTTEN],
  },
  {
    name: 'the same with LOG_ID set, and a standby',
    setup: { ...SMALL, ...named, standby: true, most: { ...most, brokerLosses: true, entries: 2 } },
    start: 'young',
    depth: 6,
    finds: [],
  },
  {
    name: 'a grown log, one lost disk, and a broker that forgets',
    setup: { ...SMALL, most: { ...most, brokerLosses: true, entries: 2 } },
    start: 'grown',
    depth: 8,
    checksRecovery: true,
    finds: [],
  },
  {
    name: 'a grown log of four nodes',
    setup: { ...SMALL, secondaries: 3, most: { ...most, brokerLosses: true } },
    start: 'grown',
    depth: 7,
    checksRecovery: true,
    finds: [],
  },
  {
    name: 'a grown log of five nodes, two lost disks',
    setup: { ...SMALL, secondaries: 4, most: { ...most, brokerLosses: true, losses: 2 } },
    start: 'grown',
    depth: 6,
    finds: [],
  },
  {
    name: 'a grown log, two masters and forces, also on both sides of a split',
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0, entries: 2, forces: true } },
    start: 'grown',
    depth: 6,
    finds: ['superseded: forced', 'branches: forced'],
  },
  {
    // The mark of the branch is in the epoch record: what the torn force gives up, it gives up on a
    // branch, as a whole one does.
    name: 'a force that is torn',
    setup: { ...SMALL, standby: true, most: { ...most, losses: 0, forces: true } },
    start: 'an entry on two nodes',
    depth: 4,
    finds: ['superseded: forced', 'lost: forced'],
  },
  {
    name: 'everything at once, and more lost than may be',
    setup: {
      ...SMALL,
      standby: true,
      most: { ...most, losses: 3, brokerLosses: true, strangeFolders: 'anybody', returns: true, forces: true },
    },
    start: 'young',
    depth: 4,
    isExcused: true,
    finds: [],
  },
  {
    name: 'in memory: a restart is a lost disk',
    setup: { ...SMALL, inMemory: true, most: { ...most, brokerLosses: true, entries: 2 } },
    start: 'young',
    depth: 7,
    finds: [YOUNG_IS_FORGOTTEN],
  },
  {
    name: 'a folder that comes back',
    setup: { ...SMALL, most: { ...most, losses: 2, entries: 2, returns: true } },
    start: 'grown',
    depth: 7,
    finds: [],
  },
  {
    name: 'a folder of another log',
    setup: { ...SMALL, most: { ...most, entries: 2, strangeFolders: 'anybody' } },
    start: 'young',
    depth: 6,
    checksRecovery: true,
    finds: [YOUNG_IS_STUCK, 'stuck: anyLost strangeFolder', 'two logs: anyLost strangeFolder young'],
  },
  {
    // The former master, which is a voter, neither votes nor follows while it waits: until the list
    // has the standby, both secondaries are needed.
    name: 'a disk that is lost while a standby takes over',
    setup: { ...SMALL, standby: true, most },
    start: 'taken over',
    depth: 5,
    checksRecovery: true,
    finds: ['stuck: anyLost'],
  },
  {
    name: 'a folder that is set back, and nobody notices',
    setup: { ...SMALL, most: { ...most, rollbacks: true } },
    start: 'grown',
    depth: 6,
    finds: ['superseded: anyLost rolledBack', 'lost: anyLost rolledBack'],
  },
  {
    name: 'a young folder that is set back',
    setup: { ...SMALL, most: { ...most, rollbacks: true, brokerLosses: true } },
    start: 'young',
    depth: 6,
    checksRecovery: true,
    finds: [YOUNG_IS_STUCK, 'stuck: anyLost rolledBack', 'superseded: anyLost rolledBack'],
  },
  {
    name: 'a log that is used before the broker is told of it',
    setup: { ...SMALL, most: { ...most, brokerUntold: true, entries: 2 } },
    start: 'empty',
    depth: 7,
    finds: [],
  },
  {
    name: 'a node that loses its disk twice',
    setup: { ...SMALL, most: { ...most, losses: 2 } },
    start: 'grown',
    depth: 7,
    checksRecovery: true,
    finds: [],
  },
  {
    name: 'a log that is fetched in part where another may begin',
    setup: { ...SMALL, mode: 'new', most },
    start: 'grown',
    depth: 8,
    finds: [],
  },
];
