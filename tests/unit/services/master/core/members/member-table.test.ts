import fc from 'fast-check';
import type { MasterEffect } from '#master/core/events';
import { MemberTable } from '#master/core/members/member-table';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';

const SENDER = { epoch: 1, reign: 'r1', log: 'r1' } as const;
const BOUNDS = { suspectAfterMs: 1_000, unhealthyAfterMs: 3_000 };

function bookOf(...members: string[]): MemberTable {
  const book = new MemberTable(BOUNDS);
  book.setMembers(members);
  return book;
}

function beat(node: string, said: Partial<MessageOf<'heartbeat'>> = {}): MessageOf<'heartbeat'> {
  const position = { index: 0, applied: 0, buffered: 0 };
  return { type: 'heartbeat', ...SENDER, node, store: 'disk', ...position, httpUrl: `http://${node}`, ...said };
}

const leave = (node: string): MessageOf<'leave'> => ({ type: 'leave', ...SENDER, node });

/** The sentences that it says while this is done. */
function said(act: (out: MasterEffect[]) => void): string[] {
  const out: MasterEffect[] = [];
  act(out);
  return out.map((effect) => (effect.do === 'trace' ? `${effect.facts.peer} ${effect.event}` : effect.do));
}

const hear = (book: MemberTable, now: number, message: WireMessage & { readonly node: string }): string[] =>
  said((out) => book.recordHeard(now, message, out));

/** It has heard of all members, and each has acknowledged up to `index`. */
function bookWithAcks(index: number, ...members: string[]): MemberTable {
  const book = bookOf(...members);
  for (const node of members) {
    hear(book, 0, beat(node));
    book.tracker.recordAck({ node, store: 'disk', index, applied: index });
  }
  return book;
}

describe('a sign of life', () => {
  test('is told once, and again when the member was away', () => {
    const book = bookOf('s1');
    expect(hear(book, 0, beat('s1'))).toEqual(['s1 member.healthy']);
    expect(hear(book, 500, beat('s1'))).toEqual([]);
    expect(said((out) => book.tick(1_500, out))).toEqual(['s1 member.suspected']);
    expect(said((out) => book.tick(3_500, out))).toEqual(['s1 member.unhealthy']);
    expect(hear(book, 4_000, beat('s1'))).toEqual(['s1 member.healthy']);
  });

  test('says where the member is reached', () => {
    const book = bookOf('s1');
    expect(book.stateOf(0, 's1')).toMatchObject({ status: 'Unknown', lastSeenMs: null, httpUrl: null });
    hear(book, 0, beat('s1'));
    hear(book, 10, leave('s1'));
    expect(book.stateOf(0, 's1').httpUrl).toBe('http://s1');
  });

  test('of a stranger is none', () => {
    const book = bookOf('s1');
    expect(hear(book, 0, beat('s9'))).toEqual([]);
    expect(book.aliveCount).toBe(0);
  });

  test('is not a goodbye: that one is believed at once, and named as such until the member is back', () => {
    const book = bookOf('s1');
    hear(book, 0, beat('s1'));
    expect(hear(book, 250, leave('s1'))).toEqual(['s1 member.unhealthy']);
    expect(book.missing(250)).toEqual([{ id: 's1', status: 'Unhealthy', lastSeenMs: 250, left: true }]);
    hear(book, 500, beat('s1'));
    expect(book.missing(500)).toEqual([]);
    expect(book.stateOf(500, 's1')).not.toHaveProperty('left');
  });
});

test('followers are the members that are up and belong to the log', () => {
  const book = bookOf('s1', 's2', 's3', 's4');
  hear(book, 0, beat('s1'));
  hear(book, 0, beat('s2', { log: null }));
  hear(book, 0, beat('s3'));
  hear(book, 0, leave('s3'));
  expect(book.followers).toEqual(['s1']);
  hear(book, 0, beat('s2'));
  hear(book, 0, beat('s1', { log: null }));
  expect(book.followers).toEqual(['s2']);
});

test('a node of the name that holds another log is not there, and what it had acknowledged counts no more', () => {
  const book = bookWithAcks(7, 's1', 's2');
  expect(said((out) => book.recordForeign(100, beat('s1', { store: 'other', log: 'r9' }), out))).toEqual([
    's1 member.unhealthy',
  ]);
  expect(book.isAlive('s1')).toBe(false);
  expect(book.followers).toEqual(['s2']);
  expect(book.tracker.holdersOf(1)).toEqual(['s2']);
  book.tracker.recordAck({ node: 's1', store: 'disk', index: 9, applied: 9 });
  expect(book.tracker.holdersOf(1)).toEqual(['s2']);
});

