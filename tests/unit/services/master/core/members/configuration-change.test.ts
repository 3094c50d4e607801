import fc from 'fast-check';
import { nextConfiguration } from '#master/core/members/configuration-change';
import { type MembersControl, REMOVED_MAX, type Voter } from '#protocol/record';
import { includesVoter, isMajority } from '#protocol/voters';

const SELF: Voter = { node: 'master', store: 'M' };

/** A list in which `node/store` are the voters. */
function list(voters: readonly string[], members: readonly string[]): MembersControl {
  return { control: 'members', voters: voters.map(voterOf), members };
}

function voterOf(text: string): Voter {
  const [node = '', store = ''] = text.split('/');
  return { node, store };
}

const votersOf = ({ voters }: MembersControl): string[] => voters.map(({ node, store }) => `${node}/${store}`);

interface Wished {
  readonly members?: readonly string[];
  /** `node/store` of those that are up and caught up. */
  readonly up?: readonly string[];
}

function next(now: MembersControl, { members = now.members, up = [] }: Wished): MembersControl | null {
  const stores = new Map(up.map((text) => [voterOf(text).node, voterOf(text).store]));
  return nextConfiguration(now, { self: SELF, members, caughtUp: (node) => stores.get(node) ?? null });
}

/** All steps from `now` on, while the same nodes are up. */
function stepsFrom(now: MembersControl, wished: Wished): MembersControl[] {
  const steps: MembersControl[] = [];
  for (let list = next(now, wished); list !== null; list = next(list, wished)) {
    steps.push(list);
    if (steps.length > 40) throw new Error(`no end: ${steps.map((each) => votersOf(each).join(' ')).join(' | ')}`);
  }
  return steps;
}

test('a list that names all members with their stores is left alone', () => {
  const all = list(['master/M', 's1/A', 's2/B'], ['s1', 's2']);
  expect(next(all, { up: ['s1/A', 's2/B'] })).toBeNull();
  expect(next(all, {})).toBeNull();
});

test('new members are named first, and voters stay as they are', () => {
  const step = next(list(['master/M'], ['s1']), { members: ['s1', 's2'], up: ['s1/A'] });
  expect(step).toEqual(list(['master/M'], ['s1', 's2']));
});

test('beside a single voter all that have caught up become voters at once: no list of two can get stuck', () => {
  const steps = stepsFrom(list(['master/M'], ['s1', 's2']), { up: ['s1/A', 's2/B'] });
  expect(steps.map(votersOf)).toEqual([['master/M', 's1/A', 's2/B']]);
  const four = stepsFrom(list(['master/M'], ['s1', 's2', 's3', 's4']), { up: ['s1/A', 's2/B', 's3/C'] });
  expect(four.map(votersOf)).toEqual([['master/M', 's1/A', 's2/B']]);
});

test('beside another voter than this node they come in one after the other', () => {
  const steps = stepsFrom(list(['master/M', 's3/C'], ['s1', 's2', 's3']), { up: ['s1/A', 's2/B', 's3/C'] });
  expect(steps.map(votersOf)).toEqual([
    ['master/M', 's3/C', 's1/A'],
    ['master/M', 's3/C', 's1/A', 's2/B'],
  ]);
});

test('one alone of two is not made a voter: two of two would stop when either stops', () => {
  expect(next(list(['master/M'], ['s1', 's2']), { up: ['s1/A'] })).toBeNull();
});

test('the only secondary there is becomes a voter', () => {
  expect(next(list(['master/M'], ['s1']), { up: ['s1/A'] })).toEqual(list(['master/M', 's1/A'], ['s1']));
});

test('a wiped store goes out first, and its successor comes in with the next step', () => {
  const steps = stepsFrom(list(['master/M', 's1/A', 's2/B'], ['s1', 's2']), { up: ['s1/new', 's2/B'] });
  expect(steps.map(votersOf)).toEqual([
    ['master/M', 's2/B'],
    ['master/M', 's2/B', 's1/new'],
  ]);
});

test('a master with a new store replaces itself, too', () => {
  const steps = stepsFrom(list(['master/old', 's1/A', 's2/B'], ['s1', 's2']), { up: ['s1/A', 's2/B'] });
  expect(steps.map(votersOf)).toEqual([
    ['s1/A', 's2/B'],
    ['s1/A', 's2/B', 'master/M'],
  ]);
});

