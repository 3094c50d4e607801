import fc from 'fast-check';
import type { ChangeMember } from '#master/core/events';
import { Membership } from '#master/core/members/membership';
import type { MasterCoreSettings } from '#master/core/settings';
import { LogOutline } from '#protocol/log/outline';
import { controlRecord, type MembersControl } from '#protocol/record';
import { beat, ReignHarness, reignOfThree, SELF, SETTINGS } from '../reign-harness';

type List = Partial<Pick<MembersControl, 'voters' | 'members' | 'removed'>>;

/** A log with this list; null: an empty log. */
function membershipOf(secondaries: readonly string[], list: List | null): Membership {
  const outline = new LogOutline();
  const opening = { control: 'epoch', reign: 'r1', ...SELF } as const;
  if (list !== null) {
    outline.append(controlRecord({ index: 1, epoch: 1, seq: 0 }, opening));
    const members = { control: 'members', voters: [SELF], members: [], ...list } as const;
    outline.append(controlRecord({ index: 2, epoch: 1, seq: 0 }, members));
  }
  return new Membership({ ...SETTINGS, secondaries }, outline);
}

/** An operator's change, and what becomes of it when the log is stored. */
function change(harness: ReignHarness, type: ChangeMember['type'], node: string): string {
  const outcome = harness.membership.want({ type, node });
  if (outcome !== null) return outcome.outcome === 'done' ? 'done before' : outcome.outcome;
  harness.do((out) => harness.reign.awaitChange({ type, request: 900, node }, out));
  harness.changeList();
  harness.store();
  const told = harness.effects.splice(0).flatMap((effect) => (effect.do === 'memberChange' ? [effect.outcome] : []));
  expect(told).toEqual([{ outcome: 'done', isNew: true }]);
  return 'done';
}

/** The only voter is the master itself, so a list is committed as it is stored. */
function newReign(settings: Partial<MasterCoreSettings> = {}): ReignHarness {
  const harness = new ReignHarness(['s1', 's2'], settings);
  harness.begin();
  return harness;
}

const VOTERS = [SELF, { node: 's1', store: 'disk' }];

describe.each<[what: string, secondaries: string[], list: List | null, expected: Record<string, string[]>]>([
  [
    'before there is a list',
    ['s1', 's2'],
    null,
    { members: ['s1', 's2'], wanted: ['s1', 's2'], young: ['s1', 's2'], voters: [] },
  ],
  [
    'of a list that is as the settings say',
    ['s1'],
    { members: ['s1'], voters: VOTERS },
    { members: ['s1'], wanted: ['s1'], young: [], voters: ['master', 's1'] },
  ],
  [
    'of a list that names another node',
    ['s1'],
    { members: ['s1', 's2'], voters: VOTERS },
    { members: ['s1', 's2'], wanted: ['s1', 's2'], young: ['s2'], voters: ['master', 's1'] },
  ],
  [
    'of settings that name another node',
    ['s1', 's2'],
    { members: ['s1'], voters: VOTERS },
    { members: ['s1'], wanted: ['s1', 's2'], young: ['s2'], voters: ['master', 's1'] },
  ],
  [
    'of settings that name a removed one',
    ['s1', 's2'],
    { members: ['s1'], voters: VOTERS, removed: ['s2'] },
    { members: ['s1'], wanted: ['s1'], young: [], voters: ['master', 's1'] },
  ],
])('%s', (_, secondaries, list, expected) => {
  test.each(Object.keys(expected) as ('members' | 'wanted' | 'young' | 'voters')[])('%s', (what) => {
    expect(membershipOf(secondaries, list)[what]).toEqual(expected[what]);
  });
});

test('wanted is everybody of settings and list whom nobody removed, each once', () => {
  const nodes: readonly string[] = ['s1', 's2', 's3', 's4', 's5'];
  const some = fc.uniqueArray(fc.constantFrom(...nodes));
  fc.assert(
    fc.property(some, some, some, (secondaries, members, removed) => {
      const { wanted } = membershipOf(secondaries, { members, removed });
      const expected = nodes.filter(
        (node) => (secondaries.includes(node) || members.includes(node)) && !removed.includes(node),
      );
      expect([...wanted].sort()).toEqual(expected);
    }),
  );
});