describe('a store that comes back with less than it had acknowledged', () => {
  test.each([
    ['less', { node: 's1', store: 'disk', lastIndex: 6 }, true],
    ['as much', { node: 's1', store: 'disk', lastIndex: 7 }, false],
    ['more', { node: 's1', store: 'disk', lastIndex: 8 }, false],
    ['nothing, and is another one', { node: 's1', store: 'new', lastIndex: 0 }, false],
    ['nothing, and was never heard', { node: 's2', store: 'disk', lastIndex: 0 }, false],
  ])('is known by it: %s', (_, comes, expected) => {
    const book = bookWithAcks(7, 's1');
    expect(book.isRolledBack(comes)).toBe(expected);
  });

  test('counts for nothing, whatever it holds later, until the member comes with another one', () => {
    const book = bookWithAcks(7, 's1', 's2');
    book.recordRolledBack({ node: 's1', store: 'disk' });
    expect(book.tracker.holdersOf(1)).toEqual(['s2']);
    expect(book.agrees('s1')).toBe(false);
    book.recordStore({ node: 's1', store: 'disk' });
    expect(book.mustRenew({ node: 's1', store: 'disk' })).toBe(true);
    expect(book.isRolledBack({ node: 's1', store: 'disk', lastIndex: 99 })).toBe(true);
    expect(book.recordStore({ node: 's1', store: 'new' })).toBe(true);
    expect(book.agrees('s1')).toBe(true);
    expect(book.mustRenew({ node: 's1', store: 'new' })).toBe(false);
  });
});

describe('a member holds another log', () => {
  test.each<[what: string, said: Partial<MessageOf<'heartbeat'>>, expected: number | null, agrees: boolean]>([
    ['not when the checksums are equal', { index: 5, checksum: 1 }, 1, true],
    ['when they differ', { index: 5, checksum: 2 }, 1, false],
    ['not when the own one is not known', { index: 5, checksum: 2 }, null, true],
    ['not when it says none', { index: 5 }, 1, true],
    ['not when it has not compared its log yet', { index: 0, checksum: 2 }, 1, true],
    ['when it says so itself', { index: 0, differsAt: 0 }, null, false],
    ['when it says so itself, though the checksums are equal', { index: 5, checksum: 1, differsAt: 3 }, 1, false],
  ])('%s', (_, message, expected, agrees) => {
    const book = bookWithAcks(7, 's1');
    const told = said((out) => book.compare(beat('s1', message), expected, out));
    expect(book.agrees('s1')).toBe(agrees);
    expect(told).toEqual(agrees ? [] : ['s1 member.differs']);
    expect(book.tracker.holdersOf(1)).toEqual(agrees ? ['s1'] : []);
  });

  test('is told again only when the place becomes known, and stays said though a later beat is equal', () => {
    const book = bookWithAcks(7, 's1');
    const compare = (message: Partial<MessageOf<'heartbeat'>>) =>
      said((out) => book.compare(beat('s1', message), 1, out)).length;
    expect([compare({ differsAt: 0 }), compare({ differsAt: 0 }), compare({ differsAt: 4 })]).toEqual([1, 0, 1]);
    expect([compare({ differsAt: 4 }), compare({ index: 5, checksum: 1 })]).toEqual([0, 0]);
    expect(book.stateOf(0, 's1').differsAt).toBe(4);
  });

  test('until it comes with another store', () => {
    const book = bookWithAcks(7, 's1');
    book.compare(beat('s1', { differsAt: 4 }), null, []);
    book.recordStore({ node: 's1', store: 'disk' });
    expect(book.agrees('s1')).toBe(false);
    const end = { lastIndex: 0, lastEpoch: 0 };
    const told = said((out) => book.recordJoin({ node: 's1', store: 'new', ...end }, out));
    expect(told).toEqual(['s1 member.joined-with-new-store']);
    expect(book.agrees('s1')).toBe(true);
    expect(said((out) => book.recordJoin({ node: 's1', store: 'new', ...end }, out))).toEqual(['s1 member.joined']);
  });
});

test('of a member that went and came back nothing is known', () => {
  const book = bookWithAcks(7, 's1', 's2');
  book.compare(beat('s1', { differsAt: 4 }), null, []);
  book.recordRolledBack({ node: 's1', store: 'disk' });
  book.setMembers(['s2']);
  book.setMembers(['s1', 's2']);
  const unheard = { id: 's1', status: 'Unknown', lastSeenMs: null, acked: 0, httpUrl: null, differsAt: null };
  expect(book.stateOf(0, 's1')).toEqual(unheard);
  expect(book.agrees('s1')).toBe(true);
  expect(book.followers).toEqual(['s2']);
  expect(book.stateOf(0, 's2').acked).toBe(7);
});

test('whoever is missing is not Healthy, and the others are, whatever was heard when', () => {
  const members = ['s1', 's2', 's3'];
  const step = fc.record({
    afterMs: fc.nat(2_000),
    node: fc.constantFrom(...members, 'stranger'),
    what: fc.constantFrom('beat', 'leave', 'nothing'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const book = bookOf(...members);
      const lastHeard = new Map<string, number>();
      let now = 0;
      for (const { afterMs, node, what } of steps) {
        now += afterMs;
        if (what === 'beat') hear(book, now, beat(node));
        if (what === 'leave') hear(book, now, leave(node));
        if (what === 'beat') lastHeard.set(node, now);
        if (what === 'leave') lastHeard.delete(node);
        book.tick(now, []);
        const silentMs = (member: string) => now - (lastHeard.get(member) ?? Number.NEGATIVE_INFINITY);
        const isHealthy = (member: string) => silentMs(member) < BOUNDS.suspectAfterMs;
        expect(book.missing(now).map(({ id }) => id)).toEqual(members.filter((member) => !isHealthy(member)));
        const up = members.filter((member) => silentMs(member) < BOUNDS.unhealthyAfterMs);
        expect([book.aliveCount, book.followers]).toEqual([up.length, up]);
      }
    }),
  );
});