test('a lost store leaves before a master that stands by, who can still take over', () => {
  const now = list(['other/O', 's1/A', 's2/B', 's3/C'], ['s1', 's2', 's3']);
  const step = next(now, { up: ['s1/A', 's2/new', 's3/C'] });
  expect(step).toEqual(list(['other/O', 's1/A', 's3/C'], ['s1', 's2', 's3']));
});

test('nobody leaves a list that those who are left could not commit', () => {
  const now = list(['other/O', 's1/A', 's2/lost', 's3/C', 's4/lost'], ['s1', 's2', 's3', 's4']);
  expect(next(now, { up: ['s1/A', 's3/C'] })?.voters.map(({ node }) => node)).not.toEqual(['s1', 's2', 's3', 's4']);
});

test('a member that is removed leaves with its vote', () => {
  const now = list(['master/M', 's1/A', 's2/B'], ['s1', 's2']);
  const step = next(now, { members: ['s2'], up: ['s1/A', 's2/B'] });
  expect(step).toEqual({ ...list(['master/M', 's2/B'], ['s2']), removed: ['s1'] });
});

describe('the nodes that an operator has removed', () => {
  const all = list(['master/M', 's1/A', 's2/B'], ['s1', 's2']);
  const names = Array.from({ length: REMOVED_MAX }, (_, at) => `gone-${at}`);

  test('are remembered, the newest last, and each once', () => {
    const step = next({ ...all, removed: ['s1', 's9'] }, { members: ['s2'], up: ['s1/A', 's2/B'] });
    expect(step?.removed).toEqual(['s9', 's1']);
  });

  test('are forgotten beyond a bound, the oldest first', () => {
    const step = next({ ...all, removed: names }, { members: ['s2'], up: ['s1/A', 's2/B'] });
    expect(step?.removed).toHaveLength(REMOVED_MAX);
    expect(step?.removed?.slice(0, 1)).toEqual(['gone-1']);
    expect(step?.removed?.slice(-2)).toEqual([`gone-${REMOVED_MAX - 1}`, 's1']);
  });

  test('stay remembered when voters come and go, and when others come in', () => {
    const removed = ['s9'];
    const replaced = stepsFrom({ ...all, removed }, { up: ['s1/new', 's2/B'] });
    expect(replaced.map((step) => step.removed)).toEqual([removed, removed]);
    const grown = next({ ...all, removed }, { members: ['s1', 's2', 's3'], up: ['s1/A', 's2/B'] });
    expect(grown).toMatchObject({ members: ['s1', 's2', 's3'], removed });
    const forced = { ...list(['master/M'], ['s1']), forced: true, removed } as const;
    expect(next(forced, { up: ['s1/A'] })).toEqual({ ...list(['master/M', 's1/A'], ['s1']), removed });
  });

  test('are removed no more once they are taken in again; the others still are', () => {
    const now = { ...list(['master/M', 's2/B'], ['s2']), removed: ['s1', 's9'] };
    const admitted = next(now, { members: ['s2', 's1'], up: ['s2/B'] });
    expect(admitted).toEqual({ ...list(['master/M', 's2/B'], ['s2', 's1']), removed: ['s9'] });
  });

  test('leave no trace in the list once the last of them is taken in again', () => {
    const now = { ...list(['master/M', 's2/B'], ['s2']), removed: ['s1'] };
    expect(next(now, { members: ['s2', 's1'], up: ['s2/B'] })).toEqual(list(['master/M', 's2/B'], ['s2', 's1']));
  });

  test('are not remembered before their vote has gone with them', () => {
    const steps = stepsFrom(list(['s1/A'], ['s1', 's2']), { members: ['s2'], up: ['s2/B'] });
    expect(steps.map((step) => step.removed)).toEqual([undefined, ['s1'], ['s1']]);
  });
});

test('a member is not removed while those who are left could not commit without it', () => {
  const now = list(['master/M', 's1/lost', 's2/B'], ['s1', 's2']);
  expect(next(now, { members: ['s1'], up: ['s2/B'] })).toBeNull();
  const mended = next(now, { members: ['s1'], up: ['s1/new', 's2/B'] });
  expect(mended?.voters).not.toContainEqual({ node: 's1', store: 'lost' });
});