describe('a node that wants to be a member', () => {
  test('becomes one where membership is open', () => {
    const harness = newReign({ openMembership: true });
    expect(harness.membership.admit('s3')).toBe(true);
    expect(harness.changeList()).toBe(true);
    expect(harness.membership.members).toEqual(['s1', 's2', 's3']);
    expect(harness.tracker.members).toEqual(['s1', 's2', 's3']);
  });

  test.each([
    ['membership is closed', { openMembership: false }, 's3'],
    ['it is one already', { openMembership: true }, 's1'],
    ['it is the master itself', { openMembership: true }, SELF.node],
  ])('changes nothing when %s', (_, settings, node) => {
    const { membership } = newReign(settings);
    expect(membership.admit(node)).toBe(false);
    expect(membership.wanted).toEqual(['s1', 's2']);
  });

  test('is asked for once, though the list cannot change yet', () => {
    const harness = new ReignHarness(['s1', 's2'], { openMembership: true });
    expect(harness.membership.admit('s3')).toBe(true);
    expect(harness.membership.admit('s3')).toBe(false);
    expect(harness.changeList()).toBe(false);
    harness.begin();
    expect(harness.changeList()).toBe(true);
    expect(harness.membership.members).toEqual(['s1', 's2', 's3']);
  });
});

describe('an operator', () => {
  test.each<[what: string, type: ChangeMember['type'], node: string, answer: string]>([
    ['removes a member', 'remove', 's2', 'done'],
    ['takes a node in, though membership is closed', 'admit', 's3', 'done'],
    ['takes in who is a member already', 'admit', 's1', 'done before'],
    ['removes who is none', 'remove', 's9', 'unknown'],
    ['removes the master', 'remove', SELF.node, 'own-node'],
    ['takes in the master', 'admit', SELF.node, 'own-node'],
  ])('%s', (_, type, node, answer) => {
    const harness = newReign();
    expect(change(harness, type, node)).toBe(answer);
    const isThere = harness.membership.members.includes(node);
    expect(isThere).toBe(type === 'admit' && answer !== 'own-node');
  });

  test('removes for good: neither a join nor the next reign brings the node back, an operator does', () => {
    const harness = newReign({ openMembership: true });
    const { membership } = harness;
    change(harness, 'remove', 's2');
    expect(membership.removed).toEqual(['s2']);
    expect(membership.admit('s2')).toBe(false);
    membership.wantAll();
    expect(membership.wanted).toEqual(['s1']);
    expect(change(harness, 'admit', 's2')).toBe('done');
    expect(membership.members).toEqual(['s1', 's2']);
    expect(membership.removed).toEqual([]);
  });
});

describe('of two secondaries', () => {
  test.each([
    ['none is up', true, [], { ok: false, isAlone: true }],
    ['one is up', true, ['s1'], { ok: true, isAlone: false }],
    ['both are up', true, ['s1', 's2'], { ok: true, isAlone: false }],
    ['none is up, and no quorum is asked for', false, [], { ok: true, isAlone: true }],
  ])('%s', (_, quorumAppend, up, expected) => {
    const harness = newReign({ quorumAppend });
    const { membership } = harness;
    harness.hear(...up);
    expect({ ok: membership.quorum.ok, isAlone: membership.isShortOfNodes }).toEqual(expected);
    expect(membership.situation(0).missing.map(({ id }) => id)).toEqual(['s1', 's2'].filter((id) => !up.includes(id)));
  });
});

/** Knows the list of three voters, and has heard of these members. */
function votersOf(up: readonly string[], settings: Partial<MasterCoreSettings> = {}): Membership {
  const membership = new Membership({ ...SETTINGS, ...settings }, reignOfThree().log.outline);
  for (const node of up) {
    membership.table.recordHeard(0, beat(node), []);
    membership.table.recordStore({ node, store: 'disk' });
  }
  return membership;
}

describe('of three voters', () => {
  test.each([
    ['none of the others was heard', [], ['master'], false],
    ['one was heard', ['s1'], ['master', 's1'], true],
    ['both were heard', ['s1', 's2'], ['master', 's1', 's2'], true],
  ])('%s', (_, up, votersUp, hasVoters) => {
    const membership = votersOf(up);
    expect(membership.votersUp).toEqual(votersUp);
    expect(membership.hasVoters).toBe(hasVoters);
  });

  test('one whose log differs is up and acks nothing, so it is none to commit with', () => {
    const membership = votersOf(['s1']);
    membership.table.compare(beat('s1', { differsAt: 1 }), null, []);
    expect(membership.quorum.ok).toBe(true);
    expect(membership.votersUp).toEqual(['master']);
    expect(membership.hasVoters).toBe(false);
  });

  test('none is needed where no quorum is asked for', () => {
    const membership = votersOf([], { quorumAppend: false });
    expect(membership.hasVoters).toBe(true);
  });

  test.each([
    ['disk', true],
    ['new', false],
  ])('the vote is that of a store: one that comes with %s has it, %s', (store, voter) => {
    const membership = votersOf([]);
    membership.table.recordStore({ node: 's1', store });
    expect(membership.stateOf(0, 's1').voter).toBe(voter);
  });
});
