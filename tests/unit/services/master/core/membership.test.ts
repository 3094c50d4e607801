import fc from 'fast-check';
import type { ChangeMember, MasterEffect } from '#master/core/events';
import { Membership } from '#master/core/membership';
import type { MasterSettings } from '#master/core/settings';
import { LogOutline } from '#protocol/log/outline';
import { controlRecord, type MembersControl } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import { SELF, Throne, throneOfThree } from './throne';

const SETTINGS: MasterSettings = {
  ...SELF,
  secondaries: ['s1', 's2'],
  openMembership: false,
  birth: 'auto',
  logId: null,
  inMemory: false,
  quorumAppend: true,
  heartbeatIntervalMs: 500,
  suspectAfterMs: 1_000,
  unhealthyAfterMs: 3_000,
  inFlightBytesMax: 1_000,
};

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

function beat(node: string, said: Partial<MessageOf<'heartbeat'>> = {}): MessageOf<'heartbeat'> {
  const position = { index: 0, applied: 0, buffered: 0, httpUrl: '' };
  return { type: 'heartbeat', epoch: 1, reign: 'r1', log: 'r1', node, store: 'disk', ...position, ...said };
}

function hear(membership: Membership, ...nodes: string[]): void {
  for (const node of nodes) membership.book.recordHeard(0, beat(node), []);
}

/** A reign, and the membership of its log. */
class Court {
  readonly throne: Throne;
  readonly membership: Membership;
  private requests = 0;

  constructor(settings: Partial<MasterSettings> = {}, throne = newThrone()) {
    this.throne = throne;
    this.membership = new Membership({ ...SETTINGS, ...settings }, throne.log.outline);
  }

  admit(node: string): MasterEffect[] {
    return this.throne.do((out) => this.membership.admit(node, this.throne.reign, out));
  }

  /** An operator's change, and what becomes of it when the log is stored. */
  change(type: ChangeMember['type'], node: string): string {
    this.requests += 1;
    const request = this.requests;
    this.throne.do((out) => this.membership.change({ type, request, node }, this.throne.reign, out));
    this.throne.store();
    this.membership.followList();
    const told = this.throne.effects.flatMap((effect) =>
      effect.do === 'memberChange' && effect.request === request ? [effect.outcome] : [],
    );
    const [first] = told;
    if (told.length !== 1 || first === undefined) throw new Error(`told ${told.length} times`);
    return first.outcome === 'done' ? `done${first.isNew ? '' : ' before'}` : first.outcome;
  }

  get ensured(): string[] {
    return this.throne.effects.flatMap((effect) => (effect.do === 'ensureMember' ? [effect.node] : []));
  }
}

/** The only voter is the master itself, so a list is committed as it is stored. */
function newThrone(): Throne {
  const throne = new Throne(['s1', 's2']);
  throne.begin();
  return throne;
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
  test('becomes one where membership is open, and has a queue', () => {
    const court = new Court({ openMembership: true });
    court.admit('s3');
    expect(court.membership.members).toEqual(['s1', 's2', 's3']);
    expect(court.ensured).toEqual(['s3']);
    expect(court.membership.book.tracker.members).toEqual(['s1', 's2', 's3']);
  });

  test.each([
    ['membership is closed', { openMembership: false }, 's3'],
    ['it is one already', { openMembership: true }, 's1'],
    ['it is the master itself', { openMembership: true }, SELF.node],
  ])('changes nothing when %s', (_, settings, node) => {
    const court = new Court(settings);
    expect(court.admit(node)).toEqual([]);
    expect(court.membership.wanted).toEqual(['s1', 's2']);
  });

  test('is asked for once, though the list cannot change yet', () => {
    const throne = new Throne(['s1', 's2']);
    const court = new Court({ openMembership: true }, throne);
    expect(court.admit('s3')).toHaveLength(1);
    expect(court.admit('s3')).toEqual([]);
    throne.begin();
    throne.do((out) => court.membership.changeList(throne.reign, out));
    expect(court.membership.members).toEqual(['s1', 's2', 's3']);
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
    const court = new Court();
    expect(court.change(type, node)).toBe(answer);
    const isThere = court.membership.members.includes(node);
    expect(isThere).toBe(type === 'admit' && answer !== 'own-node');
  });

  test('removes for good: neither a join nor the next reign brings the node back, an operator does', () => {
    const court = new Court({ openMembership: true });
    court.change('remove', 's2');
    expect(court.membership.removed).toEqual(['s2']);
    expect(court.admit('s2')).toEqual([]);
    court.membership.wantAll();
    expect(court.membership.wanted).toEqual(['s1']);
    expect(court.change('admit', 's2')).toBe('done');
    expect(court.membership.members).toEqual(['s1', 's2']);
    expect(court.membership.removed).toEqual([]);
    expect(court.ensured).toEqual(['s2']);
  });
});

describe('of two secondaries', () => {
  test.each([
    ['none is up', true, [], { ok: false, isAlone: true }],
    ['one is up', true, ['s1'], { ok: true, isAlone: false }],
    ['both are up', true, ['s1', 's2'], { ok: true, isAlone: false }],
    ['none is up, and no quorum is asked for', false, [], { ok: true, isAlone: true }],
  ])('%s', (_, quorumAppend, up, expected) => {
    const { membership } = new Court({ quorumAppend });
    hear(membership, ...up);
    expect({ ok: membership.quorum.ok, isAlone: membership.isAlone }).toEqual(expected);
    expect(membership.situation(0).missing.map(({ id }) => id)).toEqual(['s1', 's2'].filter((id) => !up.includes(id)));
  });
});

describe('of three voters', () => {
  test.each([
    ['none of the others was heard', [], ['master'], false],
    ['one was heard', ['s1'], ['master', 's1'], true],
    ['both were heard', ['s1', 's2'], ['master', 's1', 's2'], true],
  ])('%s', (_, up, votersUp, hasVoters) => {
    const { membership, throne } = new Court({}, throneOfThree());
    hear(membership, ...up);
    expect(membership.votersUp(throne.reign)).toEqual(votersUp);
    expect(membership.hasVoters(throne.reign)).toBe(hasVoters);
  });

  test('one whose log differs is up and acks nothing, so it is none to commit with', () => {
    const { membership, throne } = new Court({}, throneOfThree());
    hear(membership, 's1');
    membership.book.compare(beat('s1', { differsAt: 1 }), null, []);
    expect(membership.quorum.ok).toBe(true);
    expect(membership.votersUp(throne.reign)).toEqual(['master']);
    expect(membership.hasVoters(throne.reign)).toBe(false);
  });

  test('none is needed where no quorum is asked for', () => {
    const { membership, throne } = new Court({ quorumAppend: false }, throneOfThree());
    expect(membership.hasVoters(throne.reign)).toBe(true);
  });

  test.each([
    ['disk', true],
    ['new', false],
  ])('the vote is that of a store: one that comes with %s has it, %s', (store, voter) => {
    const { membership } = new Court({}, throneOfThree());
    membership.book.recordStore({ node: 's1', store });
    expect(membership.stateOf(0, 's1').voter).toBe(voter);
  });
});