test('the last voter is not removed before the master is one: an empty list could commit nothing any more', () => {
  const steps = stepsFrom(list(['s1/A'], ['s1', 's2']), { members: ['s2'], up: ['s2/B'] });
  expect(steps.map(votersOf)).toEqual([['s1/A', 'master/M'], ['master/M'], ['master/M', 's2/B']]);
});

test('a voter whose node is no part of this log any more leaves the list', () => {
  expect(next(list(['gone/A', 'master/M'], ['s1']), {})).toEqual(list(['master/M'], ['s1']));
});

test('only a list that an operator began is marked as forced, not the one after it', () => {
  const forced = { ...list(['master/M'], ['s1']), forced: true } as const;
  expect(next(forced, { up: ['s1/A'] })).toEqual(list(['master/M', 's1/A'], ['s1']));
});

test('a voter that is only down keeps its vote', () => {
  expect(next(list(['master/M', 's1/A', 's2/B'], ['s1', 's2']), { up: ['s1/A'] })).toBeNull();
});

test('the last voter is never taken out before this node is one', () => {
  const steps = stepsFrom(list(['standby/S'], ['s1']), {});
  expect(steps.map(votersOf)).toEqual([['standby/S', 'master/M'], ['master/M']]);
});

test('a new store does not stand beside the former one of its node: two of them would raise the majority', () => {
  const steps = stepsFrom(list(['master/M', 's1/old', 's2/B'], ['s1', 's2']), { up: ['s1/new'] });
  expect(steps.map(votersOf)).toEqual([]);
});

const stores = ['A', 'B'];
const nodes = ['s1', 's2', 's3', 's4'];
const place = fc.record({
  members: fc.subarray(nodes),
  voters: fc.uniqueArray(fc.tuple(fc.constantFrom('master', ...nodes), fc.constantFrom('M', ...stores)), {
    minLength: 1,
    maxLength: 5,
    selector: ([node]) => node,
  }),
  wished: fc.subarray(nodes),
  up: fc.uniqueArray(fc.tuple(fc.constantFrom(...nodes), fc.constantFrom(...stores)), { selector: ([node]) => node }),
});

test('no step but the one from this node alone changes more than one voter, none empties the list, and the way comes to an end', () => {
  fc.assert(
    fc.property(place, ({ members, voters, wished, up }) => {
      const start = list(
        voters.map((each) => each.join('/')),
        members,
      );
      const upTexts = up.map((each) => each.join('/'));
      let before = start;
      for (const step of stepsFrom(start, { members: wished, up: upTexts })) {
        const added = step.voters.filter((each) => !includesVoter(before.voters, each));
        const removed = before.voters.filter((each) => !includesVoter(step.voters, each));
        const isAlone = votersOf(before).join() === 'master/M';
        expect(isAlone ? removed.length : added.length + removed.length).toBeLessThanOrEqual(isAlone ? 0 : 1);
        expect(step.voters.length).toBeGreaterThan(0);
        for (const { node, store } of added) expect(['master/M', ...upTexts]).toContain(`${node}/${store}`);
        before = step;
      }
      // Without those who are down, or are no members, a removal may have to wait.
      const live = ['master/M', ...upTexts.filter((text) => [...members, ...wished].includes(voterOf(text).node))];
      if (start.voters.every(({ node, store }) => live.includes(`${node}/${store}`)))
        expect([...before.members].sort()).toEqual([...wished].sort());
    }),
  );
});

test('with every member up, and a list that they can commit, the way ends at all of them and their present stores', () => {
  fc.assert(
    fc.property(place, ({ members, voters, wished }) => {
      const up = wished.map((node) => `${node}/now`);
      const present = voters.map(
        ([node, store]) => `${node}/${store === 'M' && wished.includes(node) ? 'now' : store}`,
      );
      const start = list(present, members);
      fc.pre(isMajority(start.voters, ({ node, store }) => ['master/M', ...up].includes(`${node}/${store}`)));
      const end = stepsFrom(start, { members: wished, up }).at(-1) ?? start;
      expect(votersOf(end).sort()).toEqual(['master/M', ...up].sort());
    }),
  );
});
